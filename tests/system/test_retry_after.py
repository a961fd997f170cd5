"""Un backend que pide esperar con `Retry-After`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from tests.support.faults import FaultyServer
from tests.support.inside import endure, run_inside
from tests.support.obliging import Obliging
from tests.support.passes import config
from tests.support.reactions import Reaction, Request, answer, listing
from tests.support.reference.server import ReferenceBackend


@pytest.mark.slow
def test_retry_after_is_honoured(backend: ReferenceBackend) -> None:
    """Si el backend pide esperar, se espera lo que pide antes de volver a mirar."""
    backend.add_events(due_start=1)

    def busy_once(request: Request) -> Any:
        return answer(429, Retry_After="2") if request.method == "GET" and request.nth == 1 else None

    with FaultyServer(busy_once, backend.url) as proxy:
        completed = run_inside("start", "--json", **config(backend, proxy.url))

    assert completed.code == 0
    assert completed.report["duration_seconds"] >= 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "value", "at_least"),
    [
        ("POST", "1", 1.0),
        ("GET", lambda: format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True), 0.5),
        ("GET", "-5", 0.0),
        ("POST", "pronto", 0.0),
    ],
    ids=["segundos", "fecha", "negativo", "palabras"],
)
def test_retry_after_is_waited_for(method: str, value: str | Callable[[], str], at_least: float) -> None:
    """Un 429 con `Retry-After` se repite cuando el backend dice; si no se entiende, cuando toque: 0."""
    obliging = Obliging([{"id": 1}])

    def rule(request: Request) -> Reaction:
        if request.method == method and request.nth == 1:
            return answer(429, Retry_After=value if isinstance(value, str) else value())
        return obliging(request)

    with FaultyServer(rule) as server:
        completed = endure(server)

    assert completed.code == 0
    assert server.count("POST") == (2 if method == "POST" else 1)
    assert completed.report["duration_seconds"] >= at_least


@pytest.mark.parametrize("value", ["9" * 300, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_an_absurd_retry_after_is_not_waited_for(value: str) -> None:
    """Si lo que hay que esperar no cabe en la pasada, no se espera: se mira la lista otra vez y se acaba."""
    with FaultyServer(
        lambda request: listing(1) if request.method == "GET" else answer(503, Retry_After=value)
    ) as server:
        completed = endure(server)

    assert completed.code == 1
    assert [request.method for request in server.requests] == ["GET", "POST", "GET"]
