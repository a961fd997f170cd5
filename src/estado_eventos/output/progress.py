"""Una barra en el terminal mientras dura una pasada larga."""

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Self

from estado_eventos.domain.transitions import Transition
from estado_eventos.output.streams import is_rich

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PATIENCE_SECONDS = 0.7

ProgressCallback = Callable[[Transition, int, int], None]
"""A quien se le cuenta cómo va: la transición, cuántos eventos están resueltos y cuántos hay."""


def progress(*, wanted: bool) -> AbstractContextManager[ProgressCallback | None]:
    """La barra de la pasada, si se quiere y hay terminal donde dibujarla."""
    return ProgressBar() if wanted and is_rich(sys.stderr) else nullcontext()


class ProgressBar:
    """Una barra en stderr que solo aparece si la pasada tarda."""

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
