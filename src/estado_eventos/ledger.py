"""El libro de una pasada: qué se sabe de cada evento de una transición. Sin red y sin reloj propio."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from estado_eventos.report import Outcome, Result, lag_seconds
from estado_eventos.transitions import Event

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class Entry:
    """Un evento en la pasada; mientras no tiene `result`, no está resuelto.

    `error` es lo que dijo el último intento. Hasta `busy_until` (la hora del bucle), el backend puede seguir en él.
    """

    event: Event
    attempts: int = 0
    result: Result | None = None
    status: str | None = None
    settled_at: datetime | None = None
    error: str | None = None
    denied: bool = False
    busy_until: float = 0.0


class Ledger:
    """Los eventos vistos en la pasada, cada uno una vez. Un intento dudoso lo decide una lista leída después."""

    def __init__(self, takes: Callable[[Event], bool]) -> None:
        """Los eventos para los que `takes` dice que no, no existen."""
        self._takes = takes
        self._entries: dict[str, Entry] = {}
        self.bad: tuple[Event, ...] = ()
        self.settled = 0

    def __len__(self) -> int:
        """Cuántos eventos hay, incluidos los que la lista trae mal escritos."""
        return len(self._entries) + len(self.bad)

    @property
    def has_unsettled(self) -> bool:
        """Si queda algún evento por resolver."""
        return self.settled < len(self._entries)

    def unsettled(self) -> Iterator[Entry]:
        """Los eventos por resolver."""
        return (entry for entry in self._entries.values() if entry.result is None)

    @property
    def denial(self) -> str | None:
        """Lo que dijo el backend al negar el permiso para un evento que se quedó sin hacer, o `None`."""
        undone = (entry for entry in self._entries.values() if entry.result in {Result.FAILED, None})
        return next((f"evento {entry.event.key}: {entry.error}" for entry in undone if entry.denied), None)

    def read(self, events: Iterable[Event], *, add: bool = True) -> list[Entry]:
        """Apunta lo que dice una lista y devuelve lo que sigue por resolver en ella, lo más antiguo primero.

        Con `add=False` los eventos que no estaban en el libro se dejan para la pasada siguiente.
        """
        wanted = [event for event in events if self._takes(event)]
        self.bad = tuple(event for event in wanted if event.problem)
        shown: dict[str, Event] = {}
        for event in wanted:
            if not event.problem:
                shown.setdefault(event.key, event)
        if add:
            for key, event in shown.items():
                if key not in self._entries:
                    self._entries[key] = Entry(event)
        todo = [entry for key in shown if (entry := self._entries.get(key)) and entry.result is None]
        todo.sort(key=lambda entry: entry.event.due_at or _NEVER)
        return todo

    def settle(self, entry: Entry, result: Result, at: datetime, status: str | None = None) -> None:
        """Resuelve un evento; `at` es cuándo se supo."""
        entry.result = result
        entry.settled_at = at
        entry.status = status
        self.settled += 1

    def outcomes(self, now: datetime) -> tuple[Outcome, ...]:
        """Cómo queda cada evento; lo que no se resolvió cuenta como `SKIPPED`."""
        entries = (
            Outcome(
                event=entry.event,
                result=entry.result or Result.SKIPPED,
                status=entry.status,
                attempts=entry.attempts,
                lag_seconds=lag_seconds(entry.event, entry.settled_at or now),
                error=entry.error if entry.result in {Result.FAILED, None} else None,
            )
            for entry in self._entries.values()
        )
        bad = (
            Outcome(event, Result.FAILED, lag_seconds=lag_seconds(event, now), error=event.problem)
            for event in self.bad
        )
        return (*entries, *bad)
