"""Texto para una persona: lo ajeno, sin peligro, y los tiempos, en palabras."""

import errno
import re
from datetime import UTC, datetime

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}")

_MAX_TOKEN = 8000
"""Lo que cabe en una línea de cabecera de los servidores corrientes (gunicorn, 8190 bytes), con su nombre delante."""


def is_name(text: str) -> bool:
    """Si un texto puede nombrar un planificador: de él salen nombres de unidades y de archivos."""
    return _NAME.fullmatch(text) is not None


def is_token(text: str) -> bool:
    """Si un texto puede ir detrás de `Bearer` en una cabecera."""
    return 0 < len(text) <= _MAX_TOKEN and text.isascii() and text.isprintable() and " " not in text


def printable(text: str, limit: int = 300) -> str:
    """El texto, venga de donde venga, en una línea que un terminal muestra sin obedecerla.

    Fuera controles, órdenes de dirección del texto y sustitutos sueltos; se corta en `limit` caracteres.
    """
    head = text[: limit * 4]
    line = " ".join("".join(char if char.isprintable() else " " for char in head).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


_OS_ERRORS = {
    errno.EACCES: "no hay permiso",
    errno.EPERM: "no hay permiso",
    errno.EISDIR: "es un directorio",
    errno.ENOTDIR: "en su ruta hay algo que no es un directorio",
    errno.ENOENT: "no existe",
    errno.ELOOP: "es un enlace",
    errno.ENOSPC: "no queda sitio en el disco",
    errno.EDQUOT: "no queda cuota de disco",
    errno.EROFS: "el sistema de archivos es de solo lectura",
    errno.ENAMETOOLONG: "su nombre es demasiado largo",
    errno.EADDRNOTAVAIL: "esa dirección no es de esta máquina",
    errno.ENXIO: "no es un archivo normal",
}


def spoken_os_error(error: OSError) -> str:
    """Por qué el sistema no deja, en palabras."""
    return _OS_ERRORS.get(error.errno or 0) or printable(str(error.strerror or error))


def spoken_moment(moment: datetime) -> str:
    """Un instante para una persona: en la hora de esta máquina, sin fracciones."""
    try:
        return moment.astimezone().isoformat(sep=" ", timespec="seconds")[:19]
    except (OverflowError, ValueError, OSError):
        # En los años 1 y 9999 no caben todas las zonas.
        return moment.isoformat(sep=" ", timespec="seconds")[:19]


def utc_text(moment: datetime) -> str:
    """Un instante para un programa: en UTC y como lo quiere ISO 8601."""
    try:
        return moment.astimezone(UTC).isoformat()
    except (OverflowError, ValueError):
        return moment.isoformat()


def spoken_lag(seconds: float | None) -> str:
    """Un retraso en palabras, con las dos unidades mayores: «31 s», «5 min 20 s», «2 h 3 min», «3 d 4 h»."""
    if seconds is None:
        return "?"
    total = round(abs(seconds))
    amounts = ((total // 86400, "d"), (total // 3600 % 24, "h"), (total // 60 % 60, "min"), (total % 60, "s"))
    first = next((index for index, (amount, _) in enumerate(amounts) if amount), len(amounts) - 1)
    words = [f"{amount} {unit}" for amount, unit in amounts[first : first + 2] if amount] or ["0 s"]
    return ("-" if seconds < 0 and total else "") + " ".join(words)
