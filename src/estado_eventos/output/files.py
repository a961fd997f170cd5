"""Los archivos que el programa deja y relee: se ponen de una vez y se leen sin fiarse de lo que haya."""

import os
import stat
from contextlib import suppress
from pathlib import Path


def replace_file(path: Path, content: bytes, mode: int) -> None:
    """Pone un archivo nuevo en el sitio del anterior: quien lea ve uno u otro, nunca medio.

    Un enlace se sustituye; no se sigue. Lanza `OSError`.
    """
    # Quien solo lee (una petición HTTP, un proceso) no tiene por qué importar todo lo que `tempfile` trae consigo.
    import tempfile

    # `mkstemp` crea con 0600. Y no acaba como el de verdad: node_exporter no lo lee aunque lo vea.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
        Path(temporary).replace(path)
    except OSError:
        with suppress(OSError):
            Path(temporary).unlink()
        raise


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
