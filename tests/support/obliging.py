"""Backends de mentira que dicen que sí a todo."""

import json
import threading
from collections.abc import Callable, Sequence

from tests.support.reactions import YES, Raw, Request, Rule, answer


class Obliging:
    """Una regla: un backend que tiene esos elementos pendientes hasta que se le piden, y a cada POST dice que sí.

    Los enseña en la lista de `transition`; en las demás no hay nada. `page` escribe el cuerpo de la lista.
    """

    def __init__(
        self,
        items: Sequence[object],
        transition: str = "start",
        page: Callable[[Sequence[object]], str] = json.dumps,
        yes: Raw | None = None,
    ) -> None:
        """Aún no se ha hecho ninguno."""
        self.items = list(items)
        self._transition = transition
        self._page = page
        self._yes = yes or YES
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Raw:
        """Contesta a las listas y a los POST."""
        path = request.path.partition("?")[0].strip("/").split("/")
        if request.method == "GET":
            return answer(200, self._page(self.items if path[-1] == f"pending-{self._transition}" else []))
        # Cada POST llega en un hilo.
        with self._lock:
            self.items = [item for item in self.items if not _is(item, path[-2])]
        return self._yes


def _is(item: object, event_id: str) -> bool:
    return isinstance(item, dict) and str(item.get("id")) == event_id


def obliging_both(items: Sequence[object], yes: Raw | None = None) -> Rule:
    """Un backend como `Obliging`, con esos elementos en las dos listas."""
    start, finish = Obliging(items, "start", yes=yes), Obliging(items, "finish", yes=yes)
    return lambda request: (finish if "finish" in request.path else start)(request)


def crowd(number: int) -> Rule:
    """Un backend con tantos eventos en cada lista, que se dejan mover; tras cada sí, la conexión sigue abierta."""
    due = [{"id": event_id, "start_date": "2026-01-01T10:00:00Z"} for event_id in range(number)]
    return obliging_both(due, Raw(answer(200, '{"success": true}', Connection="x").data, close=False))
