"""Lo que sigue a un final en el backend de referencia: a quién se avisa de que un examen ha terminado."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from tests.support.reference.contract import FOLLOW_UP
from tests.support.reference.server import ReferenceBackend


@pytest.fixture
def client(backend: ReferenceBackend) -> Iterator[httpx.Client]:
    """Un cliente con el token del administrador, en la raíz del backend."""
    headers = {"Authorization": f"Bearer {backend.token()}"}
    with httpx.Client(base_url=backend.auth_url, headers=headers, trust_env=False) as client:
        yield client


def test_a_finished_event_is_taken_and_every_call_is_recorded(backend: ReferenceBackend, client: httpx.Client) -> None:
    """202 con un mensaje; 404 sin participantes o sin evento; y de cada llamada queda qué se pidió y qué se dijo."""
    (number,) = backend.add_events(due_finish=1)
    (name,) = backend.add_events(due_finish=1, public_ids=["examen_1"])
    (empty,) = backend.add_events(due_finish=1, participants=0)
    before = datetime.now(UTC)

    asked = (number, name, number, empty, "nada", None)
    answers = [client.post(FOLLOW_UP, json={"event_id": event_id}) for event_id in asked]

    assert [answer.status_code for answer in answers] == [202, 202, 202, 404, 404, 400]
    assert [[*answer.json()] for answer in answers] == [["message"]] * 3 + [["error"]] * 3
    assert [(call.event_id, call.status) for call in backend.follow_ups()] == [
        (number, 202),
        (name, 202),
        (number, 202),
        (empty, 404),
        ("nada", 404),
        (None, 400),
    ]
    assert all(before <= call.at <= datetime.now(UTC) for call in backend.follow_ups())
    # No cuelga del prefijo de la API, y solo admite POST.
    assert client.post(f"/events{FOLLOW_UP}", json={"event_id": number}).status_code == 404
    assert client.get(FOLLOW_UP).status_code == 405


def test_it_can_fail_and_hang(backend: ReferenceBackend, client: httpx.Client) -> None:
    """Contesta lo que se le diga y tarda lo que se le diga, con la llamada ya anotada; la API no se entera."""
    (event_id,) = backend.add_events(due_finish=1)
    backend.configure(follow_up_status=500)
    failed = client.post(FOLLOW_UP, json={"event_id": event_id})
    backend.configure(follow_up_status=0, follow_up_delay_ms=60_000)
    with pytest.raises(httpx.ReadTimeout):
        client.post(FOLLOW_UP, json={"event_id": event_id}, timeout=httpx.Timeout(30, read=1))
    limit = time.monotonic() + 30
    while len(backend.follow_ups()) < 2 and time.monotonic() < limit:
        time.sleep(0.05)

    assert (failed.status_code, [*failed.json()]) == (500, ["error"])
    assert [call.status for call in backend.follow_ups()] == [500, 202]
    finished = client.post(f"{backend.url}/api/events-status/{event_id}/finish/")
    assert finished.status_code == 200


@pytest.mark.slow
def test_it_asks_for_the_same_token_as_the_api(backend: ReferenceBackend) -> None:
    """Sin un token de administrador, 401 o 403 y nada anotado; donde no se pide token, tampoco aquí."""
    (event_id,) = backend.add_events(due_start=1)
    refused = {None: 401, backend.token(-1): 401, backend.token(role="docente"): 403}
    calls = (
        ("GET", f"{backend.url}/api/events-status/pending-start/"),
        ("GET", f"{backend.url}/api/events-status/pending-finish/"),
        ("POST", f"{backend.url}/api/events-status/{event_id}/start/"),
        ("POST", f"{backend.url}/api/events-status/{event_id}/finish/"),
        ("POST", f"{backend.auth_url}{FOLLOW_UP}"),
    )

    def ask(token: str | None) -> list[int]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        body = {"event_id": event_id}
        return [httpx.request(*call, json=body, headers=headers, trust_env=False).status_code for call in calls]

    assert {token: ask(token) for token in refused} == {token: [status] * 5 for token, status in refused.items()}
    assert (backend.history(), backend.follow_ups()) == ([], [])
    backend.configure(require_token=False)
    assert ask(None) == [200, 200, 200, 200, 202]
    # Lo que no vale tampoco estorba.
    assert ask("no-vale") == [200, 200, 400, 400, 202]
