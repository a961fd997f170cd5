"""Texto para una persona: lo ajeno, sin peligro, y los tiempos, en palabras."""

import re

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


def spoken_lag(seconds: float | None) -> str:
    """Un retraso en palabras, con las dos unidades mayores: «31 s», «5 min 20 s», «2 h 3 min», «3 d 4 h»."""
    if seconds is None:
        return "?"
    total = round(abs(seconds))
    amounts = ((total // 86400, "d"), (total // 3600 % 24, "h"), (total // 60 % 60, "min"), (total % 60, "s"))
    first = next((index for index, (amount, _) in enumerate(amounts) if amount), len(amounts) - 1)
    words = [f"{amount} {unit}" for amount, unit in amounts[first : first + 2] if amount] or ["0 s"]
    return ("-" if seconds < 0 and total else "") + " ".join(words)
