"""Ponerse al día: lo que al empezar ya tenía que haber acabado."""

import threading
import time

import pytest

from estado_eventos.domain.transitions import FINISH, START
from tests.support.faults import FaultyServer
from tests.support.inside import run_inside
from tests.support.passes import config, part_of, results
from tests.support.reactions import YES, Fault, Reaction, Request, answer, listing
from tests.support.reference.server import ReferenceBackend


def test_what_starting_makes_due_is_finished_in_the_same_pass(backend: ReferenceBackend) -> None:
    """Tras un parón, lo que empezó y acabó entretanto queda completado en una pasada; un examen en curso sigue."""
    over = backend.add_events(due_both=3)
    (running,) = backend.add_events(due_start=1)
    (ending,) = backend.add_events(due_finish=1)

    completed = run_inside("run-once", "--json", **config(backend))

    states = backend.states()
    assert completed.code == 0
    assert [states[event] for event in over] == ["completado"] * 3
    assert (states[running], states[ending]) == ("en_progreso", "completado")
    assert (part_of(completed, START)["done"], part_of(completed, FINISH)["done"]) == (4, 4)
    for event in over:
        assert [change.after for change in backend.history() if change.event_id == event] == [
            START.target_status,
            FINISH.target_status,
        ]


def test_start_alone_finishes_nothing(backend: ReferenceBackend) -> None:
    """`start` empieza lo atrasado y no acaba nada."""
    over = backend.add_events(due_both=2)

    completed = run_inside("start", "--json", **config(backend))

    assert completed.code == 0
    assert [backend.states()[event] for event in over] == ["en_progreso"] * 2
    assert not [request for request in backend.requests() if request.path.endswith(FINISH.list_path)]


def test_a_start_whose_answer_is_lost_is_caught_up_too(backend: ReferenceBackend) -> None:
    """También si la respuesta a un inicio se perdió y es la lista la que lo da por hecho."""
    backend.add_events(due_both=1)

    def lose_the_start(request: Request) -> Fault | None:
        return Fault.CUT_AFTER_APPLYING if request.path.endswith(f"/{START.name}/") else None

    with FaultyServer(lose_the_start, backend.url) as proxy:
        completed = run_inside("run-once", "--json", **config(backend, proxy.url))

    assert completed.code == 0
    assert list(backend.states().values()) == ["completado"]
    assert part_of(completed, START)["already_done"] == 1


class LateStart:
    """Un inicio al que se contesta cuando se ha leído dos veces la lista de fin, que contesta lo que se diga.

    Al evento de fin se le pide esperar más de lo que dura la pasada.
    """

    def __init__(self, *lists: Reaction) -> None:
        """Aún no se ha leído ninguna; `asked` dirá a qué horas se leyó la de fin."""
        self.asked: list[float] = []
        self._lists = lists
        self._may_start = threading.Event()

    def __call__(self, request: Request) -> Reaction:
        """Contesta."""
        if request.path == START.list_path:
            return listing() if self._may_start.is_set() else listing(1)
        if request.path == START.action_path(1):
            self._may_start.wait(60)
            return YES
        if request.method == "POST":
            return answer(503, Retry_After="1000")
        self.asked.append(time.monotonic())
        if len(self.asked) == 2:
            self._may_start.set()
        return self._lists[len(self.asked) - 1]


def test_what_failed_and_is_no_longer_shown_did_not_fail() -> None:
    """Si tras darse por fallido, la última lista ya no lo enseña, lo hizo otro: cuenta como hecho."""
    with FaultyServer(LateStart(listing(7), listing(7), listing())) as server:
        completed = run_inside("run-once", "--json", BACKEND_URL=server.url, PASS_TIMEOUT=20)

    assert (completed.code, results(completed, FINISH)) == (0, {"7": "already_done"})


@pytest.mark.slow
def test_what_a_list_asks_to_wait_is_waited_for_before_looking_again() -> None:
    """Que un inicio acabe no hace leer la lista antes de lo que ella pidió."""
    rule = LateStart(listing(7), answer(429, Retry_After="4"), listing())
    with FaultyServer(rule) as server:
        completed = run_inside("run-once", "--json", BACKEND_URL=server.url, PASS_TIMEOUT=20)

    assert (completed.code, results(completed, FINISH)) == (0, {"7": "already_done"})
    assert rule.asked[2] - rule.asked[1] >= 4
