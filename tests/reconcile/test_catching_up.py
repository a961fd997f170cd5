"""Ponerse al día: lo que al empezar ya tenía que haber acabado."""

from estado_eventos.domain.transitions import FINISH, START
from tests.support.faults import FaultyServer
from tests.support.inside import run_inside
from tests.support.passes import config, part_of
from tests.support.reactions import Fault, Request
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
