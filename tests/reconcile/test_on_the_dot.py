"""A su hora, según el reloj del backend, con el programa y el backend de verdad."""

import signal
import time
from pathlib import Path

import pytest

from estado_eventos.domain.transitions import START, TRANSITIONS
from estado_eventos.reconcile.plan import Plan
from tests.support.clocks import Clock
from tests.support.faults import FaultyServer
from tests.support.inside import account
from tests.support.passes import config, part_of
from tests.support.program import run, start, wait
from tests.support.reactions import answer
from tests.support.reference.server import ReferenceBackend

TICK = 1_893_448_800
"""2030-01-01T10:00:00Z: el tic al que sirven las pasadas de estas pruebas."""


def until_tick(seconds: float) -> float:
    """Cuánto hay que adelantar un reloj para que al tic le falten esos segundos."""
    return TICK - seconds - time.time()


@pytest.mark.slow
@pytest.mark.parametrize("offset", [0, -0.4, 1, -2, -5])
def test_what_is_due_on_the_tick_is_moved_by_its_pass(
    backend: ReferenceBackend, clock: Clock, tmp_path: Path, offset: float
) -> None:
    """Lo que vence en el tic lo mueve la pasada de ese tic, vaya el reloj del backend atrasado o adelantado.

    Con el inicio de sesión por el camino, y sin leer la lista más que dos veces de más y la última.
    """
    ahead = until_tick(1.5)
    backend.configure(clock_offset_seconds=ahead + offset)
    (event,) = backend.add_events(due_start=1, at=TICK)
    env = account(backend, TOKEN_CACHE_FILE=tmp_path / "token") | clock(f"{ahead:+.3f}")

    completed = run("run-once", "--json", env=env)

    assert completed.code == 0
    assert backend.states()[event] == "en_progreso"
    assert sum(request.path.endswith(START.list_path) for request in backend.requests()) <= 4
    assert completed.report["clock_offset_seconds"] == pytest.approx(offset, abs=0.7)
    (change,) = backend.history()
    assert change.at >= change.visible_from


def test_nothing_is_asked_before_the_tick(backend: ReferenceBackend, clock: Clock) -> None:
    """Con los relojes en hora, cada lista se pide cuando el nuestro ya dio el tic, y solo una vez."""
    ahead = until_tick(1.9)
    backend.configure(clock_offset_seconds=ahead)
    env = config(backend, SCHEDULER_INTERVAL_SECONDS=60) | clock(f"{ahead:+.3f}")

    completed = run("run-once", "--json", env=env)

    asked = [request.arrived_at + ahead for request in backend.requests()]
    assert completed.code == 0
    assert min(asked) >= TICK
    assert completed.report["requests"] == len(asked)


def test_by_hand_nobody_waits() -> None:
    """Quien solo mira, ensaya o nombra un evento no espera al tic."""
    assert Plan("run-once", TRANSITIONS).waits_for_tick
    assert not Plan("pending", TRANSITIONS, dry_run=True).waits_for_tick
    assert not Plan("start", (START,), frozenset({"7"})).waits_for_tick


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_hold_and_nothing_was_asked(clock: Clock, number: signal.Signals) -> None:
    """Una señal mientras se espera al tic acaba la pasada: 75, sin haber pedido nada."""
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        env = {"BACKEND_URL": server.url} | clock(f"{until_tick(1.9):+.3f} x0.02")
        process = start("run-once", "--json", env=env)
        while not server.connections:
            assert process.poll() is None
        process.send_signal(number)
        completed = wait(process)

    assert completed.code == 75
    assert server.requests == []
    assert completed.report["requests"] == 0
    assert number.name in completed.report["error"]


def test_a_clock_too_far_behind_is_one_warning(backend: ReferenceBackend, clock: Clock) -> None:
    """A un backend atrasado más de un tercio del intervalo no se le espera: un WARNING, y lo que enseña se hace."""
    ahead = until_tick(0.5)
    backend.configure(clock_offset_seconds=ahead - 40)
    backend.add_events(due_start=1, at=TICK - 50)
    env = config(backend, SCHEDULER_INTERVAL_SECONDS=60) | clock(f"{ahead:+.3f}")

    completed = run("run-once", "--json", env=env)

    assert completed.code == 0
    assert part_of(completed)["done"] == 1
    warnings = [line for line in completed.messages if line.startswith("WARNING")]
    assert len(warnings) == 1
    assert "El reloj del backend va 40 s atrasado" in warnings[0]
    assert completed.report["duration_seconds"] < 20
