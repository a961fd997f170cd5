"""Las salidas del proceso: aquí, y solo aquí, se escribe en ellas y se pregunta por ellas."""

import codecs
import io
import json
import os
import sys
from collections.abc import Iterable
from contextlib import suppress

from estado_eventos.config.redactor import Redactor

PROGRAM = "estado-eventos"
_redactor = Redactor()


def accept_any_text() -> None:
    """Que lo que la codificación de la salida no sabe escribir salga como en JSON, sin perder lo demás."""
    codecs.register_error("as_json", _escape)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="as_json")


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def protect(redactor: Redactor) -> None:
    """Que de aquí en adelante no salga nada de lo que sabe `redactor`, tampoco lo que aún ha de saber."""
    global _redactor  # noqa: PLW0603  Las salidas son del proceso, y lo que no puede salir por ellas, también.
    _redactor = redactor


def guarded(text: str) -> str:
    """Un texto que va a salir del proceso, sin lo que no debe verse; lo último que se le hace."""
    return _redactor.guard(text)


def write_secret(secret: str) -> None:
    """Escribe en la salida un secreto que alguien ha pedido."""
    _write([secret])


def write(lines: Iterable[str]) -> None:
    """Escribe en la salida; si nadie la lee o no cabe, el código de salida sigue siendo el de la pasada."""
    _write(map(guarded, lines))


def _write(lines: Iterable[str]) -> None:
    try:
        for line in lines:
            print(line)
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        mute()


def write_json(content: object) -> None:
    """Escribe en la salida un objeto JSON, en una línea."""
    _write([json_line(content, sys.stdout)])


def json_line(content: object, stream: object = None) -> str:
    """Un objeto JSON en una línea, que va a salir del proceso: sin lo que no debe verse.

    Lo que no es ASCII va escapado si el flujo no es UTF-8, que JSON no admite otro.
    """
    encoding = getattr(stream, "encoding", None) or "utf-8"
    escaped = encoding.lower().replace("-", "") != "utf8"
    line = json.dumps(content, ensure_ascii=escaped, allow_nan=False)
    if guarded(line) == line:
        return line
    # De uno en uno: tachar en lo ya escrito podría romper el JSON.
    return json.dumps(_redactor.guard_json(json.loads(line)), ensure_ascii=escaped, allow_nan=False)


def tell(sentence: str) -> None:
    """Dice algo a una persona sin mezclarlo con la salida; si no se puede, se calla."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(guarded(sentence), file=sys.stderr, flush=True)


def complain(sentence: str, command: str = PROGRAM) -> None:
    """Dice a quien teclea qué está mal escrito, y la ayuda que lo cuenta."""
    tell(f"{PROGRAM}: {sentence}. Vea: {command} --help")


def ask(question: str, *, hidden: bool = False) -> str:
    """Pregunta algo a una persona por stderr; con `hidden`, lo que teclea no se ve. Lanza `KeyboardInterrupt`."""
    if hidden:
        import getpass

        return getpass.getpass(question, stream=sys.stderr)
    print(question, end="", file=sys.stderr, flush=True)
    reply = sys.stdin.readline()
    if not reply:
        raise KeyboardInterrupt
    return reply.strip()


def is_rich(stream: object) -> bool:
    """Si el flujo es un terminal que entiende color y movimiento."""
    isatty = getattr(stream, "isatty", None)
    return bool(isatty and isatty()) and os.environ.get("TERM") not in {None, "", "dumb"}


def mute() -> None:
    """Que el intérprete, al cerrar, no se queje de lo que quedó por escribir en la salida."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
