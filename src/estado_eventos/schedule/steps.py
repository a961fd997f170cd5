"""Los pasos de una instalación: escribir, borrar, ejecutar un mandato del sistema, y contarlo."""

import difflib
import errno
import grp
import os
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.text import printable, spoken_os_error
from estado_eventos.output.files import replace_file
from estado_eventos.schedule.job import ScheduleError

_TEMPLATE = files("estado_eventos.config") / "env.example"
COMMAND_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Steps:
    """Hace cada paso y lo cuenta con `tell`; con `dry_run` solo enseña lo que haría."""

    tell: Callable[[str], None]
    dry_run: bool

    def write(self, path: Path, text: str, mode: int = 0o644) -> bool:
        """Escribe un archivo de una vez, si no dice ya eso; devuelve si cambió. Un enlace se sustituye; no se sigue.

        Lanza `ScheduleError`.
        """
        try:
            before = _read(path)
            if before == text:
                self.tell(f"= {path}: ya estaba así")
                return False
            if self.dry_run:
                self.diff(str(path), before or "", text)
                return True
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            replace_file(path, text.encode(), mode)
        except OSError as error:
            raise ScheduleError(f"{path}: no se puede escribir ({spoken_os_error(error)})") from None
        self.tell(f"✓ {path}: escrito")
        return True

    def give(self, path: Path, group: str, mode: int) -> None:
        """Deja un archivo a root y a un grupo, con esos permisos. Lanza `ScheduleError`.

        Se cambia el archivo abierto: un enlace no se sigue, y uno con otro nombre además de ese no es de fiar.
        """
        if not self.dry_run:
            try:
                with _opened(path) as descriptor:
                    _check_one_name(descriptor)
                    os.fchown(descriptor, 0, grp.getgrnam(group).gr_gid)
                    os.fchmod(descriptor, mode)
            except OSError as error:
                reason = "es un enlace" if error.errno == errno.ELOOP else error.strerror
                raise ScheduleError(f"{path}: no se puede dejar a root:{group} ({reason})") from None
        self.tell(f"✓ {path}: root:{group}, {mode:o}")

    def make_directory(self, path: Path) -> None:
        """Hace un directorio que solo ve su dueño, o deja así el que haya; un enlace no se sigue.

        Lanza `ScheduleError`.
        """
        if not self.dry_run:
            try:
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
                descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    os.fchmod(descriptor, 0o700)
                finally:
                    os.close(descriptor)
            except OSError as error:
                raise ScheduleError(f"{path}: no puede ser un directorio nuestro ({spoken_os_error(error)})") from None
        self.tell(f"✓ {path}: solo lo ve su dueño")

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
                raise ScheduleError(f"«{' '.join(command)}» falló: {reason}", code=ExitCode.UNAVAILABLE)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """El archivo abierto para mirarlo, si es uno y no un enlace, un dispositivo o una tubería. Lanza `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "no es un archivo normal")
        yield descriptor
    finally:
        os.close(descriptor)


def _check_one_name(descriptor: int) -> None:
    if os.fstat(descriptor).st_nlink > 1:
        raise OSError(0, "tiene además otro nombre")


def _read(path: Path) -> str | None:
    """Lo que dice un archivo; `None` si no está o en su lugar hay un enlace. Lanza `OSError`."""
    if path.is_symlink() or not path.exists():
        return None
    with _opened(path) as descriptor, os.fdopen(descriptor, "rb", closefd=False) as file:
        return file.read().decode(errors="replace")


def capture(
    command: Sequence[str], text: str = "", seconds: float = COMMAND_SECONDS
) -> subprocess.CompletedProcess[str]:
    """Ejecuta un mandato y recoge lo que dice, en el idioma de los programas.

    Lanza `ScheduleError` si no está o no acaba en `seconds`.
    """
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            # En bytes: un crontab ajeno puede no ser UTF-8 o tener CRLF, y hay que devolverlo como estaba.
            input=text.encode(errors="surrogateescape"),
            timeout=seconds,
            # Las horas que escriba systemctl, en UTC: con el nombre de otra zona no se sabría cuál es.
            env={**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""},
        )
    except FileNotFoundError:
        raise ScheduleError(f"No está el mandato «{command[0]}» en esta máquina", code=ExitCode.UNAVAILABLE) from None
    except (OSError, subprocess.TimeoutExpired):
        raise ScheduleError(f"«{' '.join(command)}» no se pudo ejecutar", code=ExitCode.UNAVAILABLE) from None
    stdout, stderr = (stream.decode(errors="surrogateescape") for stream in (done.stdout, done.stderr))
    return subprocess.CompletedProcess(done.args, done.returncode, stdout, stderr)


def write_settings(steps: Steps, path: Path, mode: int) -> None:
    """Crea la configuración a partir de la plantilla; si ya hay una, no la toca."""
    if path.exists():
        steps.tell(f"= {path}: ya hay configuración, no se toca")
        return
    text = _TEMPLATE.read_text(encoding="utf-8")
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
        raise ScheduleError(f"No está «{command}» en esta máquina: {hint}", code=ExitCode.UNAVAILABLE)
    return path
