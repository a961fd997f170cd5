"""Lo que comparten las instalaciones: qué hay que ejecutar, la configuración de partida y contar cada paso."""

import difflib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from estado_eventos import sources
from estado_eventos.report import ExitCode, printable
from estado_eventos.schedule import DEFAULT_NAME, SETTINGS_DIRECTORY, Job, ScheduleError, listen_address

_TEMPLATE = Path(__file__).with_name("env.example")
_COMMAND_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Steps:
    """Hace cada paso y lo cuenta con `tell`; con `dry_run` solo enseña lo que haría."""

    tell: Callable[[str], None]
    dry_run: bool

    def write(self, path: Path, text: str, mode: int = 0o644) -> bool:
        """Escribe un archivo de una vez, si no dice ya eso; devuelve si cambió."""
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        if before == text and path.exists():
            self.tell(f"= {path}: ya estaba así")
            return False
        if self.dry_run:
            self.diff(str(path), before, text)
            return True
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.nuevo")
        temporary.write_text(text, encoding="utf-8")
        temporary.chmod(mode)
        temporary.replace(path)
        self.tell(f"✓ {path}: escrito")
        return True

    def diff(self, name: str, before: str, after: str) -> None:
        """Enseña en qué cambiaría un texto."""
        old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
        self.tell("".join(difflib.unified_diff(old, new, name if before else "/dev/null", name)).rstrip())

    def delete(self, path: Path) -> bool:
        """Borra un archivo, si está; devuelve si estaba."""
        if not path.is_symlink() and not path.exists():
            return False
        if not self.dry_run:
            path.unlink()
        self.tell(f"✓ {path}: borrado")
        return True

    def run(self, *command: str, check: bool = True) -> None:
        """Ejecuta un mandato del sistema. Lanza `ScheduleError` si falla, salvo que no importe."""
        self.tell(f"$ {' '.join(command)}")
        if not self.dry_run:
            result = capture(command)
            if check and result.returncode:
                reason = printable(result.stderr or result.stdout or f"código {result.returncode}")
                raise ScheduleError(f"«{' '.join(command)}» falló: {reason}", ExitCode.UNAVAILABLE)


def capture(command: Sequence[str], text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Ejecuta un mandato y recoge lo que dice, en el idioma de los programas. Lanza `ScheduleError` si no está."""
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            # En bytes: un crontab ajeno puede no ser UTF-8 o tener CRLF, y hay que devolverlo como estaba.
            input=None if text is None else text.encode(errors="surrogateescape"),
            timeout=_COMMAND_SECONDS,
            env={**os.environ, "LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""},
        )
    except FileNotFoundError:
        raise ScheduleError(f"No está el mandato «{command[0]}» en esta máquina", ExitCode.UNAVAILABLE) from None
    except (OSError, subprocess.TimeoutExpired):
        raise ScheduleError(f"«{' '.join(command)}» no se pudo ejecutar", ExitCode.UNAVAILABLE) from None
    stdout, stderr = (stream.decode(errors="surrogateescape") for stream in (done.stdout, done.stderr))
    return subprocess.CompletedProcess(done.args, done.returncode, stdout, stderr)


def make_job(name: str, env_file: Path | None, *, user: bool) -> Job:
    """El trabajo de ese nombre, con los tiempos de fábrica: basta para quitarlo o mirarlo."""
    return Job(name=name, env_file=(env_file or settings_path(name, user=user)).absolute(), user=user)


def with_settings(job: Job, interval: int | None, *, api: bool) -> Job:
    """El trabajo con los tiempos de su configuración, o con el intervalo dado; con `api`, con su `HOST` y `PORT`.

    Lanza `SettingsError` si la configuración no vale y `ScheduleError` si los tiempos no concuerdan.
    """
    overrides = {} if interval is None else {"SCHEDULER_INTERVAL_SECONDS": str(interval)}
    env_file = Path(job.env_file)
    settings = sources.load(overrides, env_file if env_file.exists() else Path(os.devnull), half_account=True).settings
    if settings.pass_timeout >= settings.scheduler_interval_seconds:
        raise ScheduleError(
            f"PASS_TIMEOUT ({settings.pass_timeout:g} s) tiene que ser menor que SCHEDULER_INTERVAL_SECONDS "
            f"({settings.scheduler_interval_seconds} s): una pasada acaba antes de que toque la siguiente"
        )
    return replace(
        job,
        interval=settings.scheduler_interval_seconds,
        deadline=settings.pass_timeout,
        listen=listen_address(settings.host, settings.port) if api else None,
        metrics_file=settings.metrics_file,
    )


def settings_path(name: str, *, user: bool) -> Path:
    """El archivo de configuración de un planificador."""
    directory = Path.home() / ".config" / DEFAULT_NAME if user else Path(SETTINGS_DIRECTORY)
    return directory / f"{name.removeprefix(f'{DEFAULT_NAME}-')}.env"


def with_executable(job: Job) -> Job:
    """El trabajo con la ruta real de este ejecutable. Lanza `ScheduleError` si no es uno instalado."""
    started = Path(sys.argv[0])
    script = started if started.name == DEFAULT_NAME else Path(sys.prefix, "bin", DEFAULT_NAME)
    if not script.exists():
        raise ScheduleError(f"No está {script}: instale el programa con «pipx install --global {DEFAULT_NAME}»")
    return replace(job, executable=script.resolve())


def write_settings(steps: Steps, path: Path, mode: int, extra: str = "") -> None:
    """Crea la configuración a partir de la plantilla; si ya hay una, no la toca."""
    if path.exists():
        steps.tell(f"= {path}: ya hay configuración, no se toca")
        return
    text = _TEMPLATE.read_text(encoding="utf-8") + extra
    if steps.dry_run:
        steps.tell(f"✓ {path}: se crearía a partir de la plantilla")
        return
    steps.write(path, text, mode)


def compile_bytecode(steps: Steps) -> None:
    """Compila las dependencias: aislado, el programa no puede escribir sus .pyc y arrancaría varias veces más lento."""
    directory = sysconfig.get_path("purelib")
    if os.access(directory, os.W_OK):
        steps.run(sys.executable, "-m", "compileall", "-q", "-j", "0", directory, check=False)


def need(command: str, hint: str) -> str:
    """La ruta de un mandato. Lanza `ScheduleError` con `hint` si no está."""
    path = shutil.which(command)
    if path is None:
        raise ScheduleError(f"No está «{command}» en esta máquina: {hint}", ExitCode.UNAVAILABLE)
    return path
