"""Los archivos que el programa deja y relee: se ponen de una vez y se leen sin fiarse de lo que haya."""

import fcntl
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_WAIT_SECONDS = 2.0
_RETRY_SECONDS = 0.01


def replace_file(path: Path, content: bytes, mode: int) -> None:
    """Pone un archivo nuevo en el sitio del anterior: quien lea ve uno u otro, nunca medio.

    Un enlace se sustituye; no se sigue. Lanza `OSError`.
    """
    update_file(path, lambda: content, mode)


def update_file(path: Path, render: Callable[[], bytes], mode: int) -> None:
    """Como `replace_file`, con lo que dé `render`, que puede leer el anterior: entretanto nadie más lo cambia.

    El nuevo se escribe al lado, siempre con el mismo nombre: lo que deje un proceso que muere lo quita el siguiente.
    Lanza `OSError`.
    """
    # No acaba como el de verdad: node_exporter no lo lee aunque lo vea.
    temporary = path.with_name(f".{path.name}.nuevo")
    with os.fdopen(_claim(temporary), "wb") as file:
        try:
            content = render()
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            temporary.replace(path)
        except OSError:
            with suppress(OSError):
                temporary.unlink()
            raise


def _claim(temporary: Path) -> int:
    """Crea el archivo, cerrado a los demás mientras siga abierto. Lanza `OSError` si otro no acaba con el suyo."""
    until = time.monotonic() + _WAIT_SECONDS
    while True:
        if not _is_taken(temporary):
            with suppress(FileExistsError):
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                descriptor = os.open(temporary, flags, 0o600)
                if _lock(descriptor) and _is_at(descriptor, temporary):
                    return descriptor
                os.close(descriptor)
        if time.monotonic() > until:
            raise OSError(0, "otro proceso lo está escribiendo")
        time.sleep(_RETRY_SECONDS)


def _is_taken(temporary: Path) -> bool:
    """Si otro proceso está escribiendo el suyo; si lo que hay es de uno que murió, o ajeno, lo quita."""
    try:
        descriptor = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        temporary.unlink(missing_ok=True)
        return False
    try:
        ours = os.fstat(descriptor).st_uid == os.geteuid()
        if ours and not _lock(descriptor):
            return True
        if not ours or _is_at(descriptor, temporary):
            temporary.unlink(missing_ok=True)
        return False
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Si el archivo abierto es el que está ahora en esa ruta."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    return False


def check_replaceable(path: Path) -> None:
    """Lanza `OSError` si lo que hay no es un archivo: sustituir `/dev/stdout` dejaría sin él a toda la máquina."""
    with suppress(FileNotFoundError):
        _check_regular(path.lstat())


def read_file(path: Path, limit: int, *, private: bool = False) -> bytes:
    """Los primeros `limit` bytes de un archivo; con `private`, de uno que solo puede haber escrito y leído esta cuenta.

    Lanza `OSError`, con el motivo en `strerror`; de una tubería no espera a que alguien escriba en ella.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (os.O_NOFOLLOW if private else 0)
    descriptor = os.open(path, flags)
    try:
        status = os.fstat(descriptor)
        _check_regular(status)
        if private and status.st_uid != os.geteuid():
            raise OSError(0, "es de otro usuario")
        if private and status.st_mode & 0o077:
            raise OSError(0, "lo pueden leer otros usuarios (no es 0600)")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(limit)
    finally:
        os.close(descriptor)


def _check_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(0, "no es un archivo normal")
