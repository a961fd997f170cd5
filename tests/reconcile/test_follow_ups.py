"""Lo que sigue a un evento finalizado: el aviso al backend, al menos una vez."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from estado_eventos.domain.transitions import FINISH
from tests.support.faults import FaultyServer
from tests.support.inside import run_inside
from tests.support.passes import config, part_of
from tests.support.program import Completed, start, wait
from tests.support.reactions import Fault, Reaction, Request, Spoiled, answer
from tests.support.reference.server import ReferenceBackend

PATH = "/analysis/process-event-completion/"
DAY = 86400


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Donde se apunta lo que se debe."""
    return tmp_path / "avisos"


@pytest.fixture
def settings(notes: Path) -> dict[str, Any]:
    """Las variables con que se avisa."""
    return {"FINISH_FOLLOW_UP": PATH, "FOLLOW_UP_DIRECTORY": notes}


def told(backend: ReferenceBackend) -> Counter[Any]:
    """Cuántas veces se avisó de cada evento."""
    return Counter(call.event_id for call in backend.follow_ups())


def follow_ups(completed: Completed) -> dict[str, int]:
    """Lo que dice el informe de los avisos."""
    counts: dict[str, int] = part_of(completed, FINISH)["follow_ups"]
    return counts


def owed(notes: Path) -> list[str]:
    """Lo que hay apuntado."""
    return sorted(path.name for path in notes.iterdir())


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

    rehearsed = run_inside("finish", "--dry-run", "--json", **config(backend, FINISH_FOLLOW_UP=PATH))
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


@pytest.mark.slow
def test_what_fails_for_two_passes_is_told_in_the_third(
    backend: ReferenceBackend, settings: dict[str, Any], notes: Path
) -> None:
    """Un 500 se repite en la pasada y en las siguientes; nadie más finaliza nada, y al final se avisa: siempre 0."""
    ids = backend.add_events(due_finish=2, participants=1)
    backend.configure(follow_up_status=500)
    env = config(backend, **settings, PASS_TIMEOUT=5)

    ill = [run_inside("finish", "--json", **env) for _ in range(2)]
    backend.configure(follow_up_status=0)
    well = run_inside("finish", "--json", **env)

    assert [completed.code for completed in (*ill, well)] == [0, 0, 0]
    assert [follow_ups(completed)["owed"] for completed in (*ill, well)] == [2, 2, 0]
    assert "Queda por avisar de 2 evento(s) finalizado(s)" in ill[0].stderr
    assert {call.event_id for call in backend.follow_ups() if call.status == 202} == set(ids)
    assert owed(notes) == []


@pytest.mark.slow
def test_killed_between_the_finish_and_the_call_the_next_pass_tells(
    backend: ReferenceBackend, settings: dict[str, Any], notes: Path
) -> None:
    """SIGKILL entre finalizar y avisar: lo apuntado sigue ahí, y avisa la pasada siguiente."""
    ids = backend.add_events(due_finish=2, participants=1)
    backend.configure(follow_up_delay_ms=60_000)
    process = start("finish", env=config(backend, **settings))
    while len(backend.history()) < 2 or not backend.follow_ups():
        assert process.poll() is None
    process.kill()
    wait(process)
    assert owed(notes) == sorted(map(str, ids))
    backend.configure(follow_up_delay_ms=0)
    before = len(backend.follow_ups())

    completed = run_inside("finish", "--json", **config(backend, **settings))

    assert {call.event_id for call in backend.follow_ups()[before:]} == set(ids)
    assert follow_ups(completed) == {"owed": 0, "told": 2, "given_up": 0}
    assert owed(notes) == []


@pytest.mark.parametrize("status", [404, 400])
def test_nothing_to_analyse_is_settled_with_a_warning(
    backend: ReferenceBackend, settings: dict[str, Any], notes: Path, status: int
) -> None:
    """404 y 400 son que no hay nada que analizar: hecho, con un WARNING."""
    (event,) = backend.add_events(due_finish=1, participants=0 if status == 404 else 1)
    backend.configure(follow_up_status=0 if status == 404 else status)

    completed = run_inside("finish", "--json", **config(backend, **settings))

    assert completed.code == 0
    assert follow_ups(completed) == {"owed": 0, "told": 1, "given_up": 0}
    assert f"WARNING - El backend no tiene nada que hacer tras finalizar el evento {event}: HTTP {status}" in (
        completed.stderr
    )
    assert owed(notes) == []


@pytest.mark.slow
def test_a_call_that_hangs_delays_no_event_and_not_the_deadline(
    backend: ReferenceBackend, settings: dict[str, Any], notes: Path
) -> None:
    """Un aviso que no contesta no retrasa ningún evento ni el límite, y se debe; la pasada es un 0."""
    backend.add_events(due_finish=2, due_start=2, participants=1)
    backend.configure(follow_up_delay_ms=60_000)

    completed = run_inside("run-once", "--json", **config(backend, **settings, PASS_TIMEOUT=5))

    assert completed.code == 0
    assert len(backend.history()) == 4
    assert follow_ups(completed)["owed"] == 2
    assert len(owed(notes)) == 2
    assert completed.report["duration_seconds"] < 20


def _unwritable(tmp_path: Path) -> Iterator[Path]:
    """Sitios donde no se puede apuntar nada."""
    (tmp_path / "archivo").write_text("")
    yield tmp_path / "archivo"
    yield tmp_path / "falta" / "avisos"
    (tmp_path / "colgado").symlink_to("/nonexistent")
    yield tmp_path / "colgado"


def test_a_directory_that_cannot_be_used_is_one_warning(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Si no se puede apuntar, un WARNING con la variable; la pasada sigue y se avisa igual."""
    for directory in _unwritable(tmp_path):
        backend.add_events(due_finish=2, participants=1)
        before = len(backend.follow_ups())

        completed = run_inside(
            "finish", "--json", **config(backend, FINISH_FOLLOW_UP=PATH, FOLLOW_UP_DIRECTORY=directory)
        )

        assert completed.code == 0
        assert len(backend.follow_ups()) - before == 2
        assert completed.stderr.count("WARNING - FOLLOW_UP_DIRECTORY") == 1


@pytest.mark.slow
def test_after_a_day_it_is_given_up_with_an_error(
    backend: ReferenceBackend, settings: dict[str, Any], notes: Path
) -> None:
    """Lo que un día después no se ha podido avisar se deja, con un ERROR que dice cómo hacerlo a mano."""
    notes.mkdir()
    (notes / "77").touch()
    (notes / "78").touch()
    old = time.time() - DAY - 60
    os.utime(notes / "77", (old, old))
    backend.configure(follow_up_status=503)

    completed = run_inside("finish", "--json", **config(backend, **settings, PASS_TIMEOUT=5))

    assert completed.code == 0
    assert follow_ups(completed) == {"owed": 1, "told": 0, "given_up": 1}
    assert f"Avise a mano con POST {PATH}" in completed.stderr
    assert " - ERROR - Hace más de un día que no se puede avisar de que el evento 77" in completed.stderr
    assert owed(notes) == ["78"]


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
