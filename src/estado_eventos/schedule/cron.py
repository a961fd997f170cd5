"""Instalar, quitar y mirar el bloque del crontab; lo demás que haya en él no se toca."""

import os
import re
import shlex
from datetime import datetime
from pathlib import Path

from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.text import printable
from estado_eventos.schedule import ownership, systemd
from estado_eventos.schedule.calendar import cron_fields, next_cron_tick
from estado_eventos.schedule.job import DEFAULT_NAME, Job, ScheduleError, with_executable
from estado_eventos.schedule.status import ScheduleStatus, last_report
from estado_eventos.schedule.steps import Steps, capture, compile_bytecode, need, write_settings

FLOCK = "/usr/bin/flock"
"""El de util-linux, siempre: el primero del PATH puede ser de cualquiera."""
_BEGIN, _WRITTEN_BY = "# >>> ", ": lo escribe «estado-eventos schedule install cron» >>>"
_MARK = f"{re.escape(_BEGIN)}{DEFAULT_NAME}[A-Za-z0-9_-]*{re.escape(_WRITTEN_BY)}"
_SKIPPED = "la pasada anterior sigue en marcha; esta no se hace"
_DAEMONS = {"cron", "crond", "fcron", "dcron"}
_PID_FILES = ("/run/crond.pid", "/run/cron.pid", "/var/run/crond.pid")


def install(job: Job, steps: Steps) -> None:
    """Pone el bloque en el crontab de quien lo ejecuta; repetirlo no cambia nada. Lanza `ScheduleError`."""
    cron_fields(job.interval)
    need("crontab", "instale cron")
    need(FLOCK, "instale el paquete util-linux")
    job = with_executable(job)
    if not job.user:
        ownership.check_program(job)
        ownership.check_settings(Path(job.env_file))
    write_settings(steps, Path(job.env_file), 0o600)
    compile_bytecode(steps)
    steps.make_directory(job.cron_directory)
    before = _read()
    _write(before, with_block(before, job.unit, cron_block(job)), steps)
    _clear_old_state(job, steps)
    steps.tell(f"Revise {job.env_file} y pruebe: estado-eventos --env-file {job.env_file} run-once")
    if not steps.dry_run:
        steps.tell(status(job).announcement())


def remove(job: Job, steps: Steps) -> None:
    """Quita el bloque y deja la configuración. Lanza `ScheduleError`."""
    need("crontab", "instale cron")
    before = _read()
    after = with_block(before, job.unit, "")
    if after == before:
        steps.tell(f"= {job.unit}: no está en el crontab")
        return
    _write(before, after, steps)
    steps.run("rm", "-rf", str(job.cron_directory))
    _clear_old_state(job, steps)
    steps.tell(f"La configuración queda en {job.env_file}")


def status(job: Job) -> ScheduleStatus:
    """Si está el bloque, si hay un cron en marcha y cómo fue la última pasada. Lanza `ScheduleError`."""
    need("crontab", "instale cron")
    _, mark, block = _read().partition(cron_marks(job.unit)[0] + "\n")
    installed = bool(mark)
    return ScheduleStatus(
        scheduler="cron",
        name=job.unit,
        installed=installed,
        active=installed and is_running(),
        # Sin zona: cron cuenta con la de la máquina, y lo que se le suma es hora de pared.
        next_tick=next_cron_tick(block.split(maxsplit=5)[:5], datetime.now()) if installed else None,  # noqa: DTZ005
        last_report=last_report(job.cron_report_file),
    )


def cron_block(job: Job) -> str:
    """El bloque del crontab, entre sus marcas. `FLOCK` impide que una pasada alcance a la siguiente.

    Lo que pesa más que el archivo de configuración es lo mismo que en la unidad.
    """
    settings = {
        "SCHEDULER_INTERVAL_SECONDS": job.interval,
        "PASS_TIMEOUT": f"{job.deadline:g}",
        "TOKEN_CACHE_FILE": job.cron_directory / "token",
        "REPORT_FILE": job.cron_report_file,
        "FOLLOW_UP_DIRECTORY": job.cron_directory / "follow-ups",
        "SCHEDULE_NAME": job.schedule_name,
    }
    lock = shlex.quote(str(job.cron_directory / "lock"))
    # Sin `flock -E`: el de BusyBox no lo tiene. Con 1 acaba si otro tiene el cerrojo; de lo demás ya da él el motivo.
    turn = (
        f"exec 9>{lock}; {FLOCK} -n 9 || {{ [ $? -ne 1 ] || echo {shlex.quote(f'{job.unit}: {_SKIPPED}')}; exit 75; }};"
    )
    variables = " ".join(f"{name}={shlex.quote(str(value))}" for name, value in settings.items())
    command = shlex.join((str(job.executable), "--env-file", str(job.env_file), "run-once", "--quiet"))
    # En un crontab, «%» es un salto de línea.
    line = f"{cron_fields(job.interval)} {turn} {variables} {command}".replace("%", r"\%")
    begin, end = cron_marks(job.unit)
    return f"{begin}\n{line}\n{end}\n"


