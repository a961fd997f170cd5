"""Un aviso de lo finalizado que sale mal: se repite mientras se debe, y no estorba a la pasada."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.follow_ups import follow_ups, owed
from tests.support.inside import run_inside
from tests.support.passes import config
from tests.support.program import start, wait
from tests.support.reference.contract import FOLLOW_UP
from tests.support.reference.server import ReferenceBackend

DAY = 86400


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
            "finish", "--json", **config(backend, FINISH_FOLLOW_UP=FOLLOW_UP, FOLLOW_UP_DIRECTORY=directory)
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
    assert f"Avise a mano con POST {FOLLOW_UP}" in completed.stderr
    assert " - ERROR - Hace más de un día que no se puede avisar de que el evento 77" in completed.stderr
    assert owed(notes) == ["78"]
