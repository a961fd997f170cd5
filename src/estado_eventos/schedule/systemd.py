"""Instalar, quitar y mirar el temporizador de systemd."""

import math
import os
import pwd
import re
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.schedule import ownership
from estado_eventos.schedule.calendar import calendar
from estado_eventos.schedule.job import HOW_TO_INSTALL, SYSTEM_USER, Job, ScheduleError, with_executable
from estado_eventos.schedule.port import check_port
from estado_eventos.schedule.status import ScheduleStatus, last_report
from estado_eventos.schedule.steps import Steps, capture, compile_bytecode, need, write_settings
from estado_eventos.schedule.units import sysusers, units

_SYSUSERS = Path("/etc/sysusers.d", f"{SYSTEM_USER}.conf")
# Lo que `ProtectHome=yes` deja vacío para el servicio.
_HIDDEN = tuple(map(Path, ("/root", "/home", "/run/user")))


def install(job: Job, steps: Steps) -> None:
    """Instala y pone en marcha el temporizador; repetirlo no cambia nada. Lanza `ScheduleError` o `IntervalError`."""
    calendar(job.interval)
    _check_manager(job)
    _check_rights(job, steps)
    _check_port(job)
    job = with_executable(job)
    if not job.user:
        _check_visible(Path(job.executable))
        ownership.check_program(job)
        ownership.check_settings(Path(job.env_file))
        _create_user(steps)
        write_settings(steps, Path(job.env_file), 0o640)
        # Que el usuario del servicio pueda leer la configuración, y nadie más que él y root.
        steps.give(Path(job.env_file), SYSTEM_USER, 0o640)
        compile_bytecode(steps)
    else:
        write_settings(steps, Path(job.env_file), 0o600)
        steps.make_directory(job.state_directory)
    # El de antes, que arrancaba un proceso por conexión.
    steps.delete(_old_template(job))
    changed = [name for name, text in units(job).items() if steps.write(_directory(job) / name, text)]
    steps.run(*_systemctl(job), "daemon-reload")
    steps.run(*_systemctl(job), "enable", "--now", f"{job.unit}.timer")
    if f"{job.unit}.timer" in changed:
        steps.run(*_systemctl(job), "restart", f"{job.unit}.timer")
    if job.listen:
        # Los dos a la vez: con el proceso en marcha systemd no deja arrancar el socket, y el socket arranca el proceso.
        steps.run(*_systemctl(job), "stop", f"{job.unit}-api.socket", f"{job.unit}-api.service", check=False)
        steps.run(*_systemctl(job), "enable", "--now", f"{job.unit}-api.socket")
    steps.tell(f"Revise {job.env_file} y pruebe: {' '.join(_systemctl(job))} start {job.unit}.service")
    if not steps.dry_run:
        steps.tell(status(job).announcement())


def remove(job: Job, steps: Steps) -> None:
    """Deshace `install` y deja la configuración. Lanza `ScheduleError`."""
    _check_manager(job)
    _check_rights(job, steps)
    ours = [*map(_directory(job).joinpath, units(replace(job, listen="[::]:1"))), _old_template(job)]
    installed = [path for path in ours if path.exists()]
    if not installed:
        # De lo que alguien borró a mano, systemd se acuerda si falló.
        _forget_failures(job, steps)
        steps.tell(f"= {job.unit}: no está instalado")
        return
    for unit in (f"{job.unit}.timer", f"{job.unit}-api.socket"):
        if _directory(job) / unit in installed:
            steps.run(*_systemctl(job), "disable", "--now", unit, check=False)
    steps.run(
        *_systemctl(job),
        "stop",
        f"{job.unit}.service",
        f"{job.unit}-api.service",
        f"{job.unit}-api@*.service",
        check=False,
    )
    steps.run("rm", "-rf", str(job.state_directory))
    for path in installed:
        steps.delete(path)
    steps.run(*_systemctl(job), "daemon-reload")
    _forget_failures(job, steps)
    if not job.user and not list(_directory(job).glob(f"{SYSTEM_USER}*.service")):
        _delete_user(steps, Path(job.env_file).parent)
    steps.tell(f"La configuración queda en {job.env_file}")


def _forget_failures(job: Job, steps: Steps) -> None:
    kinds = (".service", ".timer", "-api.service", "-api.socket", "-api@*.service")
    # Una a una: systemctl se para en la primera que no conoce.
    for unit in (f"{job.unit}{kind}" for kind in kinds):
        steps.run(*_systemctl(job), "reset-failed", unit, check=False)


def is_installed(job: Job) -> bool:
    """Si está el temporizador de ese trabajo."""
    return (_directory(job) / f"{job.unit}.timer").exists()


