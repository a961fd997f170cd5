"""Los planificadores por dentro: si sus servicios funcionan, si concuerdan con su archivo y si no se repiten."""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

from estado_eventos.check.findings import Finding, problem
from estado_eventos.check.schedules import Machine, Schedule
from estado_eventos.domain.exit_codes import ExitCode, spoken_code
from estado_eventos.domain.text import printable

_DEFAULT_URL = "http://localhost:8000"
# Los que pone systemd si no llega a ejecutar el programa (systemd.exec(5)): reinstalar los cura.
_NOT_EXECUTED = {
    200: "CHDIR",
    203: "EXEC",
    208: "STDIN",
    216: "GROUP",
    217: "USER",
    226: "NAMESPACE",
    238: "STATE_DIRECTORY",
}
_RESULTS = {
    "timeout": "systemd la mató: no acababa",
    "oom-kill": "se quedó sin memoria",
    "signal": "la mató una señal",
    "core-dump": "la mató una señal",
    "resources": "el sistema no pudo ni arrancarla",
    "start-limit-hit": "arrancó demasiadas veces seguidas",
}


def findings(machine: Machine) -> Iterator[Finding]:
    """Lo que llama la atención en cada planificador, y en dos a la vez."""
    for one in machine.timers or ():
        yield from _service(one)
        yield from _metrics(one)
    for one in machine.schedules:
        yield from _interval(one)
    yield from _twice(machine)


def _service(one: Schedule) -> Iterator[Finding]:
    """Un servicio que no funciona mientras su temporizador sí."""
    result, status = one.service.get("Result", "success"), one.service.get("ExecMainStatus", "")
    code = int(status) if status.isdigit() else 0
    if result == "success" or (result == "exit-code" and code == ExitCode.FAILED):
        return
    where = f"{one.unit}.service, el de {one.name}"
    if code in _NOT_EXECUTED and result == "exit-code":
        message = f"{where}: systemd no pudo ejecutar la última pasada ({code}/{_NOT_EXECUTED[code]})"
        yield problem("service", message, f"{one.command('install')}; si sigue igual, el motivo está en: {one.journal}")
        return
    why = _RESULTS.get(result) or f"{code} ({spoken_code(code)})"
    cure = f"El motivo está en: {one.journal}"
    if code == ExitCode.CONFIG and one.env_file:
        cure = f"Corrija {printable(str(one.env_file))}; qué variable es lo dice: {one.journal}"
    yield problem("service", f"{where}: la última pasada acabó mal: {why}", cure)


def _interval(one: Schedule) -> Iterator[Finding]:
    name = "SCHEDULER_INTERVAL_SECONDS"
    written, installed = one.settings.get(name), one.given.get(name)
    if written and installed and written != installed:
        file = printable(str(one.env_file))
        message = f"{one.name}: {file} dice cada {printable(written, 20)} s, y está instalado cada {installed} s"
        yield problem("schedule", message, f"Para que valga lo del archivo: {one.command('install')}")


def _metrics(one: Schedule) -> Iterator[Finding]:
    """`METRICS_FILE` donde el servicio, aislado, no puede escribir."""
    metrics = one.given.get("METRICS_FILE") or one.settings.get("METRICS_FILE")
    if not metrics or one.user or one.service.get("ProtectSystem") != "strict":
        return
    directory = Path(metrics).parent
    state = [Path("/var/lib", name) for name in one.service.get("StateDirectory", "").split()]
    writable = [*state, *(Path(word.lstrip("-+")) for word in one.service.get("ReadWritePaths", "").split())]
    if not any(directory.is_relative_to(each) for each in writable):
        message = f"{one.unit}.service, aislado, no puede escribir METRICS_FILE en {printable(str(directory))}"
        cure = f"sudo systemctl edit {one.unit}.service, y en [Service]: ReadWritePaths={printable(str(directory))}"
        yield problem("metrics", message, cure)


def _twice(machine: Machine) -> Iterator[Finding]:
    """El mismo trabajo hecho dos veces."""
    timers = [one for one in machine.timers or () if one.is_active or one.is_enabled]
    known = len(machine.jobs)
    by_hand = {
        where: lines for where, lines in (machine.cron or {}).items() if len(lines) > known or where != "crontab -l"
    }
    pairs = [pair for pair in combinations((*timers, *machine.jobs), 2) if _is_same_work(*pair)]
    for one, other in pairs:
        message = f"{one.name} y {other.name} hacen lo mismo: las pasadas se hacen dos veces"
        yield problem("schedule", message, f"Deje uno. Para quitar el segundo: {other.command('remove')}")
    if timers and by_hand:
        where = printable(next(iter(by_hand)))
        message = f"Hay temporizador ({timers[0].name}) y además cron ({where}): las pasadas se hacen dos veces"
        cure = f"Deje uno. Para quitar el de cron, borre esa línea; para quitar el otro: {timers[0].command('remove')}"
        yield problem("schedule", message, cure)


def _is_same_work(one: Schedule, other: Schedule) -> bool:
    """Si piden lo mismo al mismo backend; de quien no se sabe qué pide, solo si se llaman igual."""
    if not one.settings or not other.settings:
        return one.unit == other.unit
    return _work(one) == _work(other)


def _work(one: Schedule) -> tuple[str, str]:
    settings = {**one.settings, **one.given}
    return settings.get("BACKEND_URL", _DEFAULT_URL).rstrip("/"), settings.get("SHARD", "")