def cron_marks(unit: str) -> tuple[str, str]:
    """Las líneas entre las que está lo nuestro."""
    return f"{_BEGIN}{unit}{_WRITTEN_BY}", f"# <<< {unit} <<<"


def cron_units(crontab: str) -> list[str]:
    """Los nombres de los bloques nuestros que hay en un crontab."""
    found = (line.rstrip("\r") for line in crontab.split("\n"))
    return [line[len(_BEGIN) : -len(_WRITTEN_BY)] for line in found if re.fullmatch(_MARK, line)]


def with_block(crontab: str, unit: str, block: str) -> str:
    """El crontab con nuestro bloque puesto, cambiado o (vacío) quitado, y todo lo demás igual.

    Lanza `ScheduleError` si el bloque está a medias: adivinar dónde acaba podría llevarse líneas ajenas.
    """
    begin, end = cron_marks(unit)
    lines = crontab.split("\n")
    begins = [index for index, line in enumerate(lines) if line.rstrip("\r") == begin]
    ends = [index for index, line in enumerate(lines) if line.rstrip("\r") == end]
    if not begins and not ends:
        separator = "" if not crontab or crontab.endswith("\n") else "\n"
        return crontab + separator + block if block else crontab
    if len(begins) != 1 or len(ends) != 1 or ends[0] < begins[0]:
        raise ScheduleError(f"El bloque de {unit} en el crontab está a medias: arréglelo con «crontab -e» y repita")
    rest = "\n".join(lines[ends[0] + 1 :])
    head = "".join(line + "\n" for line in lines[: begins[0]])
    return head + block + rest


def _clear_old_state(job: Job, steps: Steps) -> None:
    """Quita el token y el informe de cuando cron los dejaba en el directorio del servicio, si no hay servicio."""
    state = job.state_directory
    left = [path for path in (state / "token", job.report_file) if path.is_file()]
    # El del servicio lo hace systemd con 0755; este lo hacía cron, solo para su dueño.
    if left and state.stat().st_mode & 0o777 == 0o700 and not systemd.is_installed(job):
        for path in left:
            steps.delete(path)
        # Lo que haya puesto otro se queda.
        steps.run("rmdir", "--ignore-fail-on-non-empty", str(state), check=False)


def _read() -> str:
    result = capture(["crontab", "-l"])
    if result.returncode == 0:
        # El `crontab -l` de Debian escribe «\r» donde hay un retorno de carro: tal cual, no volvería a serlo.
        return re.sub(r"\\r$", "\r", result.stdout, flags=re.MULTILINE)
    if "no crontab" in result.stderr.lower():
        return ""
    raise ScheduleError(f"No se puede leer el crontab: {printable(result.stderr)}", code=ExitCode.UNAVAILABLE)


def _write(before: str, after: str, steps: Steps) -> None:
    if before == after:
        steps.tell("= crontab: ya estaba así")
        return
    if steps.dry_run:
        steps.diff("crontab", before, after)
        return
    result = capture(["crontab", "-"], after) if after else capture(["crontab", "-r"])
    if result.returncode:
        raise ScheduleError(f"No se puede escribir el crontab: {printable(result.stderr)}", code=ExitCode.UNAVAILABLE)
    steps.tell("✓ crontab: escrito" if after else "✓ crontab: quitado, no había nada más")


def is_running() -> bool:
    """Si hay un cron en marcha. No todos dejan su PID en un archivo, ni todos se ven en /proc."""
    return any(Path(path).exists() for path in _PID_FILES) or any(map(_is_daemon, Path("/proc").glob("[0-9]*")))


def _is_daemon(process: Path) -> bool:
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(Path(os.fsdecode(word)).name in _DAEMONS for word in words[:2])
