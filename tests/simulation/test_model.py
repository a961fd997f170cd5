"""El modelo contesta y cambia como el backend de referencia: si no, lo que la simulación dice no vale."""

import json
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.simulation.model import EMAIL, PASSWORD, STATES, Ask, Event, Model, Save
from tests.support.reference.contract import FOLLOW_UP
from tests.support.reference.server import ReferenceBackend

_REQUESTS = 2000
_AT = 1_700_000_000.0
"""Cuándo vencen los eventos: hace mucho para los dos."""
_FAR = 4_000_000_000.0


@pytest.fixture
def prefixless() -> Iterator[ReferenceBackend]:
    """El de referencia con la API en la raíz y la cuenta del modelo."""
    with ReferenceBackend(prefix="", email=EMAIL, password=PASSWORD) as backend:
        yield backend


def _populate(backend: ReferenceBackend, model: Model) -> None:
    """Los mismos eventos en los dos."""
    kinds = {
        "due_start": (0, _AT, _FAR),
        "due_finish": (1, _AT - 3600, _AT),
        "due_both": (0, _AT - 3600, _AT),
        "future": (0, _FAR, _FAR),
        "broken_start": (0, _AT, _AT - 60),
        "broken_finish": (1, _AT + 60, _AT),
    }
    for participants, (kind, (state, start, end)) in enumerate(kinds.items()):
        # Cada lote, con su hora: si no, habría empates, que cada uno ordena a su modo.
        batch: Any = {kind: 15, "at": _AT + participants * 0.1, "participants": participants % 2}
        for number, key in enumerate(map(str, backend.add_events(**batch))):
            shift = participants * 0.1 - (14 - number) / 1000
            event = Event(key, start + shift, end + shift, state, kind.startswith("broken"), bool(participants % 2))
            model.events[key] = event


def _draw(random: Random, model: Model, tokens: list[str | None]) -> tuple[str, str, Any]:
    """Una petición al azar: método, ruta y cuerpo."""
    key = random.choice([*model.events, "99999"])
    return random.choice(
        (
            ("GET", f"/api/events-status/pending-{random.choice(('start', 'finish'))}/", None),
            ("POST", f"/api/events-status/{key}/{random.choice(('start', 'finish'))}/", {}),
            ("POST", f"/api/events-status/{key}/{random.choice(('start', 'finish'))}/", {}),
            ("POST", "/auth/login/", {"email": EMAIL, "password": random.choice((PASSWORD, "otra"))}),
            ("POST", "/auth/refresh-token/", {"token": random.choice(tokens) or "nada"}),
            ("POST", FOLLOW_UP, random.choice(({"event_id": int(key)}, {}))),
        )
    )


def _essence(status: int, body: bytes) -> tuple[int, Any]:
    """Lo que tiene que coincidir: el código, el estado y los eventos de las listas, por orden."""
    content = json.loads(body)
    if isinstance(content, list):
        return status, [item["id"] for item in content]
    if "results" in content:
        return status, (content.get("count"), bool(content.get("next")), [item["id"] for item in content["results"]])
    return status, (content.get("success"), content.get("status"), "token" in content, "error" in content)


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("shape", ["plain", "list", "pages"])
def test_the_model_answers_like_the_reference_backend(prefixless: ReferenceBackend, shape: Any) -> None:
    """Con las mismas peticiones al azar, las mismas respuestas y, al final, los mismos estados."""
    random, model = Random(f"modelo {shape}"), Model(as_list=shape == "list")
    model.page_size = 7 if shape == "pages" else 0
    prefixless.configure(list_shape=shape, page_size=7)
    _populate(prefixless, model)
    tokens: dict[str | None, str | None] = {None: None, "roto": "roto"}
    address = urlsplit(prefixless.auth_url)
    for _ in range(_REQUESTS // 3 + 1):
        method, path, content = _draw(random, model, list(tokens))
        token = random.choice(list(tokens))
        body = b"" if content is None else json.dumps(content).encode()
        headers = {"Authorization": f"Bearer {tokens[token]}"} if token else {}
        sent = body
        if path == "/auth/refresh-token/":
            sent = json.dumps({"token": tokens.get(content["token"], "nada")}).encode()
        with closing(HTTPConnection(str(address.hostname), address.port, timeout=30)) as connection:
            connection.request(method, path, sent, headers)
            answer = connection.getresponse()
            real = answer.status, answer.read()
        received = model.receive(Ask(method, path, "", token, body), _AT + 1000)
        made = model.save(received) if isinstance(received, Save) else received
        assert _essence(*real) == _essence(made.status, made.body), (method, path, content, token)
        if b'"token"' in real[1]:
            tokens[json.loads(made.body)["token"]] = json.loads(real[1])["token"]

    ours = {event.key: STATES[event.state] for event in model.events.values()}
    assert ours == {str(key): state for key, state in prefixless.states().items()}
    assert set(ours.values()) == set(STATES)
