"""Quién ejecuta el programa en esta máquina y cómo acabó la última pasada."""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from estado_eventos.check.findings import Finding, good, problem
from estado_eventos.config.settings import Settings
from estado_eventos.domain.text import printable, spoken_lag
from estado_eventos.domain.transitions import TRANSITIONS
from estado_eventos.reconcile.lock import find_stranger
from estado_eventos.reconcile.plan import Plan
from estado_eventos.schedule.cron import cron_units
from estado_eventos.schedule.job import DEFAULT_NAME, Job, ScheduleError
from estado_eventos.schedule.status import last_report
from estado_eventos.schedule.steps import capture

_COMMAND_SECONDS = 3.0
_UNIT = re.compile(rf"^{DEFAULT_NAME}[A-Za-z0-9_.@-]*\.timer", re.MULTILINE)
_CRON_FILES = (Path("/etc/crontab"), Path("/etc/cron.d"))
_CRONTAB = "crontab -l"
_OLD_ENDPOINT = "-api@.service"


@dataclass(frozen=True, slots=True)
class Timer:
    """Un temporizador de systemd nuestro; `user` dice si es del systemd del usuario."""

    name: str
    active: bool
    enabled: bool
    user: bool

    @property
    def systemctl(self) -> str:
        """Con qué mandato se maneja."""
        return "systemctl --user" if self.user else "sudo systemctl"


