"""Una barra en el terminal mientras dura una pasada larga."""

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from estado_eventos.domain.transitions import Transition
from estado_eventos.output.streams import is_rich

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PATIENCE_SECONDS = 0.7


class ProgressCallback(Protocol):
    """A quien se le cuenta cómo va."""

    def __call__(self, transition: Transition, settled: int, total: int, waiting: str = "") -> None:
        """Hay `settled` eventos resueltos de `total`; `waiting` es lo que se espera, si se espera algo."""


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

    def __call__(self, transition: Transition, settled: int, total: int, waiting: str = "") -> None:
        """Apunta que van `settled` eventos de `total`, y qué se espera."""
        if self._bar is None:
            if time.monotonic() - self._started < _PATIENCE_SECONDS or (settled == total and not waiting):
                return
            self._bar = _new_bar()
            self._bar.start()
        name = transition.noun.capitalize()
        if transition.name not in self._tasks:
            self._tasks[transition.name] = self._bar.add_task(name, total=total)
        said = f"{name}: {waiting}. Ctrl-C acaba" if waiting else name
        self._bar.update(self._tasks[transition.name], completed=settled, total=total, description=said)


def _new_bar() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        # Las líneas del registro que pasan por ella no se parten: lo de fuera no empieza ninguna.
        console=Console(stderr=True, soft_wrap=True),
        transient=True,
    )
