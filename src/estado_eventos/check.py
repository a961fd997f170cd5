"""El diagnóstico para quien instala o cuida el programa: cada hallazgo, con el mandato o la variable que lo cura."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from estado_eventos import check_api, check_network, check_schedule, check_settings
from estado_eventos.check_findings import Finding, exit_code, problem, show
from estado_eventos.check_token import AtHand, at_hand
from estado_eventos.report import ExitCode
from estado_eventos.runner import run_async
from estado_eventos.settings import SettingsError
from estado_eventos.sources import Loaded


def run(load: Callable[[], Loaded], env_file: Path | None, *, as_json: bool) -> ExitCode:
    """Mira todo lo que una pasada necesita, sin cambiar nada, y lo enseña; devuelve el código que daría la pasada."""
    try:
        loaded = load()
    except SettingsError as error:
        findings = [*check_settings.broken(error), *check_settings.files(env_file)]
    else:
        findings = [*check_settings.values(loaded), *check_settings.files(env_file), *run_async(_examine(loaded))]
    show(findings, as_json=as_json)
    return exit_code(findings)


async def _examine(loaded: Loaded) -> list[Finding]:
    """Lo que hay fuera de la configuración: la red y, a la vez, quién ejecuta el programa en esta máquina."""
    seconds = loaded.settings.pass_timeout
    tokens = at_hand(loaded)
    outside: list[Finding] = []
    inside: list[Finding] = []
    try:
        async with asyncio.timeout(seconds):
            await asyncio.gather(
                _collect(_path_to_backend(loaded, tokens), outside), _collect(_machine(loaded), inside)
            )
    except TimeoutError:
        message = f"El backend no contestó en los {seconds:g} s que dura como mucho una pasada (PASS_TIMEOUT)"
        outside.append(problem("timeout", message, "Mire su carga y su registro", ExitCode.UNAVAILABLE))
    return [*outside, *inside]


async def _collect(findings: AsyncIterator[Finding], into: list[Finding]) -> None:
    async for finding in findings:
        into.append(finding)  # noqa: PERF401  Con una comprensión, un corte perdería lo ya encontrado.


async def _path_to_backend(loaded: Loaded, tokens: AtHand) -> AsyncIterator[Finding]:
    """De la red hacia arriba; donde no se puede seguir, se para."""
    settings = loaded.settings
    reached = True
    for target in check_network.targets(settings, login_needed=tokens.token is None):
        async for finding in check_network.reach(target, settings):
            reached = reached and not finding.code
            yield finding
    for finding in check_network.ignored_proxies(settings, reached=reached):
        yield finding
    for finding in tokens.findings:
        yield finding
    if reached:
        async for finding in check_api.examine(loaded, tokens.token):
            yield finding


async def _machine(loaded: Loaded) -> AsyncIterator[Finding]:
    machine = await check_schedule.look(min(check_schedule.COMMAND_SECONDS, 0.8 * loaded.settings.pass_timeout))
    for finding in (*check_schedule.schedule(machine), *check_schedule.last_pass(loaded.settings, machine)):
        yield finding
