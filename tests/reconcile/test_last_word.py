"""La lista tiene la última palabra: lo que dice un POST vale mientras una lista leída después no lo niegue."""

import json
import signal
import threading

import pytest

from estado_eventos.domain.transitions import START
from tests.support.faults import FaultyServer
from tests.support.inside import endure
from tests.support.obliging import Obliging
from tests.support.program import run, start, wait
from tests.support.reactions import Fault, Reaction, Request, answer
from tests.support.reference.server import ReferenceBackend

YES = answer(200, '{"success": true, "status": "en_progreso"}')
ONE = '[{"id": 7, "start_date": "2026-01-01T10:00:00Z"}]'


def test_a_pass_with_work_looks_once_more(backend: ReferenceBackend) -> None:
    """La lista que tenía algo se lee otra vez al final, por otra conexión; y la de lo que pudo vencer por ello."""
    backend.add_events(due_start=2)

    with FaultyServer(upstream=backend.url) as server:
        completed = run("run-once", "--json", env={"BACKEND_URL": server.url, "BACKEND_JWT_TOKEN": backend.token()})

    start_list = [request for request in server.requests if request.path.endswith("pending-start/")]
    assert completed.code == 0
    assert completed.report["requests"] == len(server.requests) == 6
    assert completed.report["transitions"]["start"]["rounds"] == 1
    assert len(start_list) == 2
    assert start_list[0].peer != start_list[1].peer


def test_a_yes_that_changes_nothing_is_no_yes() -> None:
    """Un backend que dice que sí y no hace nada: cuatro intentos, ninguno hecho, código 1 y por qué."""
    with FaultyServer(lambda request: answer(200, ONE) if request.method == "GET" else YES) as server:
        completed = endure(server, seconds=20)

    part = completed.report["transitions"]["start"]
    (event,) = part["events"]
    assert completed.code == 1
    assert (part["failed"], event["result"], event["attempts"], event["status"]) == (1, "failed", 4, None)
    assert event["error"] == "el backend dijo que sí, pero la lista lo sigue enseñando"
    assert server.count("POST") == 4
    assert "Evento 7 sin confirmar (intento 1): el backend dijo que sí, pero la lista lo sigue enseñando" in (
        completed.stderr
    )


@pytest.mark.parametrize(("stale", "posts"), [(1, 1), (2, 2)])
def test_a_list_from_a_cache_that_lags(stale: int, posts: int) -> None:
    """Una lista que se queda atrás unas lecturas: el evento se hizo una vez, nadie lo da por fallido y acaba en 0."""
    done = threading.Event()
    left = stale

    def rule(request: Request) -> Reaction:
        nonlocal left
        if request.method == "POST":
            first = not done.is_set()
            done.set()
            return YES if first else answer(400, '{"error": "ya está en progreso"}')
        if done.is_set():
            left -= 1
        return answer(200, ONE if left >= 0 else "[]")

    with FaultyServer(rule) as server:
        completed = endure(server, seconds=20)

    (event,) = completed.report["transitions"]["start"]["events"]
    assert (completed.code, event["result"], event["attempts"]) == (0, "already_done", posts)
    assert server.count("POST") == posts


def test_what_becomes_due_meanwhile_is_done_in_the_same_pass() -> None:
    """Lo que la última mirada enseña de nuevo se hace en esta pasada, sin esperar a la siguiente."""
    obliging = Obliging([{"id": 7}])

    def rule(request: Request) -> Reaction:
        reply = obliging(request)
        if request.path == START.action_path(7):
            obliging.items.append({"id": 8})
        return reply

    with FaultyServer(rule) as server:
        completed = endure(server)

    assert completed.code == 0
    assert [event["result"] for event in completed.report["transitions"]["start"]["events"]] == ["done", "done"]
    assert [request.path for request in server.requests if request.method == "POST"] == [
        START.action_path(7),
        START.action_path(8),
    ]
    assert server.count("GET") == 3


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_cut_before_the_last_look_keeps_the_yes(number: signal.Signals) -> None:
    """Si una señal corta la última mirada, lo que se contestó que sí cuenta como hecho, y todo lo debido lo está."""
    looking = threading.Event()

    def rule(request: Request) -> Reaction:
        if request.method == "POST":
            return YES
        if request.nth == 1:
            return answer(200, ONE)
        looking.set()
        return Fault.STALL

    with FaultyServer(rule) as server:
        process = start("start", "--json", env={"BACKEND_URL": server.url})
        assert looking.wait(30)
        process.send_signal(number)
        completed = wait(process)

    (event,) = completed.report["transitions"]["start"]["events"]
    assert (event["result"], event["status"]) == ("done", "en_progreso")
    assert completed.code == 0
    assert server.count("POST") == 1


@pytest.mark.slow
def test_the_deadline_before_the_last_look_keeps_the_yes() -> None:
    """Si el límite corta la última mirada, lo que se contestó que sí cuenta como hecho."""

    def rule(request: Request) -> Reaction:
        if request.method == "POST":
            return YES
        return answer(200, ONE) if request.nth == 1 else Fault.STALL

    with FaultyServer(rule) as server:
        completed = endure(server, seconds=2)

    assert (completed.code, completed.report["transitions"]["start"]["done"]) == (0, 1)


def test_a_last_look_that_fails_is_told(backend: ReferenceBackend) -> None:
    """Si al final la lista no se puede leer, lo hecho cuenta como hecho y el código es el de la lista."""
    backend.add_events(due_start=1, public_ids=["algebra"])

    def rule(request: Request) -> Reaction:
        return answer(401, "{}") if request.method == "GET" and request.nth > 1 else None

    with FaultyServer(rule, upstream=backend.url) as server:
        completed = endure(server, BACKEND_JWT_TOKEN=backend.token())

    assert completed.code == 77
    assert completed.report["transitions"]["start"]["done"] == 1
    assert set(backend.states().values()) == {"en_progreso"}


def test_one_that_comes_back_is_asked_again() -> None:
    """Un evento que desapareció de la lista sin nosotros y vuelve a ella se pide otra vez."""
    lists = iter([["7", "8"], ["8"], ["7"], ["7"], []])
    asked: list[str] = []

    def rule(request: Request) -> Reaction:
        if request.method == "GET":
            return answer(200, json.dumps([{"id": name} for name in next(lists, [])]))
        asked.append(request.path.split("/")[-3])
        return YES if asked.count(asked[-1]) > 1 or (asked[-1] == "8" and len(asked) > 2) else answer(400, "{}")

    with FaultyServer(rule) as server:
        completed = endure(server, seconds=20, MAX_CONCURRENCY=1)

    results = {event["id"]: event["result"] for event in completed.report["transitions"]["start"]["events"]}
    assert completed.code == 0
    assert results == {"7": "done", "8": "done"}
    assert asked == ["7", "8", "8", "7"]
