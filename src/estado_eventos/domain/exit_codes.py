"""Los códigos de salida: qué quiere decir cada uno y cuál manda cuando hay varios."""

from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """Códigos de salida; los de 64 a 78 son los de sysexits.h, que systemd muestra por su nombre."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNAVAILABLE = 69
    SOFTWARE = 70
    TEMPFAIL = 75
    PROTOCOL = 76
    NOPERM = 77
    CONFIG = 78


_BY_GRAVITY = (
    ExitCode.SOFTWARE,
    ExitCode.CONFIG,
    ExitCode.NOPERM,
    ExitCode.PROTOCOL,
    ExitCode.UNAVAILABLE,
    ExitCode.TEMPFAIL,
    ExitCode.FAILED,
)
_SPOKEN = {
    0: "bien",
    1: "algún evento sigue pendiente",
    69: "UNAVAILABLE: no se pudo leer una lista",
    70: "SOFTWARE: un error del programa",
    75: "TEMPFAIL: se cortó; lo que falta queda para la siguiente",
    76: "PROTOCOL: lo que contesta no es la API",
    77: "NOPERM: credenciales o rol",
    78: "CONFIG: la configuración no vale",
}


class CodedError(Exception):
    """Algo que no se puede hacer y no es culpa del programa, con su código de salida (`code`).

    `message` dice qué pasa, y `hint`, si se sabe, qué hacer; son frases para una persona, sin punto final.
    """

    code = ExitCode.FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        """Las dos frases."""
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Qué pasa y qué hacer, seguido."""
        return f"{self.message}. {self.hint}" if self.hint else self.message


def gravest(codes: Iterable[ExitCode]) -> ExitCode:
    """El más grave de varios códigos; `OK` si no hay ninguno."""
    found = set(codes)
    return next((code for code in _BY_GRAVITY if code in found), ExitCode.OK)


def spoken_code(code: int) -> str:
    """Un código de salida en palabras, también si no es de los nuestros."""
    return _SPOKEN.get(code, "no se pudo ejecutar")
