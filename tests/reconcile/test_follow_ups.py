"""Lo que sigue a un evento finalizado: de cuáles se avisa al backend, y de cuáles no."""

from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from estado_eventos.domain.transitions import FINISH
from tests.support.faults import FaultyServer
from tests.support.follow_ups import follow_ups, owed, told
from tests.support.inside import run_inside
from tests.support.passes import config, part_of
from tests.support.reactions import Fault, Reaction, Request, Spoiled, answer
from tests.support.reference.contract import FOLLOW_UP
from tests.support.reference.server import ReferenceBackend


def test_each_finished_event_is_told_once(backend: ReferenceBackend, settings: dict[str, Any], notes: Path) -> None:
    """En un buen día, un aviso por evento finalizado, después de moverlo todo, con el mismo token; y nada se debe."""
    ids = backend.add_events(due_finish=3, participants=2)
    backend.add_events(due_start=2)

    completed = run_inside("run-once", "--json", **config(backend, **settings))

    assert completed.code == 0
    assert told(backend) == Counter(ids)
    assert {call.status for call in backend.follow_ups()} == {202}
    assert follow_ups(completed) == {"owed": 0, "told": 3, "given_up": 0}
    assert owed(notes) == []
    assert min(call.at for call in backend.follow_ups()) >= max(change.at for change in backend.history())


def test_without_the_setting_nobody_is_told(backend: ReferenceBackend, notes: Path) -> None:
    """De fábrica no se avisa a nadie, ni el informe habla de ello, ni se apunta nada; en un simulacro, tampoco."""
    backend.add_events(due_finish=1)

    rehearsed = run_inside("finish", "--dry-run", "--json", **config(backend, FINISH_FOLLOW_UP=FOLLOW_UP))
    completed = run_inside("finish", "--json", **config(backend, FOLLOW_UP_DIRECTORY=notes))

    assert (rehearsed.code, completed.code) == (0, 0)
    assert "follow_ups" not in part_of(completed, FINISH)
    assert backend.follow_ups() == []
    assert not notes.exists()


@pytest.mark.parametrize(
    "reaction",
    [Fault.CUT_AFTER_APPLYING, Spoiled(lambda _: answer(200, '{"results": []}').data)],
    ids=["se perdió", "es la de otra petición"],
)
def test_a_finish_whose_answer_was_lost_is_told(
    backend: ReferenceBackend, settings: dict[str, Any], reaction: Reaction
) -> None:
    """Si no llegó su respuesta y la lista dice que está hecho, lo hizo esta pasada: se avisa."""
    ids = backend.add_events(due_finish=1, participants=1)

    def lose(request: Request) -> Reaction:
        return reaction if request.path == FINISH.action_path(ids[0]) else None

    with FaultyServer(lose, backend.url) as proxy:
        completed = run_inside("finish", "--json", **config(backend, proxy.url, **settings))

    assert part_of(completed, FINISH)["already_done"] == 1
    assert told(backend) == Counter(ids)


def test_what_somebody_else_finished_is_not_told_by_us(
    backend: ReferenceBackend, settings: dict[str, Any], notes: Path
) -> None:
    """De lo que finalizó otro avisa el otro: ni se avisa ni queda apuntado."""
    (event,) = backend.add_events(due_finish=1, participants=1)
    headers = {"Authorization": f"Bearer {backend.token()}"}

    def be_late(request: Request) -> Reaction:
        if request.path == FINISH.action_path(event) and request.nth == 1:
            httpx.post(backend.url + request.path, headers=headers).raise_for_status()
        return None

    with FaultyServer(be_late, backend.url) as proxy:
        completed = run_inside("finish", "--json", **config(backend, proxy.url, **settings))

    assert completed.code == 0
    assert part_of(completed, FINISH)["already_done"] == 1
    assert backend.follow_ups() == []
    assert owed(notes) == []


@pytest.mark.slow
def test_a_finish_that_the_backend_makes_after_the_pass_is_told_by_the_next(
    backend: ReferenceBackend, settings: dict[str, Any], notes: Path
) -> None:
    """Un «finish» sin contestar que se hace ya acabada la pasada sigue apuntado, y avisa la siguiente."""
    (event,) = backend.add_events(due_finish=1, participants=1)

    def swallow(request: Request) -> Reaction:
        return Fault.STALL if request.path == FINISH.action_path(event) else None

    with FaultyServer(swallow, backend.url) as proxy:
        limits = {"HTTP_TIMEOUT": 3, "PASS_TIMEOUT": 8}
        first = run_inside("finish", "--json", **config(backend, proxy.url, **settings, **limits))
    kept = owed(notes)
    headers = {"Authorization": f"Bearer {backend.token()}"}
    httpx.post(backend.url + FINISH.action_path(event), headers=headers).raise_for_status()
    second = run_inside("finish", "--json", **config(backend, **settings))

    assert (first.code, part_of(first, FINISH)["failed"]) == (1, 1)
    assert kept == [str(event)]
    assert second.code == 0
    assert told(backend) == Counter([event])


def test_only_what_is_surely_finished_is_told(backend: ReferenceBackend, settings: dict[str, Any], notes: Path) -> None:
    """De lo apuntado por otra pasada que sigue en la lista no se avisa hasta que se finaliza; y sin lista, de nada."""
    (event,) = backend.add_events(due_finish=1, participants=1)
    notes.mkdir()
    (notes / str(event)).touch()
    (notes / "..raro").touch()

    with FaultyServer(lambda _: answer(403)) as server:
        blind = run_inside("finish", "--json", BACKEND_URL=server.url, **settings)
        assert server.count("POST") == 0
    completed = run_inside("finish", "--json", **config(backend, **settings))

    assert follow_ups(blind)["told"] == 0
    assert told(backend) == Counter([event])
    assert follow_ups(completed) == {"owed": 0, "told": 1, "given_up": 0}
    assert owed(notes) == ["..raro"]
