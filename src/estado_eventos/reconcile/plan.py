"""Qué hace una pasada y con qué eventos. Sin E/S."""

from collections.abc import Iterable
from dataclasses import dataclass

from estado_eventos.domain.shard import WHOLE, Shard
from estado_eventos.domain.transitions import Event, Transition


@dataclass(frozen=True, slots=True)
class Plan:
    """Qué hace la pasada: sobre qué transiciones, sobre qué eventos y si cambia algo.

    Los eventos son los de `only` o, si está vacío, los de la parte `shard`: a quien nombra un evento no se le dice que
    es de otra parte.
    """

    command: str
    transitions: tuple[Transition, ...]
    only: frozenset[str] = frozenset()
    dry_run: bool = False
    shard: Shard = WHOLE

    @property
    def scope(self) -> Shard:
        """La parte a la que se limita la pasada."""
        return WHOLE if self.only else self.shard

    def takes(self, event: Event) -> bool:
        """Si el evento es de esta pasada."""
        if self.only:
            return event.key in self.only
        return self.shard.is_whole or self.shard.owns(None if event.problem else event.key)

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
