"""El diagnóstico para quien instala o cuida el programa: cada hallazgo, con el mandato o la variable que lo cura."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from estado_eventos.check import api, heartbeat, inherited, machine, network, settings
from estado_eventos.check.findings import Diagnosis, Finding, problem
from estado_eventos.check.tokens import HeldTokens, held_tokens
from estado_eventos.config.settings import SettingsError
from estado_eventos.config.sources import Loaded
from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.output.summary import render
from estado_eventos.reconcile.run import run_async

_SHARE = 0.9
"""La parte de `PASS_TIMEOUT` que se espera a quien no contesta: lo que queda es para decir quién es."""


def run(load: Callable[[], Loaded], env_file: Path | None, *, as_json: bool) -> ExitCode:
    """Mira todo lo que una pasada necesita, sin cambiar nada, y lo enseña; devuelve el código que daría la pasada."""
    try:
        loaded = load()
    except SettingsError as error:
        findings = list(settings.broken(error, env_file))
    else:
        read = [*settings.values(loaded), *settings.file(loaded.file), *inherited.examine(loaded.file)]
        findings = [*read, *run_async(_examine(loaded))]
    diagnosis = Diagnosis(tuple(findings))
    render(diagnosis, as_json=as_json)
    return diagnosis.exit_code


async def _examine(loaded: Loaded) -> list[Finding]:
    """Lo que hay fuera de la configuración: la red y, a la vez, quién ejecuta el programa en esta máquina."""
    seconds = loaded.settings.pass_timeout
    tokens = held_tokens(loaded)
    outside: list[Finding] = []
    inside: list[Finding] = []
    try:
        async with asyncio.timeout(seconds):
            await asyncio.gather(
                _collect(_path_to_backend(loaded, tokens), outside),
                _collect(machine.examine(loaded.settings), inside),
                _collect(heartbeat.examine(loaded.settings), inside),
            )
    except TimeoutError:
        message = f"El backend no contestó en los {seconds:g} s que dura como mucho una pasada (PASS_TIMEOUT)"
        outside.append(problem("timeout", message, "Mire su carga y su registro", ExitCode.UNAVAILABLE))
    return [*outside, *inside]


async def _collect(findings: AsyncIterator[Finding], into: list[Finding]) -> None:
    async for finding in findings:
        into.append(finding)  # noqa: PERF401  Con una comprensión, un corte perdería lo ya encontrado.


async def _path_to_backend(loaded: Loaded, tokens: HeldTokens) -> AsyncIterator[Finding]:
    """De la red hacia arriba; donde no se puede seguir, se para."""
    until = asyncio.get_running_loop().time() + _SHARE * loaded.settings.pass_timeout
    for finding in network.clear(loaded.settings):
        yield finding
    reached = True
    for target in network.targets(loaded.settings, login_needed=tokens.usable is None):
        async for finding in network.reach(target, loaded.settings):
            reached = reached and not finding.code
            yield finding
    for finding in network.ignored_proxies(loaded.settings, reached=reached):
        yield finding
    for finding in tokens.findings:
        yield finding
    if reached:
        async for finding in api.examine(loaded, tokens.usable, until):
            yield finding
