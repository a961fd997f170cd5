"""Qué hace una pasada y con qué eventos. Sin E/S."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from estado_eventos.domain.shard import WHOLE, Shard
from estado_eventos.domain.transitions import Event, Transition


@dataclass(frozen=True, slots=True)
class Plan:
    """Qué hace la pasada: sobre qué transiciones, sobre qué eventos y si cambia algo.

    Los eventos son los de `only` o, si está vacío, los de la parte `shard`: a quien nombra un evento no se le dice que
    es de otra parte. Con `standby_seconds`, solo los que llegan al menos tan tarde: los demás son de la principal.
    """

    command: str
    transitions: tuple[Transition, ...]
    only: frozenset[str] = frozenset()
    dry_run: bool = False
    shard: Shard = WHOLE
    standby_seconds: float = 0

    @property
    def waits_for_tick(self) -> bool:
        """Si la pasada sirve a un tic; quien solo mira o nombra unos eventos no espera a ninguno."""
        return not self.dry_run and not self.only

    @property
    def scope(self) -> Shard:
        """La parte a la que se limita la pasada."""
        return WHOLE if self.only else self.shard

    def takes(self, event: Event, now: datetime) -> bool:
        """Si el evento es de esta pasada, cuando son las `now` en el reloj del backend."""
        if self.only:
            return event.key in self.only
        if self.standby_seconds and not self._is_late(event, now):
            return False
        return self.shard.is_whole or self.shard.owns(None if event.problem else event.key)

    def _is_late(self, event: Event, now: datetime) -> bool:
        return event.due_at is not None and now - event.due_at >= timedelta(seconds=self.standby_seconds)

    def absent(self, seen: Iterable[Event]) -> list[str]:
        """Los eventos que se pidieron por su nombre y no están entre los vistos."""
        return sorted(self.only - {event.key for event in seen})

    def locks(self, backend_url: str, transition: Transition) -> list[str]:
        """Los turnos que hacen falta: los de las partes que se tocan, siempre en el mismo orden."""
        what = f"{backend_url} {transition.name}"
        if self.shard.is_whole:
            return [what]
        parts = {self.shard.owner(key) for key in self.only} or {self.shard}
        return [f"{what} {part}" for part in sorted(parts)]
