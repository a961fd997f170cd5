"""Los avisos de lo finalizado: de qué se ha avisado y de qué se debe."""

from collections import Counter
from pathlib import Path
from typing import Any

from estado_eventos.domain.transitions import FINISH
from tests.support.passes import part_of
from tests.support.program import Completed
from tests.support.reference.server import ReferenceBackend


def told(backend: ReferenceBackend) -> Counter[Any]:
    """Cuántas veces se avisó de cada evento."""
    return Counter(call.event_id for call in backend.follow_ups())


def follow_ups(completed: Completed) -> dict[str, int]:
    """Lo que dice el informe de los avisos."""
    counts: dict[str, int] = part_of(completed, FINISH)["follow_ups"]
    return counts


def owed(notes: Path) -> list[str]:
    """Lo que hay apuntado."""
    return sorted(path.name for path in notes.iterdir())
