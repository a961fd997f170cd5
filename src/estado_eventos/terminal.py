"""Lo que solo sale en un terminal: tablas con color y una barra mientras dura una pasada larga."""

import codecs
import io
import json
import os
import shutil
import sys
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

from estado_eventos.logs import as_json
from estado_eventos.render import outcome_cells, pending_lines, scope_lines, spoken_counts, spoken_lag, summary_lines
from estado_eventos.report import Report, Result
from estado_eventos.transitions import Transition

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID
    from rich.table import Table

    from estado_eventos.reconcile import Watch

PROGRAM = "estado-eventos"
_PATIENCE_SECONDS = 0.7
_LATE_SECONDS = 120.0
_MIN_COLUMNS = 80


def accept_any_text() -> None:
    """Que lo que la codificación de la salida no sabe escribir salga como en JSON, sin perder lo demás."""
    codecs.register_error("as_json", _as_json)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="as_json")


def _as_json(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def show_summary(report: Report) -> None:
    """Enseña el resultado de una pasada: una tabla en un terminal, y si no, una línea por transición."""
    if not _is_rich(sys.stdout):
        write(summary_lines(report))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table("Transición", "Resultado", "Retraso máximo", caption=_scope(report))
    for part in report.transitions:
        color = "red" if part.error or part.count(Result.FAILED) else "green"
        late = Text(spoken_lag(part.max_lag_seconds) if part.outcomes else "–", _lag_color(part.max_lag_seconds))
        table.add_row(part.transition.noun, Text(spoken_counts(part), color), late)
    _print(table)


def show_pending(report: Report) -> None:
    """Enseña lo que está pendiente y cuánto se retrasa."""
    if not _is_rich(sys.stdout) or not any(part.outcomes for part in report.transitions):
        write(pending_lines(report))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table("Transición", "Evento", "Le tocaba", "Retraso", caption=_scope(report))
    for part in report.transitions:
        for outcome in part.outcomes:
            name, due, late = outcome_cells(outcome)
            lag_text = Text(late, _lag_color(outcome.lag_seconds))
            table.add_row(part.transition.noun, Text(name), Text(due), lag_text)
    _print(table)


def _scope(report: Report) -> str | None:
    return next(scope_lines(report), None)


def write(lines: Iterable[str]) -> None:
    """Escribe en la salida; si nadie la lee o no cabe, el código de salida sigue siendo el de la pasada."""
    try:
        for line in lines:
            print(line)
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        _mute(sys.stdout)


def write_json(content: object) -> None:
    """Escribe en la salida un objeto JSON, en una línea."""
    write([as_json(content, sys.stdout)])


def tell(sentence: str) -> None:
    """Dice algo a una persona sin mezclarlo con la salida; si no se puede, se calla."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(sentence, file=sys.stderr, flush=True)


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


def complain(sentence: str) -> None:
    """Dice a quien teclea qué está mal escrito."""
    tell(f"{PROGRAM}: {sentence}. Vea: {PROGRAM} --help")


def _print(table: "Table") -> None:
    try:
        console().print(table)
    except OSError:
        _mute(sys.stdout)


def console() -> "Console":
    """Por donde rich escribe en la salida, aunque el terminal diga que no tiene ancho: en él no escribiría nada."""
    from rich.console import Console

    return Console(highlight=False, width=max(_MIN_COLUMNS, shutil.get_terminal_size().columns))


def _mute(stream: object) -> None:
    """Que el intérprete, al cerrar, no se queje de lo que quedó por escribir."""
    if stream is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _lag_color(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return "red" if seconds > _LATE_SECONDS else "yellow"


def progress(*, wanted: bool) -> "AbstractContextManager[Watch | None]":
    """La barra de la pasada, si se quiere y hay terminal donde dibujarla."""
    return ProgressBar() if wanted and _is_rich(sys.stderr) else nullcontext()


class ProgressBar:
    """Una barra en stderr que solo aparece si la pasada tarda; es el `Watch` de la pasada."""

    def __init__(self) -> None:
        """Nada se dibuja todavía."""
        self._started = time.monotonic()
        self._bar: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        """La barra aparece sola cuando toca."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Quita la barra."""
        if self._bar:
            self._bar.stop()

    def __call__(self, transition: Transition, settled: int, total: int) -> None:
        """Apunta que van `settled` eventos de `total`."""
        if self._bar is None:
            if time.monotonic() - self._started < _PATIENCE_SECONDS or settled == total:
                return
            self._bar = _new_bar()
            self._bar.start()
        if transition.name not in self._tasks:
            self._tasks[transition.name] = self._bar.add_task(transition.noun.capitalize(), total=total)
        self._bar.update(self._tasks[transition.name], completed=settled, total=total)


def _new_bar() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def _is_rich(stream: object) -> bool:
    """Si el flujo es un terminal que entiende color y movimiento."""
    isatty = getattr(stream, "isatty", None)
    return bool(isatty and isatty()) and os.environ.get("TERM") not in {None, "", "dumb"}
