"""El bucle de una transición: leer, aplicar y volver a mirar, con el programa entero y un backend de verdad."""

from typing import Any

import pytest

from estado_eventos.domain.transitions import FINISH, START, TRANSITIONS, Transition
from tests.support.faults import FaultyServer
from tests.support.inside import endure, run_inside
from tests.support.passes import config, moves, part_of, posts, results
from tests.support.reactions import YES, Fault, Reaction, Request, answer, listing
from tests.support.reference.server import ReferenceBackend


def test_moves_everything_due_and_nothing_else(backend: ReferenceBackend) -> None:
    """Lo que toca cambia de estado, lo futuro no, y el informe lo cuenta con exactitud."""
    to_start = backend.add_events(due_start=3, offset=-30)
    to_finish = backend.add_events(due_finish=2, offset=-90)
    future = backend.add_events(future=2)

    completed = run_inside("run-once", "--json", **config(backend))

    assert completed.code == 0
    states = backend.states()
    assert [states[key] for key in to_start] == ["en_progreso"] * 3
    assert [states[key] for key in to_finish] == ["completado"] * 2
    assert [states[key] for key in future] == ["programado"] * 2
    report = completed.report
    assert report["outcome"] == "ok"
    assert report["error"] is None
    assert report["requests"] == 9
    started, finished = (report["transitions"][transition.name] for transition in TRANSITIONS)
    assert (started["done"], finished["done"]) == (3, 2)
    assert [event["id"] for event in started["events"]] == to_start
    assert all(event["status"] == "en_progreso" and event["attempts"] == 1 for event in started["events"])
    assert 30 <= started["max_lag_seconds"] < 60
    assert 90 <= finished["max_lag_seconds"] < 120


@pytest.mark.parametrize("transition", TRANSITIONS, ids=lambda transition: transition.name)
def test_each_command_touches_only_its_list(backend: ReferenceBackend, transition: Transition) -> None:
    """`start` y `finish` hacen cada uno lo suyo y ni miran la otra lista."""
    backend.add_events(due_start=1, due_finish=1)

    completed = run_inside(transition.name, "--json", **config(backend))

    assert completed.code == 0
    assert list(completed.report["transitions"]) == [transition.name]
    assert {request.path.rstrip("/").rpartition("/")[2] for request in backend.requests()} == {
        transition.name,
        f"pending-{transition.name}",
    }
    assert len(moves(backend)) == 1


def test_a_quiet_pass_costs_two_requests(backend: ReferenceBackend) -> None:
    """Sin nada pendiente se hacen dos peticiones y se dice que no hay nada."""
    completed = run_inside("run-once", **config(backend))

    assert completed.code == 0
    assert [request.method for request in backend.requests()] == ["GET", "GET"]
    assert "INFO - No hay eventos pendientes de inicio" in completed.messages
    assert "INFO - No hay eventos pendientes de finalización" in completed.messages


def test_a_broken_event_fails_alone(backend: ReferenceBackend) -> None:
    """Un evento que siempre contesta 400 falla solo; los demás pasan."""
    broken = backend.add_events(broken_start=1)
    backend.add_events(due_start=20)

    completed = run_inside("start", "--json", **config(backend))

    assert completed.code == 1
    part = part_of(completed)
    assert (part["pending"], part["done"], part["failed"], part["rounds"]) == (21, 20, 1, 4)
    (failed,) = (event for event in part["events"] if event["result"] == "failed")
    assert failed["id"] == broken[0]
    assert failed["attempts"] == 4
    assert failed["error"]
    assert len(posts(backend)) == 24


@pytest.mark.slow
@pytest.mark.postgres
def test_two_hundred_events_on_postgres(postgres_backend: ReferenceBackend) -> None:
    """Doscientos eventos debidos, sobre PostgreSQL, se mueven en una sola pasada."""
    postgres_backend.add_events(due_start=120, due_finish=80)

    completed = run_inside("run-once", "--json", **config(postgres_backend))

    assert completed.code == 0
    assert (part_of(completed)["done"], part_of(completed, FINISH)["done"]) == (120, 80)
    assert completed.report["requests"] == 204
    assert len(moves(postgres_backend)) == 200


@pytest.mark.slow
@pytest.mark.postgres
def test_one_broken_among_two_hundred_on_postgres(postgres_backend: ReferenceBackend) -> None:
    """De doscientos, el roto falla y 199 pasan."""
    postgres_backend.add_events(due_start=199, broken_start=1)

    completed = run_inside("run-once", "--json", **config(postgres_backend))

    assert completed.code == 1
    assert (part_of(completed)["done"], part_of(completed)["failed"]) == (199, 1)
    assert len(moves(postgres_backend)) == 199


