"""Lo que una pasada toca fuera de su memoria, además del reloj: la red, los turnos y lo que deja escrito."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from estado_eventos.backend.token_cache import CacheOf, cache_of
from estado_eventos.backend.transport import Connect, connection_of
from estado_eventos.reconcile.follow_ups import Notes
from estado_eventos.reconcile.lock import PassLock


@dataclass(frozen=True, slots=True)
class Surroundings:
    """De dónde salen; de fábrica, de esta máquina."""

    connect: Connect = connection_of
    lock: Callable[[], PassLock] = PassLock
    cache: CacheOf = cache_of
    notes: Callable[[Path | None], Notes] = Notes
