"""Una máquina de repuesto: solo hace lo que la principal dejó sin hacer."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.faults import FaultyServer
from tests.support.inside import run_inside
from tests.support.obliging import Obliging
from tests.support.passes import config, moved_once, moves, part_of
from tests.support.program import start, wait
from tests.support.reactions import answer
from tests.support.reference.server import ReferenceBackend

SPARE: dict[str, Any] = {"STANDBY_SECONDS": 20, "SCHEDULER_INTERVAL_SECONDS": 30}


def test_in_good_times_the_spare_changes_nothing(backend: ReferenceBackend) -> None:
    """Lo que aún no llega tan tarde es de la principal: la de repuesto ni lo cuenta ni lo pide."""
    backend.add_events(due_start=2, due_finish=2, offset=-5)

    completed = run_inside("run-once", "--json", **config(backend, **SPARE))

    assert completed.code == 0
    assert completed.report["standby_seconds"] == 20
    assert [part["pending"] for part in completed.report["transitions"].values()] == [0, 0]
    assert moves(backend) == []
    assert "WARNING" not in completed.stderr


def test_when_the_main_one_dies_the_spare_does_its_work(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Lo que ya llega tarde lo hace la de repuesto, con un WARNING y su métrica; lo reciente lo deja."""
    late = backend.add_events(due_start=2, offset=-25)
    backend.add_events(due_start=1, offset=-5)

    completed = run_inside("run-once", "--json", **config(backend, **SPARE, METRICS_FILE=tmp_path / "estado.prom"))

    assert completed.code == 0
    assert moved_once(backend, late)
    assert (
        "WARNING - Esta máquina es la de repuesto y ha iniciado 2 evento(s): la principal no lo hizo. Mire qué le pasa"
        in (completed.messages)
    )


def test_a_date_that_nobody_understands_is_for_the_main_one() -> None:
    """Sin fecha no se sabe si llega tarde: no se toca."""
    with FaultyServer(lambda _: answer(200, '[{"id": 7}, {"id": 8, "start_date": "ayer"}]')) as server:
        completed = run_inside("start", "--json", BACKEND_URL=server.url, **SPARE)

    assert completed.code == 0
    assert server.count("POST") == 0


def test_a_named_event_is_done_however_late() -> None:
    """A quien nombra un evento no se le dice que es de la principal."""
    with FaultyServer(Obliging([{"id": 7}])) as server:
        completed = run_inside("start", "--event", "7", "--json", BACKEND_URL=server.url, **SPARE)

    assert part_of(completed)["done"] == 1


@pytest.mark.slow
def test_a_slow_main_one_and_its_spare_move_each_event_once(backend: ReferenceBackend) -> None:
    """La principal, lenta, o que vuelve en mal momento, y la de repuesto a la vez: cada evento se mueve una vez."""
    backend.configure(latency_ms=50)
    ids = backend.add_events(due_start=60, offset=-40)
    # En otra máquina no se compite por el turno: aquí, por llamar al backend de otra manera.
    other = backend.url.replace("127.0.0.1", "localhost")
    main = start("run-once", "--json", env=config(backend, MAX_CONCURRENCY=2))
    spare = start("run-once", "--json", env=config(backend, **SPARE) | {"BACKEND_URL": other})
    first, second = wait(main), wait(spare)

    assert (first.code, second.code) == (0, 0)
    assert moved_once(backend, ids)