@dataclass(frozen=True, slots=True)
class Machine:
    """Lo que hay en la máquina: temporizadores y dónde hay líneas de cron; `None` si no hay a quién preguntar.

    `jobs` son los que «schedule install cron» puso en el crontab de esta cuenta.
    """

    timers: tuple[Timer, ...] | None
    cron: tuple[str, ...] | None
    jobs: tuple[Job, ...] = ()


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Si algo ejecuta el programa a su hora en esta máquina, y cómo acabó la última pasada."""
    for finding in _locks(settings):
        yield finding
    machine = await _look(min(_COMMAND_SECONDS, 0.8 * settings.pass_timeout))
    for finding in (*_schedule(machine), *_old_endpoint(), *_last_pass(settings, machine)):
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


async def _look(seconds: float) -> Machine:
    """Pregunta a systemd (al del sistema y al del usuario) y a cron, a la vez y en menos de `seconds`."""
    until = time.monotonic() + seconds
    system, user, crontab = await asyncio.gather(
        asyncio.to_thread(_timers, until, user=False),
        asyncio.to_thread(_timers, until, user=True),
        asyncio.to_thread(_answer, _CRONTAB.split(), until),
    )
    timers = None if system is None and user is None else (*(system or ()), *(user or ()))
    tables = {_CRONTAB: crontab or ""}
    tables |= {str(path): path.read_text(errors="replace") for path in _cron_files()}
    cron = tuple(where for where, text in tables.items() if re.search(r"(?m)^[^#\n]*\bestado[-_]eventos\b", text))
    jobs = tuple(Job(unit, user=os.geteuid() != 0) for unit in cron_units(crontab or ""))
    return Machine(timers, None if crontab is None and not cron else cron, jobs)


def _timers(until: float, *, user: bool) -> list[Timer] | None:
    systemctl = ("systemctl", "--user" if user else "--system", "--no-pager")
    listed = _answer((*systemctl, "list-unit-files", "--no-legend", f"{DEFAULT_NAME}*.timer"), until)
    names = _UNIT.findall(listed or "")
    # Uno que no está en el disco también puede estar en marcha; y sin nombres, `show` enseñaría otra cosa.
    asked = dict.fromkeys([f"{DEFAULT_NAME}.timer", *names])
    shown = _answer((*systemctl, "show", "--property=Id,ActiveState,UnitFileState", *asked), until)
    if shown is None:
        return None
    blocks = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in shown.split("\n\n")]
    timers = [
        Timer(
            printable(block.get("Id", "")),
            active=block.get("ActiveState") == "active",
            enabled=block.get("UnitFileState", "").startswith("enabled"),
            user=user,
        )
        for block in blocks
    ]
    return [timer for timer in timers if timer.active or timer.name in names]


def _answer(command: Sequence[str], until: float) -> str | None:
    """Lo que escribe un mandato, o `None` si no está, no tiene a quién preguntar o no acaba a tiempo."""
    try:
        done = capture(command, seconds=max(0.0, until - time.monotonic()))
    except ScheduleError:
        return None
    return done.stdout if done.returncode == 0 or "no crontab" in done.stderr.lower() else None


def _cron_files() -> Iterator[Path]:
    for path in _CRON_FILES:
        files = path.iterdir() if path.is_dir() and os.access(path, os.R_OK) else [path]
        yield from (file for file in files if file.is_file() and os.access(file, os.R_OK))


def _schedule(machine: Machine) -> Iterator[Finding]:
    """Si algo ejecuta el programa a su hora: ni nada, ni dos cosas a la vez."""
    timers, cron = machine.timers or (), machine.cron or ()
    if machine.timers is None and machine.cron is None:
        yield good("schedule", "Aquí no hay systemd ni cron que mirar (¿un contenedor?): las pasadas las hará otro")
        return
    for timer in timers:
        yield _timer(timer)
    for where in cron:
        yield good("schedule", f"Cron ejecuta el programa ({printable(where)})")
    running = [timer for timer in timers if timer.active or timer.enabled]
    if running and cron:
        message = f"Hay temporizador ({running[0].name}) y además cron: las pasadas se hacen dos veces"
        yield problem("schedule", message, "Deje uno. Para quitar el de cron: estado-eventos schedule remove cron")
    elif not timers and not cron:
        which = "cron" if machine.timers is None else "systemd"
        message = "No hay temporizador de systemd ni línea de cron: nadie hace las pasadas"
        yield problem("schedule", message, f"sudo estado-eventos schedule install {which}")


def _timer(timer: Timer) -> Finding:
    if timer.active and timer.enabled:
        return good("schedule", f"{timer.name} está en marcha")
    if timer.active:
        message = f"{timer.name} está en marcha, pero no volverá cuando arranque la máquina"
        return problem("schedule", message, f"{timer.systemctl} enable {timer.name}")
    message = f"{timer.name} está parado: no hace pasadas"
    return problem("schedule", message, f"{timer.systemctl} enable --now {timer.name}")


def _old_endpoint() -> Iterator[Finding]:
    """Si queda la unidad con que antes se contestaba por HTTP, un proceso por conexión."""
    own = Path(os.path.expanduser("~"), ".config/systemd/user")  # noqa: PTH111  `Path.home` lanza si no hay ninguno.
    for directory, how in ((Path("/etc/systemd/system"), "sudo {} --api"), (own, "{} --user --api")):
        for path in directory.glob(f"{DEFAULT_NAME}*{_OLD_ENDPOINT}"):
            name = path.name.removesuffix(_OLD_ENDPOINT).removeprefix(f"{DEFAULT_NAME}-")
            message = f"{printable(str(path))} es de una versión anterior: GET /health ya no va por ahí"
            cure = how.format(f"estado-eventos schedule install systemd --name {printable(name)}")
            yield problem("schedule", message, cure)


def _last_pass(settings: Settings, machine: Machine) -> Iterator[Finding]:
    """Cuándo acabó la última pasada y cómo, según el informe que dejó."""
    paths = [settings.report_file] if settings.report_file else list(_usual_reports(machine))
    if not paths:
        yield good("report", "De la última pasada no se sabe nada: REPORT_FILE no está puesta")
    for path in paths:
        yield _report(path, settings.scheduler_interval_seconds, "systemd" if machine.timers else "cron")


def _usual_reports(machine: Machine) -> Iterator[Path]:
    """Los informes que deja lo que escribe «schedule install», si esta cuenta los puede leer."""
    timers = [Job(timer.name.removesuffix(".timer"), user=timer.user).report_file for timer in machine.timers or ()]
    for path in (*timers, *(job.cron_report_file for job in machine.jobs)):
        if os.access(path, os.R_OK):
            yield path


def _report(path: Path, interval: int, scheduler: str) -> Finding:
    name = printable(str(path))
    try:
        age = time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return problem("report", f"{name}: aún no hay informe de ninguna pasada", "estado-eventos run-once")
    except OSError:
        return problem("report", f"{name}: esta cuenta no puede leer el informe de la última pasada", "Repita con sudo")
    report = last_report(path)
    when = f"La última pasada acabó hace {spoken_lag(age)}"
    if report is None:
        return problem("report", f"{when}, pero su informe ({name}) no se entiende", "estado-eventos run-once")
    if age > 3 * interval:
        cure = f"estado-eventos schedule status {scheduler}"
        return problem("report", f"{when} ({report.outcome}), y toca cada {interval} s", cure)
    if report.exit_code:
        reason = f": {report.error}" if report.error else ""
        message = f"{when}, con {report.exit_code} ({report.outcome}){reason}"
        return problem("report", message, "Cure lo de arriba; el registro está en: journalctl -u estado-eventos -n 50")
    return good("report", f"{when}, bien")
