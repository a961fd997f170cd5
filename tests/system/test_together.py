"""Varias pasadas a la vez, y pasadas que alcanzan a la siguiente."""

import threading
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

import pytest

from estado_eventos.domain.transitions import START
from tests.support.faults import FaultyServer
from tests.support.passes import LONG, changes, config, total
from tests.support.program import start, wait
from tests.support.reactions import Request, Spoiled
from tests.support.reference.server import ReferenceBackend


def unhurried(backend: ReferenceBackend, url: str | None = None, **variables: object) -> dict[str, object]:
    """La configuración de una pasada con tiempo de sobra."""
    return config(backend, url, **{"PASS_TIMEOUT": LONG, "SCHEDULER_INTERVAL_SECONDS": 3600, **variables})


pytestmark = pytest.mark.timeout(LONG)

SPELLINGS = ("127.0.0.1", "127.1", "127.0.1", "0x7f.1", "2130706433", "017700000001", "localhost", "0.0.0.0")  # noqa: S104
"""El mismo servidor escrito de ocho maneras: quienes las usan no comparten el turno, como si fueran ocho máquinas."""


@pytest.mark.slow
@pytest.mark.postgres
def test_eight_at_once_on_one_machine(postgres_backend: ReferenceBackend) -> None:
    """Ocho pasadas a la vez en una máquina, con 2.000 eventos: cada uno se mueve una vez y todas acaban con 0."""
    ids = postgres_backend.add_events(due_start=1200, due_finish=800)

    rivals = [start("run-once", "--json", "--quiet", env=unhurried(postgres_backend)) for _ in range(8)]
    completed = [wait(rival, LONG) for rival in rivals]

    assert [rival.code for rival in completed] == [0] * 8
    moved = changes(postgres_backend)
    assert sorted(event_id for event_id, _, _ in moved) == sorted(ids)
    assert set(moved.values()) == {1}
    assert (total(completed, "done"), total(completed, "already_done")) == (2000, 0)
    assert sum(request.method == "POST" for request in postgres_backend.requests()) == 2000


@pytest.mark.slow
@pytest.mark.postgres
def test_eight_at_once_on_eight_machines(postgres_backend: ReferenceBackend) -> None:
    """Ocho pasadas que no comparten el turno, con 400 eventos: todos acaban movidos, ninguno retrocede, todas dan 0.

    El backend no tiene cerrojo: aplica dos veces lo que dos le piden en el mismo instante. Lo que contesta al que llega
    después (400) no es un fallo: la lista dice que ya está.
    """
    ids = postgres_backend.add_events(due_start=240, due_finish=160)
    there = urlsplit(postgres_backend.url)
    urls = [f"http://{host}:{there.port}{there.path}" for host in SPELLINGS]

    rivals = [start("run-once", "--json", "--quiet", env=unhurried(postgres_backend, url)) for url in urls]
    completed = [wait(rival, LONG) for rival in rivals]

    assert [rival.code for rival in completed] == [0] * 8
    assert [rival.stderr for rival in completed] == [""] * 8
    moved = changes(postgres_backend)
    assert sorted(event_id for event_id, before, after in moved if before != after) == sorted(ids)
    assert total(completed, "done") >= 400
    assert total(completed, "already_done") > 0
    assert total(completed, "failed") == total(completed, "skipped") == 0


def _first_line(stream: Any, words: str) -> None:
    """Espera a que el programa diga eso por su registro."""
    for line in stream:
        if words in line:
            return
    raise AssertionError(f"acabó sin decir «{words}»")


@pytest.mark.slow
def test_the_next_pass_waits_and_does_what_is_left(backend: ReferenceBackend) -> None:
    """Si una pasada alcanza a la siguiente, esta espera su turno y hace lo nuevo: 0 las dos, nada dos veces."""
    ids = backend.add_events(due_start=5)
    reached, go_on = threading.Event(), threading.Event()

    def hold(data: bytes) -> bytes:
        reached.set()
        go_on.wait(LONG)
        return data

    def slow_last_look(request: Request) -> Spoiled | None:
        return Spoiled(hold) if request.path == START.list_path and request.nth == 2 else None

    with FaultyServer(slow_last_look, backend.url) as server:
        env = unhurried(backend, server.url, MAX_CONCURRENCY=1)
        late = start("start", "--json", env=env)
        assert reached.wait(30)
        ids += backend.add_events(due_start=3)
        following = start("start", "--json", env=env)
        _first_line(following.stderr, "Otra pasada está en marcha")
        asked = server.count("GET")
        go_on.set()
        completed = [wait(late), wait(following)]

    assert [one.code for one in completed] == [0, 0]
    assert asked == 2
    assert [total([one], "done") for one in completed] == [5, 3]
    assert changes(backend) == Counter((event_id, "programado", "en_progreso") for event_id in ids)


@pytest.mark.slow
def test_a_pass_cut_by_its_deadline_leaves_nothing_in_the_air(backend: ReferenceBackend) -> None:
    """Una pasada a la que se le acaba el tiempo, con otra esperando: 75, la otra hace el resto, nada dos veces."""
    backend.configure(race_ms=300)
    ids = backend.add_events(due_start=100)

    late = start("start", "--json", env=unhurried(backend, PASS_TIMEOUT=20, MAX_CONCURRENCY=1))
    _first_line(late.stderr, "Se encontraron 100")
    following = start("start", "--json", env=unhurried(backend, MAX_CONCURRENCY=16))
    _first_line(following.stderr, "Otra pasada está en marcha")
    first, second = wait(late), wait(following)

    assert (first.code, second.code) == (75, 0)
    assert "se acabó el tiempo de la pasada (20 s)" in first.report["error"]
    assert total([first], "done") + total([second], "done") == 100
    assert total([first], "skipped") == total([second], "done") > 0
    assert changes(backend) == Counter((event_id, "programado", "en_progreso") for event_id in ids)
