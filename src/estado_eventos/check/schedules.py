"""Lo que ejecuta el programa a su hora en esta máquina: lo que systemd y cron dicen de ello, sin juzgarlo."""

import asyncio
import os
import re
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from estado_eventos.config.envfile import read_env_file
from estado_eventos.config.settings import SettingsError
from estado_eventos.domain.text import printable
from estado_eventos.schedule.cron import cron_marks, cron_units
from estado_eventos.schedule.job import DEFAULT_NAME, Job, ScheduleError
from estado_eventos.schedule.steps import capture

CRONTAB = "crontab -l"
_CRON_FILES = (Path("/etc/crontab"), Path("/etc/cron.d"))
_UNIT = re.compile(rf"^{DEFAULT_NAME}[A-Za-z0-9_.@-]*\.(?:timer|socket)", re.MULTILINE)
_PROPERTIES = (
    *("Id", "LoadState", "ActiveState", "UnitFileState", "Result", "ExecMainStatus", "ExecStart", "Environment"),
    *("ProtectSystem", "ReadWritePaths", "StateDirectory", "Listen"),
)
_API = "-api"

Properties = Mapping[str, str]


@dataclass(frozen=True)
class Schedule:
    """Un planificador nuestro: el temporizador de systemd, o la línea de un crontab, y lo que lo acompaña."""

    unit: str
    user: bool = False
    cron: str | None = None
    """Su línea, si es de cron."""
    timer: Properties = field(default_factory=dict)
    service: Properties = field(default_factory=dict)
    socket: Properties = field(default_factory=dict)

    @property
    def name(self) -> str:
        """De quién se habla, para una persona."""
        if self.cron is not None:
            return f"{self.unit} (cron)"
        return f"{self.unit}.timer" + (" (systemd del usuario)" if self.user else "")

    @property
    def is_active(self) -> bool:
        """Si está en marcha."""
        return self.cron is not None or self.timer.get("ActiveState") == "active"

    @property
    def is_enabled(self) -> bool:
        """Si volverá cuando arranque la máquina."""
        return self.cron is not None or self.timer.get("UnitFileState", "").startswith("enabled")

    @property
    def systemctl(self) -> str:
        """Con qué mandato se maneja."""
        return "systemctl --user" if self.user else "sudo systemctl"

    def command(self, action: str) -> str:
        """El mandato nuestro que actúa sobre él, con las opciones que lo nombran."""
        name = f" --name {self.unit.removeprefix(f'{DEFAULT_NAME}-')}" if self.unit != DEFAULT_NAME else ""
        if self.cron is not None:
            return f"estado-eventos schedule {action} cron{name}"
        sudo, user = ("", " --user") if self.user else ("sudo ", "")
        return f"{sudo}estado-eventos schedule {action} systemd{name}{user}"

    @property
    def journal(self) -> str:
        """Con qué mandato se lee su registro."""
        if self.cron is not None:
            return "el correo que manda cron, o: grep CRON /var/log/syslog"
        return f"journalctl --user -u {self.unit} -n 50" if self.user else f"journalctl -u {self.unit} -n 50"

    @cached_property
    def given(self) -> Mapping[str, str]:
        """Las variables que pone la unidad o la línea, que pesan más que las del archivo."""
        words = _words(self.cron if self.cron is not None else self.service.get("Environment", ""))
        return {name: value for name, equals, value in (word.partition("=") for word in words) if equals}

    @cached_property
    def env_file(self) -> Path | None:
        """El archivo de configuración con que se ejecuta, si lo dice."""
        words = _words(self.cron if self.cron is not None else self.service.get("ExecStart", ""))
        found = next((after for word, after in pairwise(words) if word == "--env-file"), None)
        return Path(found) if found else None

    @cached_property
    def settings(self) -> Mapping[str, str]:
        """Lo que dice su archivo de configuración; nada, si esta cuenta no lo puede leer."""
        try:
            found = read_env_file(self.env_file) if self.env_file else {}
        except (OSError, SettingsError):
            return {}
        return {name.upper(): value.strip() for name, value in found.items() if value and value.strip()}

    @property
    def report_file(self) -> Path:
        """Donde deja su último informe."""
        job = Job(self.unit, user=self.user)
        return job.cron_report_file if self.cron is not None else job.report_file


