"""Quién ejecuta el programa en esta máquina, y si algo se lo impide."""

from collections.abc import AsyncIterator, Iterator

from estado_eventos.backend.account import account_of
from estado_eventos.check import api_socket, last_pass, units
from estado_eventos.check.findings import Finding, good, problem
from estado_eventos.check.schedules import Machine, Schedule, look
from estado_eventos.config.settings import Settings
from estado_eventos.domain.text import printable
from estado_eventos.domain.transitions import TRANSITIONS
from estado_eventos.reconcile.lock import find_stranger
from estado_eventos.reconcile.plan import Plan
from estado_eventos.schedule.cron import is_running

_COMMAND_SECONDS = 3.0


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Si algo ejecuta el programa a su hora en esta máquina, y cómo acabó la última pasada."""
    for finding in _locks(settings):
        yield finding
    machine = await look(min(_COMMAND_SECONDS, 0.8 * settings.pass_timeout))
    for finding in (
        *_running(machine, settings),
        *units.findings(machine),
        *api_socket.findings(machine),
        *api_socket.old_endpoint(),
    ):
        yield finding
    for finding in last_pass.findings(settings, machine):
        yield finding


def _locks(settings: Settings) -> Iterator[Finding]:
    """Si alguien ocupa el turno de las pasadas sin tener por qué."""
    for transition in TRANSITIONS:
        plan = Plan("check", (transition,), shard=settings.part)
        for name in plan.locks(settings.backend_url, transition):
            if stranger := find_stranger(name):
                who = f"otro usuario (PID {stranger.pid})" if stranger.pid else "alguien que no lo usa"
                message = f"El turno de las pasadas de {transition.noun} lo ocupa {who}: no se le espera"
                cure = f"Mire quién es: ps -fp {stranger.pid}" if stranger.pid else "Mire quién es: sudo ss -xap"
                yield problem("lock", message, cure)


def _running(machine: Machine, settings: Settings) -> Iterator[Finding]:
    """Si algo ejecuta el programa a su hora."""
    timers, cron = machine.timers or (), machine.cron or {}
    if machine.timers is None and machine.cron is None:
        yield good("schedule", "Aquí no hay systemd ni cron que mirar (¿un contenedor?): las pasadas las hará otro")
        return
    for timer in timers:
        yield _timer(timer)
    has_daemon = not cron or is_running()
    for where, lines in cron.items():
        yield _cron(where, has_daemon=has_daemon)
        if (
            account_of(settings)
            and not settings.token_cache_file
            and not any("TOKEN_CACHE_FILE" in row for row in lines)
        ):
            message = f"Cron ({printable(where)}) no pone TOKEN_CACHE_FILE: cada pasada inicia sesión"
            cure = "Cambie esa línea por la de: estado-eventos schedule install cron; o ponga TOKEN_CACHE_FILE"
            yield problem("schedule", message, cure)
    if not timers and not cron:
        which = "cron" if machine.timers is None else "systemd"
        message = "No hay temporizador de systemd ni línea de cron: nadie hace las pasadas"
        yield problem("schedule", message, f"sudo estado-eventos schedule install {which}")


def _cron(where: str, *, has_daemon: bool) -> Finding:
    if has_daemon:
        return good("schedule", f"Cron ejecuta el programa ({printable(where)})")
    message = f"Hay línea de cron ({printable(where)}), pero aquí no hay ningún cron en marcha: nadie hace las pasadas"
    return problem("schedule", message, "sudo systemctl enable --now cron (crond, en otros sistemas)")


def _timer(timer: Schedule) -> Finding:
    if timer.is_active and timer.is_enabled:
        return good("schedule", f"{timer.name} está en marcha")
    unit = f"{timer.unit}.timer"
    if timer.is_active:
        message = f"{timer.name} está en marcha, pero no volverá cuando arranque la máquina"
        return problem("schedule", message, f"{timer.systemctl} enable {unit}")
    message = f"{timer.name} está parado: no hace pasadas"
    return problem("schedule", message, f"{timer.systemctl} enable --now {unit}")
