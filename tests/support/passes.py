"""Con qué se hace una pasada y lo que se mira de ella: su informe, lo que llegó al backend y lo que cambió en él."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from estado_eventos.domain.transitions import START, Transition
from tests.support.inside import NO_TICK, addresses
from tests.support.program import Completed
from tests.support.reference.contract import EventId
from tests.support.reference.server import ReferenceBackend

LONG = 300
"""Un límite que no se alcanza, donde no se mide lo rápida que es la máquina."""
_STATES = ("programado", "en_progreso", "completado")


def config(backend: ReferenceBackend, url: str | None = None, **variables: object) -> dict[str, object]:
    """La configuración mínima para hablar con el backend, directamente o por otra dirección, lejos de los tics."""
    return {
        **({} if "SCHEDULER_INTERVAL_SECONDS" in variables else NO_TICK),
        **addresses(backend, url),
        "BACKEND_JWT_TOKEN": backend.token(),
        **variables,
    }


def posts(backend: ReferenceBackend) -> list[str]:
    """Las rutas de los POST que llegaron al backend."""
    return [request.path for request in backend.requests() if request.method == "POST"]


def moves(backend: ReferenceBackend) -> list[str]:
    """El evento de cada cambio de estado que hubo en la base de datos."""
    return sorted(str(change.event_id) for change in backend.history())


def moved_once(backend: ReferenceBackend, ids: Sequence[EventId]) -> bool:
    """Si en la base de datos cambió de estado cada uno de esos eventos, una vez, y ningún otro."""
    return moves(backend) == sorted(map(str, ids))


def part_of(completed: Completed, transition: Transition = START) -> dict[str, Any]:
    """La parte del informe de una transición."""
    part: dict[str, Any] = completed.report["transitions"][transition.name]
    return part


def results(completed: Completed, transition: Transition = START) -> dict[str, str]:
    """Cómo acabó cada evento de una transición."""
    return {str(event["id"]): event["result"] for event in part_of(completed, transition)["events"]}


def texts(content: Any) -> Iterator[str]:
    """Todos los textos de un informe."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        for value in content.values():
            yield from texts(value)
    elif isinstance(content, list):
        for value in content:
            yield from texts(value)


def changes(backend: ReferenceBackend) -> Counter[tuple[EventId, str, str]]:
    """Cuántas veces se puso a un evento en un estado, y desde cuál; nunca uno anterior."""
    counted = Counter((change.event_id, change.before, change.after) for change in backend.history())
    assert all(_STATES.index(before) <= _STATES.index(after) for _, before, after in counted)
    return counted


def total(completed: Sequence[Completed], result: str) -> int:
    """Cuántos eventos acabaron así, sumados los informes."""
    return sum(part[result] for one in completed for part in one.report["transitions"].values())
