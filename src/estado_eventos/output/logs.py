"""El registro: a stderr, en texto, en JSON o con las prioridades del journal; nunca con más de una línea por suceso."""

import logging
import os
import sys
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from estado_eventos import __version__
from estado_eventos.config.settings import LogFormat, LogLevel
from estado_eventos.domain.text import printable
from estado_eventos.output.streams import PROGRAM, guarded, json_line

run_id: ContextVar[str | None] = ContextVar("run_id", default=None)
"""La pasada de la que se habla, si se está haciendo una: en JSON, cada línea la lleva."""

_log = logging.getLogger(__name__)
_PRIORITIES = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
_COLORS = {"WARNING": "\033[33m", "ERROR": "\033[31m"}
_MAX_LINE = 2000
_OWN_ATTRIBUTES = vars(logging.makeLogRecord({})).keys()


class _StderrHandler(logging.Handler):
    """Escribe en el `sys.stderr` del momento: una barra de progreso lo cambia mientras dura."""

    def emit(self, record: logging.LogRecord) -> None:
        if sys.stderr is None:
            return
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except OSError:
            # Nadie lee ya el registro: no es motivo para dejar eventos sin mover.
            return


class _NoSecrets(logging.Filter):
    """Quita de cada suceso, antes de que nadie le dé forma, lo que no debe verse: frase, cura y datos."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if (cleaned := guarded(message)) != message:
            record.msg, record.args = cleaned, None
        for name in vars(record).keys() - _OWN_ATTRIBUTES:
            # Lo de `fields` solo sale en JSON, que se mira entero.
            if isinstance(value := getattr(record, name), str):
                setattr(record, name, guarded(value))
        return True


class _TextFormatter(logging.Formatter):
    """Una línea por suceso; si el suceso dice cómo se cura (`hint`), detrás."""

    hint_apart = False

    def formatException(self, ei: Any) -> str:  # noqa: N802  Así se llama en `logging`.
        """La pila de llamadas, que acaba en palabras que pueden ser de cualquiera."""
        return guarded(super().formatException(ei))

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        return "\n".join(f"{moment} - {record.levelname} - {line}" for line in self._lines(record))

    def _lines(self, record: logging.LogRecord) -> list[str]:
        hint = getattr(record, "hint", "")
        lines = [f"{record.getMessage()} {hint}." if hint and not self.hint_apart else record.getMessage()]
        if record.exc_info:
            lines += self.formatException(record.exc_info).splitlines()
        return [printable(line, _MAX_LINE) if index == 0 else _keep_indent(line) for index, line in enumerate(lines)]


class _TerminalFormatter(_TextFormatter):
    """Para una persona que mira: lo que va mal, en color, y debajo cómo se cura."""

    hint_apart = True

    def format(self, record: logging.LogRecord) -> str:
        color, text = _COLORS.get(record.levelname), super().format(record)
        line = f"{color}{text}\033[0m" if color else text
        hint = printable(getattr(record, "hint", ""), _MAX_LINE)
        return f"{line}\n  → {hint}." if hint else line


class _JournalFormatter(_TextFormatter):
    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(f"{_prefix(record)}{line}" for line in self._lines(record))


class _JsonFormatter(_TextFormatter):
    """Un objeto por suceso, con las claves de Elastic Common Schema, planas.

    A mano y no con `ecs-logging`, que las anida y añade el proceso, el hilo y el archivo. Lo que un suceso lleva en
    `fields` son claves.
    """

    def __init__(self, *, journal: bool) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        message, *trace = self._lines(record)
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "@timestamp": moment.replace("+00:00", "Z"),
            "log.level": record.levelname.lower(),
            "message": message,
            "ecs.version": "8.11.0",
            "service.name": PROGRAM,
            "service.version": __version__,
            "log.logger": record.name,
        }
        if identity := run_id.get():
            line["trace.id"] = identity
        line |= getattr(record, "fields", {})
        if trace:
            line["error.stack_trace"] = "\n".join(trace)
        return (_prefix(record) if self._journal else "") + json_line(line, sys.stderr)


def _prefix(record: logging.LogRecord) -> str:
    """La gravedad, como la lee el journal (sd-daemon(3))."""
    return f"<{_PRIORITIES.get(record.levelname, 6)}>"


def configure(level: LogLevel, log_format: LogFormat, *, quiet: bool = False) -> None:
    """Prepara el registro. Con `quiet` solo sale lo que va mal."""
    handler = _StderrHandler()
    handler.addFilter(_NoSecrets())
    journal = _stderr_is_the_journal()
    if log_format is LogFormat.JSON:
        handler.setFormatter(_JsonFormatter(journal=journal))
    elif log_format in {LogFormat.JOURNAL, LogFormat.AUTO} and journal:
        handler.setFormatter(_JournalFormatter())
    else:
        handler.setFormatter(_TerminalFormatter() if _stderr_has_color() else _TextFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    # httpx cuenta en INFO cada URL y httpcore en DEBUG cada cabecera, token incluido: ni en DEBUG se les deja.
    root.setLevel(logging.WARNING)
    # Lo que asyncio cuenta, con su pila de llamadas, es un error que ya recibe quien espera por él.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    own = logging.getLogger("estado_eventos")
    own.setLevel(max(logging.WARNING, level.number) if quiet else level.number)


def describe_bug(error: BaseException) -> str:
    """Un fallo del programa, o de la máquina bajo él, en una frase; la pila de llamadas solo con `LOG_LEVEL=DEBUG`."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    _log.debug("Fallo interno", exc_info=error)
    if isinstance(error, MemoryError):
        return "no hay bastante memoria para acabar"
    if isinstance(error, OSError) and error.strerror:
        return f"el sistema no deja seguir: {printable(error.strerror)}. Con LOG_LEVEL=DEBUG se ve dónde"
    return f"fallo interno ({type(error).__name__}): es un error del programa. Con LOG_LEVEL=DEBUG se ve dónde"


def _stderr_has_color() -> bool:
    """Si stderr es un terminal con color y nadie ha pedido que no lo haya (no-color.org)."""
    colorless = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    return sys.stderr is not None and sys.stderr.isatty() and not colorless


def _stderr_is_the_journal() -> bool:
    """Si `JOURNAL_STREAM` nombra el dispositivo y el inodo de este stderr (systemd.exec(5))."""
    try:
        device, inode = os.environ.get("JOURNAL_STREAM", "").split(":")
        status = os.fstat(2)
        return (status.st_dev, status.st_ino) == (int(device), int(inode))
    except (OSError, ValueError):
        return False


def _keep_indent(line: str) -> str:
    text = line.lstrip(" ")
    return " " * (len(line) - len(text)) + printable(text, _MAX_LINE)