def test_a_lost_answer_leads_to_no_second_post(backend: ReferenceBackend) -> None:
    """Si la respuesta se pierde después de aplicarse el cambio, no se vuelve a pedir."""
    backend.add_events(due_start=5)

    def lose_one(request: Request) -> Fault | None:
        return Fault.CUT_AFTER_APPLYING if request.method == "POST" and proxy.count("POST") == 2 else None

    with FaultyServer(lose_one, backend.url) as proxy:
        completed = run_inside("start", "--json", **config(backend, proxy.url, MAX_CONCURRENCY=1))

    assert completed.code == 0
    part = part_of(completed)
    assert (part["done"], part["already_done"], part["rounds"]) == (4, 1, 2)
    assert len(posts(backend)) == len(set(posts(backend))) == 5
    assert len(moves(backend)) == 5


def test_a_failing_list_is_read_again(backend: ReferenceBackend) -> None:
    """Una lista que falla dos veces se lee a la tercera, sin que nadie tenga que enterarse."""
    backend.add_events(due_start=1)

    def fail_twice(request: Request) -> Any:
        return answer(503) if request.path == START.list_path and request.nth <= 2 else None

    with FaultyServer(fail_twice, backend.url) as proxy:
        completed = run_inside("start", "-q", **config(backend, proxy.url))

    assert (completed.code, completed.stdout, completed.stderr) == (0, "", "")
    assert len(moves(backend)) == 1


@pytest.mark.slow
def test_a_refusing_backend_is_unavailable() -> None:
    """Sin nadie que escuche se insiste hasta el límite de la pasada: 69 y una frase que dice qué pasa y qué mirar."""
    with FaultyServer() as gone:
        url = gone.url

    completed = run_inside("run-once", "--json", BACKEND_URL=url, PASS_TIMEOUT=4)

    assert completed.code == 69
    assert completed.report["outcome"] == "unavailable"
    assert completed.report["duration_seconds"] > 2
    assert 4 <= completed.report["requests"] == sum(part["rounds"] for part in completed.report["transitions"].values())
    assert "conexión rehusada" in completed.report["error"]
    assert f"Compruebe que el backend ({url}) está en marcha" in completed.stderr.splitlines()[-1]


@pytest.mark.slow
def test_a_dead_backend_is_not_hammered(backend: ReferenceBackend) -> None:
    """Diez fallos de red seguidos acaban la ronda: no se gasta un intento en cada evento."""
    backend.add_events(due_start=100)

    def cut_posts(request: Request) -> Fault | None:
        return Fault.CUT if request.method == "POST" else None

    with FaultyServer(cut_posts, backend.url) as proxy:
        completed = run_inside("start", "--json", **config(backend, proxy.url, MAX_CONCURRENCY=4, PASS_TIMEOUT=5))

    assert completed.code == 75
    part = part_of(completed)
    assert 10 < proxy.count("POST") <= part["rounds"] * (10 + 3)
    assert part["failed"] > 0
    assert part["skipped"] > 0
    assert moves(backend) == []


@pytest.mark.slow
def test_a_list_that_never_shrinks_ends() -> None:
    """Si el backend dice que sí a todo y la lista no mengua, a cada evento se le pide una vez por ronda y falla: 1."""
    with FaultyServer(lambda request: listing(*range(30)) if request.method == "GET" else YES) as server:
        completed = endure(server)

    assert completed.code == 1
    assert set(results(completed).values()) == {"failed"}
    assert (server.count("GET"), server.count("POST")) == (2 * 4, 4 * 30)


@pytest.mark.slow
def test_a_list_that_grows_forever_ends() -> None:
    """Una lista que crece siempre acaba con la pasada; a uno que no se deja, cuatro veces; a otros, una."""
    asked = {0}

    def rule(request: Request) -> Reaction:
        if request.method == "GET":
            return listing(0, *(set(range(request.nth * 10)) - asked))
        asked.add(int(request.path.split("/")[-3]))
        return answer(400) if request.path == START.action_path(0) else YES

    with FaultyServer(rule) as server:
        completed = endure(server)

    part = completed.report["transitions"]["start"]
    assert completed.code in {1, 75}
    assert part["failed"] == 1
    assert server.count("POST") == part["done"] + 4