@dataclass(frozen=True, slots=True)
class Machine:
    """Lo que hay en la máquina: temporizadores y líneas de cron; `None` si no hay a quién preguntar.

    `cron` son, por cada sitio donde las hay, las líneas que ejecutan el programa; las que puso «schedule install cron»
    en el crontab de esta cuenta están además en `jobs`. `orphans`, los sockets sin temporizador.
    """

    timers: tuple[Schedule, ...] | None
    cron: Mapping[str, Sequence[str]] | None
    jobs: tuple[Schedule, ...] = ()
    orphans: tuple[Schedule, ...] = ()

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        """Los que se conocen por su nombre."""
        return (*(self.timers or ()), *self.jobs)


async def look(seconds: float) -> Machine:
    """Pregunta a systemd (al del sistema y al del usuario) y a cron, a la vez y en menos de `seconds`."""
    until = time.monotonic() + seconds
    system, user, crontab = await asyncio.gather(
        asyncio.to_thread(_units, until, user=False),
        asyncio.to_thread(_units, until, user=True),
        asyncio.to_thread(_answer, CRONTAB.split(), until),
    )
    found = None if system is None and user is None else (*(system or ()), *(user or ()))
    tables = {CRONTAB: crontab or ""}
    tables |= {str(path): path.read_text(errors="replace") for path in _cron_files()}
    lines = {where: re.findall(r"(?m)^[^#\n]*\bestado[-_]eventos\b.*$", text) for where, text in tables.items()}
    cron = {where: rows for where, rows in lines.items() if rows}
    return Machine(
        timers=None if found is None else tuple(one for one in found if one.timer),
        cron=None if crontab is None and not cron else cron,
        jobs=tuple(_job(unit, crontab or "") for unit in cron_units(crontab or "")),
        orphans=tuple(one for one in found or () if not one.timer),
    )


def _job(unit: str, crontab: str) -> Schedule:
    begin, end = cron_marks(unit)
    line = crontab.partition(begin)[2].partition(end)[0].strip()
    return Schedule(unit, user=os.geteuid() != 0, cron=line)


def _units(until: float, *, user: bool) -> list[Schedule] | None:
    """Los temporizadores y sockets de un systemd, con sus servicios; `None` si no contesta."""
    systemctl = ("systemctl", "--user" if user else "--system", "--no-pager")
    patterns = (f"{DEFAULT_NAME}*.timer", f"{DEFAULT_NAME}*{_API}.socket")
    listed = _UNIT.findall(_answer((*systemctl, "list-unit-files", "--no-legend", *patterns), until) or "")
    # Uno que no está en el disco también puede estar en marcha; y sin nombres, `show` enseñaría otra cosa.
    names = dict.fromkeys([DEFAULT_NAME, *(name.rpartition(".")[0].removesuffix(_API) for name in listed)])
    asked = [f"{name}{kind}" for name in names for kind in (".timer", ".service", f"{_API}.socket")]
    shown = _answer((*systemctl, "show", f"--property={','.join(_PROPERTIES)}", *asked), until)
    if shown is None:
        return None
    blocks = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in shown.split("\n\n")]
    by_id = {printable(block.get("Id", "")): block for block in blocks}
    return [_schedule(name, by_id, listed, user=user) for name in names if _is_there(name, by_id, listed)]


def _is_there(name: str, by_id: Mapping[str, Properties], listed: Sequence[str]) -> bool:
    units = (f"{name}.timer", f"{name}{_API}.socket")
    return any(unit in listed or by_id.get(unit, {}).get("ActiveState") in {"active", "failed"} for unit in units)


def _schedule(name: str, by_id: Mapping[str, Properties], listed: Sequence[str], *, user: bool) -> Schedule:
    timer, socket = by_id.get(f"{name}.timer", {}), by_id.get(f"{name}{_API}.socket", {})
    has_timer = f"{name}.timer" in listed or timer.get("ActiveState") == "active"
    has_socket = f"{name}{_API}.socket" in listed or socket.get("ActiveState") in {"active", "failed"}
    return Schedule(
        unit=name,
        user=user,
        timer=timer if has_timer else {},
        service=by_id.get(f"{name}.service", {}),
        socket=socket if has_socket else {},
    )


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


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
