"""El reloj del backend de referencia: el de la máquina más un desfase, y todo lo que mira va con él."""

import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
import jwt
import pytest

from tests.support.reference.server import ReferenceBackend

EVENTS = "/api/events-status"
HOUR = 3600


@pytest.fixture
def api(backend: ReferenceBackend) -> Iterator[httpx.Client]:
    """Un cliente sin token, para un backend que no lo pide."""
    backend.configure(require_token=False)
    with httpx.Client(base_url=backend.url, trust_env=False) as client:
        yield client


def _pending(api: httpx.Client, action: str = "start") -> list[object]:
    return [item["id"] for item in api.get(f"{EVENTS}/pending-{action}/").raise_for_status().json()["results"]]


def _expiry(token: str) -> float:
    return float(jwt.decode(token, options={"verify_signature": False})["exp"])


@pytest.mark.parametrize("offset", [0, -0.4, 0.7, -5, HOUR, -HOUR])
def test_every_answer_says_what_time_it_is_there(backend: ReferenceBackend, api: httpx.Client, offset: float) -> None:
    """`Date` va una vez en toda respuesta, también en los errores, con el desfase y en segundos sin redondear."""
    backend.configure(clock_offset_seconds=offset)
    for path in (f"{EVENTS}/pending-start/", "/nada/", f"{backend.auth_url}/auth/login/"):
        before = time.time()
        answer = api.get(path)
        after = time.time()
        (date,) = (value for name, value in answer.headers.multi_items() if name.lower() == "date")
        said = parsedate_to_datetime(date).timestamp()
        assert math.floor(before + offset) <= said <= math.floor(after + offset)


def test_what_is_due_is_due_by_its_clock(backend: ReferenceBackend, api: httpx.Client) -> None:
    """Lo vencido lo es según su reloj, también lo que se siembra; `at` es una fecha y no depende de ninguno."""
    (half_an_hour_ago,) = backend.add_events(due_start=1, at=time.time() - HOUR / 2)
    (in_half_an_hour,) = backend.add_events(due_start=1, at=time.time() + HOUR / 2)
    assert _pending(api) == [half_an_hour_ago]
    backend.configure(clock_offset_seconds=-HOUR)
    assert _pending(api) == []
    (sown,) = backend.add_events(due_start=1)
    assert _pending(api) == [sown]
    backend.configure(clock_offset_seconds=HOUR)
    assert _pending(api) == [sown, half_an_hour_ago, in_half_an_hour]


@pytest.mark.parametrize("offset", [-HOUR, HOUR])
def test_tokens_are_given_and_checked_by_its_clock(backend: ReferenceBackend, api: httpx.Client, offset: float) -> None:
    """Los tokens duran lo mismo vaya como vaya el reloj, y caducan cuando él dice."""
    backend.configure(clock_offset_seconds=offset, require_token=True)
    credentials = {"email": backend.email, "password": backend.password}
    before = int(time.time() + offset)
    given = api.post(f"{backend.auth_url}/auth/login/", json=credentials).json()["token"]
    renewed = api.post(f"{backend.auth_url}/auth/refresh-token/", json={"token": given}).json()["token"]
    for token in (given, renewed, backend.token()):
        headers = {"Authorization": f"Bearer {token}"}
        assert before + 1800 <= _expiry(token) <= time.time() + offset + 1800
        assert api.get(f"{EVENTS}/pending-start/", headers=headers).status_code == 200
    dead = {"Authorization": f"Bearer {backend.token(-1)}"}
    assert api.get(f"{EVENTS}/pending-start/", headers=dead).status_code == 401
    backend.configure(clock_offset_seconds=offset + HOUR)
    assert api.get(f"{EVENTS}/pending-start/", headers={"Authorization": f"Bearer {given}"}).status_code == 401


def test_the_history_is_in_true_time(backend: ReferenceBackend, api: httpx.Client) -> None:
    """El historial va en la hora de verdad, y dice desde cuándo pudo el backend enseñar cada cambio pendiente."""
    backend.configure(clock_offset_seconds=-HOUR)
    due = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=2 * HOUR)
    (event_id,) = backend.add_events(due_both=1, at=due.timestamp())
    assert _pending(api, "finish") == []
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    for action in ("start", "finish"):
        assert _pending(api, action) == [event_id]
        assert api.post(f"{EVENTS}/{event_id}/{action}/").status_code == 200
    after = datetime.now(UTC)

    start, finish = backend.history()

    assert before <= start.at <= finish.at <= after
    assert (start.due_at, finish.due_at) == (due - timedelta(seconds=HOUR), due)
    # La lista de inicio lo enseña una hora después de su fecha; la de final, desde que está en progreso.
    assert (start.visible_from, finish.visible_from) == (due, start.at)


def test_the_offset_can_be_there_from_the_start() -> None:
    """La orden se puede arrancar con el reloj desfasado, y sin prefijo; tras `reset` sigue así."""
    with ReferenceBackend(clock_offset=-7200.5, prefix="", no_auth=True) as server:
        assert server.url == server.auth_url
        server.configure(clock_offset_seconds=0)
        server.reset()
        (event_id,) = server.add_events(due_start=1)
        before = time.time()
        answer = httpx.get(f"{server.url}{EVENTS}/pending-start/", trust_env=False)
        ahead = parsedate_to_datetime(answer.headers["Date"]).timestamp() - before
        expiry = _expiry(server.token())

    (item,) = answer.json()["results"]
    assert item["id"] == event_id
    assert datetime.fromisoformat(item["start_date"]) < datetime.now(UTC) - timedelta(seconds=7200)
    assert -7202 < ahead < -7100
    assert before - 7202 < expiry - 1800 < time.time() - 7200
