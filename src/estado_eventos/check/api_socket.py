"""El socket de `GET /health` mirado por el diagnóstico: si escucha, y donde dice la configuración."""

import os
from collections.abc import Iterator
from pathlib import Path

from estado_eventos.check.findings import Finding, good, problem
from estado_eventos.check.schedules import Machine, Schedule
from estado_eventos.config.settings import Settings
from estado_eventos.domain.text import printable
from estado_eventos.schedule.job import DEFAULT_NAME, ScheduleError, listen_address

_DEFAULTS = Settings.model_fields
_OLD_ENDPOINT = "-api@.service"


def findings(machine: Machine) -> Iterator[Finding]:
    """Los sockets que hay, con temporizador o sin él."""
    for one in machine.timers or ():
        if one.socket:
            yield _socket(one)
    for one in machine.orphans:
        message = f"{one.unit}-api.socket está ahí y no hay temporizador: contesta por pasadas que nadie hace"
        yield problem(
            "api", message, f"Quítelo: {one.command('remove')}; o instálelo entero: {one.command('install')} --api"
        )


def old_endpoint() -> Iterator[Finding]:
    """Si queda la unidad con que antes se contestaba por HTTP, un proceso por conexión."""
    own = Path(os.path.expanduser("~"), ".config/systemd/user")  # noqa: PTH111  `Path.home` lanza si no hay ninguno.
    for directory, how in ((Path("/etc/systemd/system"), "sudo {} --api"), (own, "{} --user --api")):
        for path in directory.glob(f"{DEFAULT_NAME}*{_OLD_ENDPOINT}"):
            name = path.name.removesuffix(_OLD_ENDPOINT).removeprefix(f"{DEFAULT_NAME}-")
            message = f"{printable(str(path))} es de una versión anterior: GET /health ya no va por ahí"
            cure = how.format(f"estado-eventos schedule install systemd --name {printable(name)}")
            yield problem("schedule", message, cure)


def _socket(one: Schedule) -> Finding:
    name = f"{one.unit}-api.socket"
    listening = printable(one.socket.get("Listen", "").removesuffix(" (Stream)"))
    wanted = _wanted(one)
    port = (wanted or listening).rpartition(":")[2]
    state = one.socket.get("ActiveState")
    if state == "failed":
        message = f"{name} falló: GET /health no contesta en {wanted or listening}"
        cure = f"Mire quién tiene el puerto (sudo ss -ltnp 'sport = :{port}') y después: {one.systemctl} restart {name}"
        return problem("api", message, cure)
    if state != "active":
        return problem("api", f"{name} está parado: GET /health no contesta", f"{one.systemctl} enable --now {name}")
    if wanted and listening and wanted != listening:
        message = f"{name} escucha en {listening}, y HOST y PORT dicen {wanted}"
        return problem("api", message, f"{one.command('install')} --api")
    return good("api", f"{name} escucha en {listening or wanted}")


def _wanted(one: Schedule) -> str | None:
    """Dónde tendría que escuchar según su archivo de configuración, si se puede leer."""
    if not one.settings:
        return None
    host = one.settings.get("HOST", str(_DEFAULTS["host"].default))
    port = one.settings.get("PORT", str(_DEFAULTS["port"].default))
    try:
        return listen_address(host, int(port))
    except (ScheduleError, ValueError):
        return None
