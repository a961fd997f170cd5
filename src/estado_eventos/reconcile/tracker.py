"""Lo que se sabe de cada evento en una pasada. Sin red y sin reloj propio."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

from estado_eventos.backend.errors import BackendError, Denied, Refused
from estado_eventos.domain.report import Outcome, Result, lag_seconds
from estado_eventos.domain.transitions import Event

MAX_REFUSALS = 4
"""Las veces que se pide en una pasada un evento que el backend no quiere cambiar."""
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class TrackedEvent:
    """Un evento en la pasada; mientras no tiene `result`, no está resuelto.

    `error` es lo que dijo el último intento; `refusals`, las veces que se negó, y `is_unclear`, si de alguna no se supo
    qué hizo. Hasta `busy_until` (la hora del bucle), el backend puede seguir en él. `shown_in` es el número de la
    última lista que lo enseñó.
    """

    event: Event
    attempts: int = 0
    result: Result | None = None
    status: str | None = None
    settled_at: datetime | None = None
    error: str | None = None
    denied: bool = False
    refusals: int = 0
    is_unclear: bool = False
    busy_until: float = 0.0
    shown_in: int = 0

    @property
    def is_undone(self) -> bool:
        """Si no consta hecho: por resolver, o fallido."""
        return self.result in {Result.FAILED, None}

    @property
    def is_hopeless(self) -> bool:
        """Si ya se negó tantas veces que en esta pasada no se pide más."""
        return self.refusals >= MAX_REFUSALS

    def fail(self, error: BackendError) -> None:
        """Apunta un intento que no dio un sí."""
        self.error = str(error)
        self.denied = isinstance(error, Denied)
        if self.denied or not error.unwell:
            self.refusals += 1
        # Lo que no es un no claro, quizá lo hizo; un 200 sin su sí puede ser la respuesta a otra petición.
        is_clear = isinstance(error, Denied | Refused) and error.status != HTTPStatus.OK
        self.is_unclear = self.is_unclear or not is_clear


class Tracker:
    """Los eventos vistos en la pasada, cada uno una vez. La última lista leída tiene la última palabra."""

    def __init__(self, takes: Callable[[Event, datetime], bool]) -> None:
        """Los eventos para los que `takes` dice que no, a la hora a que se leen, no existen."""
        self._takes = takes
        self._tracked: dict[str, TrackedEvent] = {}
        self.bad: tuple[Event, ...] = ()
        self.settled = 0
        self._lists = 0

    def __len__(self) -> int:
        """Cuántos eventos hay, incluidos los que la lista trae mal escritos."""
        return len(self._tracked) + len(self.bad)

    def all(self) -> Iterator[TrackedEvent]:
        """Todos los que se pueden pedir, resueltos o no."""
        yield from self._tracked.values()

    @property
    def has_unsettled(self) -> bool:
        """Si queda algún evento por resolver."""
        return self.settled < len(self._tracked)

    def unsettled(self) -> Iterator[TrackedEvent]:
        """Los eventos por resolver."""
        return (tracked for tracked in self._tracked.values() if tracked.result is None)

    @property
    def may_improve(self) -> bool:
        """Si queda algo que se pueda pedir otra vez."""
        return any(not tracked.is_hopeless for tracked in self.unsettled())

    @property
    def free_at(self) -> float:
        """La hora del bucle a la que se puede pedir otra vez alguno de los que el backend quizá tiene entre manos."""
        return min((tracked.busy_until for tracked in self.unsettled()), default=0.0)

    @property
    def moved(self) -> int:
        """Cuántos movió esta pasada, también aquellos cuya respuesta se perdió."""
        settled = (tracked for tracked in self._tracked.values() if tracked.attempts)
        return sum(tracked.result in {Result.DONE, Result.ALREADY_DONE} for tracked in settled)

    @property
    def denial(self) -> str | None:
        """Lo que dijo el backend al negar el permiso para un evento que se quedó sin hacer, o `None`."""
        undone = (tracked for tracked in self._tracked.values() if tracked.is_undone)
        return next((f"evento {tracked.event.key}: {tracked.error}" for tracked in undone if tracked.denied), None)

    @property
    def gone(self) -> list[TrackedEvent]:
        """Los que la última lista ya no enseña y no constaban hechos."""
        undone = (tracked for tracked in self._tracked.values() if tracked.is_undone)
        return [tracked for tracked in undone if tracked.shown_in != self._lists]

    def read(self, events: Iterable[Event], now: datetime, *, add: bool = True) -> list[TrackedEvent]:
        """Apunta lo que dice una lista y devuelve lo que enseña, lo más antiguo primero, resuelto o no.

        No lo que ya ha fallado. Con `add=False` los eventos que no se conocían se dejan para la pasada siguiente.
        """
        wanted = [event for event in events if self._takes(event, now)]
        self.bad = tuple(event for event in wanted if event.problem)
        shown: dict[str, Event] = {}
        for event in wanted:
            if not event.problem:
                shown.setdefault(event.key, event)
        if add:
            for key, event in shown.items():
                if key not in self._tracked:
                    self._tracked[key] = TrackedEvent(event)
        self._lists += 1
        known = [tracked for key in shown if (tracked := self._tracked.get(key))]
        for tracked in known:
            tracked.shown_in = self._lists
        found = [tracked for tracked in known if tracked.result is not Result.FAILED]
        found.sort(key=lambda tracked: tracked.event.due_at or _NEVER)
        return found

    def settle(self, tracked: TrackedEvent, result: Result, at: datetime, status: str | None = None) -> None:
        """Resuelve un evento, o le da otro final; `at` es cuándo se supo."""
        self.settled += tracked.result is None
        tracked.result = result
        tracked.settled_at = at
        tracked.status = status

    def reopen(self, tracked: TrackedEvent) -> None:
        """Deja otra vez sin resolver un evento que una lista sigue enseñando: lo que se daba por hecho no lo está."""
        said_yes = tracked.result is Result.DONE
        tracked.refusals += 1
        tracked.error = (
            "el backend dijo que sí, pero la lista lo sigue enseñando" if said_yes else "ha vuelto a la lista"
        )
        tracked.result = tracked.settled_at = tracked.status = None
        self.settled -= 1

    def outcomes(self, now: datetime) -> tuple[Outcome, ...]:
        """Cómo queda cada evento; lo que no se resolvió cuenta como `SKIPPED`."""
        known = (
            Outcome(
                event=tracked.event,
                result=tracked.result or Result.SKIPPED,
                status=tracked.status,
                attempts=tracked.attempts,
                lag_seconds=lag_seconds(tracked.event, tracked.settled_at or now),
                error=tracked.error if tracked.is_undone else None,
            )
            for tracked in self._tracked.values()
        )
        bad = (
            Outcome(event, Result.FAILED, lag_seconds=lag_seconds(event, now), error=event.problem)
            for event in self.bad
        )
        return (*known, *bad)