def status(job: Job) -> ScheduleStatus:
    """Cómo está el temporizador y cómo fue la última pasada. Lanza `ScheduleError`."""
    _check_manager(job)
    timer = _properties(job, "timer", "LoadState", "ActiveState", "NextElapseUSecRealtime")
    service = _properties(job, "service", "ExecMainStatus", "ExecMainExitTimestamp", "Environment")
    code = service.get("ExecMainStatus", "")
    ran = bool(service.get("ExecMainExitTimestamp")) and code.isdigit()
    active = timer.get("ActiveState") == "active"
    elapses, environment = timer.get("NextElapseUSecRealtime", ""), service.get("Environment", "")
    return ScheduleStatus(
        scheduler="systemd",
        name=job.unit,
        installed=timer.get("LoadState") == "loaded",
        active=active,
        next_tick=next_tick(elapses, environment, datetime.now(UTC)) if active else None,
        last_exit_code=int(code) if ran else None,
        last_report=last_report(job.report_file),
    )


def _properties(job: Job, kind: str, *names: str) -> dict[str, str]:
    unit = job.unit + kind if kind.startswith("-") else f"{job.unit}.{kind}"
    command = [*_systemctl(job), "show", unit, *(f"--property={name}" for name in names)]
    pairs = (line.partition("=") for line in capture(command).stdout.splitlines())
    return {name: value for name, _, value in pairs}


def next_tick(elapses: str, environment: str, now: datetime) -> datetime | None:
    """El tic al que sirve la pasada siguiente, que es el primero desde que salta el temporizador.

    `elapses` es cuándo salta, como lo escribe systemctl, que lo hace en la zona que se le diga: aquí, UTC. Con una
    pasada en marcha no lo dice: es el primero después de `now`.
    """
    moment = re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", elapses)
    interval = re.search(r"SCHEDULER_INTERVAL_SECONDS=(\d+)", environment)
    if moment is None and interval is None:
        return None
    step = int(interval[1]) if interval else 1
    seconds = datetime.fromisoformat(moment[0]).replace(tzinfo=UTC).timestamp() if moment else now.timestamp()
    return datetime.fromtimestamp(math.ceil(seconds / step) * step, UTC)


def _systemctl(job: Job) -> tuple[str, ...]:
    return ("systemctl", "--user") if job.user else ("systemctl",)


def _directory(job: Job) -> Path:
    return Path.home() / ".config/systemd/user" if job.user else Path("/etc/systemd/system")


def _old_template(job: Job) -> Path:
    return _directory(job) / f"{job.unit}-api@.service"


def _check_manager(job: Job) -> None:
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")) if job.user else Path("/run")
    need("systemctl", "use «estado-eventos schedule install cron»")
    if not (runtime / "systemd").is_dir() or not Path("/run/systemd/system").is_dir():
        whose = "No hay un systemd de este usuario" if job.user else "Este sistema no se arrancó con systemd"
        raise ScheduleError(f"{whose}: use «estado-eventos schedule install cron»", code=ExitCode.UNAVAILABLE)


def _check_port(job: Job) -> None:
    """Lanza `ScheduleError`, antes de escribir nada, si donde contestaría `--api` ya escucha otro."""
    if job.listen is None:
        return
    port = job.listen.rpartition(":")[2]
    ours = _properties(job, "-api.socket", "ActiveState", "Listen")
    if ours.get("ActiveState") == "active" and ours.get("Listen", "").partition(" ")[0].endswith(f":{port}"):
        return
    check_port(job.listen, job.env_file)


def _check_rights(job: Job, steps: Steps) -> None:
    if not job.user and not steps.dry_run and os.geteuid() != 0:
        raise ScheduleError(
            "Hace falta ser root: repita con sudo, o instálelo para usted con --user", code=ExitCode.NOPERM
        )


def _check_visible(executable: Path) -> None:
    if any(executable.is_relative_to(hidden) for hidden in _HIDDEN):
        raise ScheduleError(f"{executable} está donde el servicio, aislado, no puede leer", HOW_TO_INSTALL)


def _create_user(steps: Steps) -> None:
    steps.write(_SYSUSERS, sysusers())
    with suppress(KeyError):
        pwd.getpwnam(SYSTEM_USER)
        return
    steps.run("systemd-sysusers", str(_SYSUSERS))


def _delete_user(steps: Steps, settings: Path) -> None:
    if steps.delete(_SYSUSERS):
        # El grupo desaparece: que la configuración no quede de un número que mañana sea de otro.
        for path in settings.glob("*.env"):
            with suppress(ScheduleError):
                steps.give(path, "root", 0o600)
        steps.run("userdel", SYSTEM_USER, check=False)
