"""La red que corta, calla o tarda: cada evento se mueve una vez."""

import random

import pytest

from estado_eventos.domain.transitions import FINISH, START
from tests.support.faults import FaultyServer
from tests.support.inside import endure
from tests.support.passes import moved_once
from tests.support.reactions import Drip, Fault, Late, Reaction, Request, Rule, Spoiled
from tests.support.reference.contract import EventId
from tests.support.reference.server import ReferenceBackend


def spoil_header(replacement: bytes) -> Spoiled:
    """La respuesta del backend con otra cabecera en lugar de `Content-Length`."""

    def change(data: bytes) -> bytes:
        head, blank, body = data.partition(b"\r\n\r\n")
        kept = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
        return b"\r\n".join([*kept, replacement]) + blank + body

    return Spoiled(change)


_NOTHING_APPLIED: dict[str, Reaction] = {
    "se corta sin contestar": Fault.CUT,
    "se corta con RST": Fault.RESET,
}


_APPLIED: dict[str, Reaction] = {
    "se corta sin contestar, ya aplicado": Fault.CUT_AFTER_APPLYING,
    "se corta con RST, ya aplicado": Spoiled(lambda _: b"", Fault.RESET),
    "no contesta, ya aplicado": Spoiled(lambda _: b"", Fault.STALL),
    "cuerpo truncado": Spoiled(lambda data: data[:-3]),
    "cabecera truncada": Spoiled(lambda data: data[:40]),
    "Content-Length de más": spoil_header(b"Content-Length: 9999"),
    "Content-Length negativo": spoil_header(b"Content-Length: -1"),
    "dos Content-Length distintos": spoil_header(b"Content-Length: 2\r\nContent-Length: 3"),
    "trozos mal escritos": spoil_header(b"Transfer-Encoding: chunked"),
    "no es HTTP": Spoiled(lambda _: b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", [*_NOTHING_APPLIED, *_APPLIED])
def test_one_fault_is_healed_in_the_same_pass(backend: ReferenceBackend, fault: str) -> None:
    """Una avería al leer una lista y otra al pedir un evento se curan solas: 0, y cada evento movido una vez."""
    ids = backend.add_events(due_start=3, due_finish=3)
    spoiled = {START.list_path, FINISH.action_path(ids[4])}
    reaction = (_NOTHING_APPLIED | _APPLIED)[fault]

    def once(request: Request) -> Reaction:
        return reaction if request.path in spoiled and request.nth == 1 else None

    with FaultyServer(once, backend.url) as server:
        completed = endure(server, "run-once", BACKEND_JWT_TOKEN=backend.token(), HTTP_TIMEOUT=1)

    assert completed.code == 0
    assert moved_once(backend, ids)
    started, finished = (completed.report["transitions"][transition.name] for transition in (START, FINISH))
    assert (started["done"], started["rounds"]) == (3, 2)
    assert (finished["done"], finished["already_done"]) == ((2, 1) if fault in _APPLIED else (3, 0))
    assert server.count("POST") == (6 if fault in _APPLIED else 7)


_NO_ANSWER = pytest.mark.parametrize(
    "reaction",
    [Fault.STALL, Drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n[", b" ")],
    ids=["no contesta", "gotea"],
)


def _once_on(event_id: EventId, reaction: Reaction) -> Rule:
    return lambda request: reaction if request.path == START.action_path(event_id) and request.nth == 1 else None


@pytest.mark.slow
@_NO_ANSWER
def test_an_event_without_answer_waits_for_its_time(backend: ReferenceBackend, reaction: Reaction) -> None:
    """A quien no contestó a tiempo se le deja el doble de tiempo antes de pedírselo otra vez: 0, movido una vez."""
    ids = backend.add_events(due_start=3)

    with FaultyServer(_once_on(ids[1], reaction), backend.url) as server:
        completed = endure(server, BACKEND_JWT_TOKEN=backend.token(), HTTP_TIMEOUT=1, seconds=20)

    assert completed.code == 0
    assert completed.report["duration_seconds"] >= 3
    assert server.count("POST") == 4
    assert moved_once(backend, ids)


@pytest.mark.slow
@_NO_ANSWER
def test_an_event_without_answer_is_left_for_the_next_pass(backend: ReferenceBackend, reaction: Reaction) -> None:
    """Si ese tiempo no cabe en la pasada, quizá sigue en ello: no se le pide otra vez, y la siguiente lo arregla."""
    ids = backend.add_events(due_start=3)

    with FaultyServer(_once_on(ids[1], reaction), backend.url) as server:
        first = endure(server, BACKEND_JWT_TOKEN=backend.token(), HTTP_TIMEOUT=3, seconds=8)
        asked = server.count("POST")
        second = endure(server, BACKEND_JWT_TOKEN=backend.token(), HTTP_TIMEOUT=3)

    assert (first.code, second.code) == (1, 0)
    assert asked == 3
    assert [event["result"] for event in first.report["transitions"]["start"]["events"]] == ["done", "failed", "done"]
    assert moved_once(backend, ids)


@pytest.mark.slow
def test_a_backend_slower_than_the_timeout_moves_nothing_twice(backend: ReferenceBackend) -> None:
    """Si aplicar un cambio lleva más que `HTTP_TIMEOUT`, no se pide encima otra vez: cada evento se mueve una vez."""
    backend.configure(race_ms=1500)
    ids = backend.add_events(due_start=3)

    with FaultyServer(upstream=backend.url) as server:
        completed = endure(server, BACKEND_JWT_TOKEN=backend.token(), HTTP_TIMEOUT=1, seconds=20)

    assert completed.code == 0
    assert {event["result"] for event in completed.report["transitions"]["start"]["events"]} == {"already_done"}
    assert server.count("POST") == 3
    assert moved_once(backend, ids)


@pytest.mark.slow
def test_five_hundred_events_over_a_bad_line(backend: ReferenceBackend) -> None:
    """Con 100 ± 50 ms de latencia y un 5 % de cortes al azar, 500 eventos: todos movidos, ninguno dos veces."""
    ids = backend.add_events(due_start=500)
    numbers = {START.action_path(event_id): number for number, event_id in enumerate(ids)}

    def bad_line(request: Request) -> Reaction:
        dice = random.Random(f"{numbers.get(request.path)} {request.nth}")  # noqa: S311  Siempre los mismos cortes.
        latency, luck = dice.uniform(0.05, 0.15), dice.random()
        if luck < 0.025:
            return Late(latency, Fault.RESET)
        return Late(latency, Spoiled(lambda _: b"", Fault.RESET) if luck < 0.05 else None)

    with FaultyServer(bad_line, backend.url) as server:
        completed = endure(server, seconds=40, BACKEND_JWT_TOKEN=backend.token(), MAX_CONCURRENCY=64)

    cut = sum(isinstance(request.reaction, Late) and request.reaction.then is not None for request in server.requests)
    assert completed.code == 0
    assert cut > 10
    assert moved_once(backend, ids)
    assert completed.report["transitions"]["start"]["already_done"] > 0
