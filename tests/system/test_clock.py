"""Relojes que saltan a media pasada."""

import time
from pathlib import Path

import pytest

from tests.support.clocks import Clock
from tests.support.faults import FaultyServer
from tests.support.inside import account
from tests.support.passes import moved_once
from tests.support.program import run, start, wait
from tests.support.reactions import Fault
from tests.support.reference.server import ReferenceBackend

JUMPS = ["-7200", "+100d"]


@pytest.mark.slow
@pytest.mark.parametrize("jump", JUMPS)
def test_a_clock_that_jumps_in_mid_pass_costs_no_event(
    backend: ReferenceBackend, tmp_path: Path, clock: Clock, jump: str
) -> None:
    """Si el reloj salta a media pasada, ni se corta ni se alarga: 0, cada evento movido una vez, y dura lo que dura."""
    backend.configure(latency_ms=50)
    ids = backend.add_events(due_start=40)
    env = {
        **account(backend),
        "TOKEN_CACHE_FILE": tmp_path / "token",
        "METRICS_FILE": tmp_path / "estado.prom",
        "MAX_CONCURRENCY": 2,
    }
    before = time.monotonic()
    process = start("start", "--json", env=env | clock("+0"))
    while not backend.history():
        assert process.poll() is None
    clock(jump)
    completed = wait(process)
    elapsed = time.monotonic() - before
    next_minute = run("start", "--json", env=env | clock(jump))

    assert (completed.code, next_minute.code) == (0, 0)
    assert moved_once(backend, ids)
    assert 0 < completed.report["duration_seconds"] <= elapsed
    assert sum(request.path == "/auth/login/" for request in backend.requests()) <= 3


@pytest.mark.slow
@pytest.mark.parametrize("jump", JUMPS)
def test_the_deadline_does_not_look_at_the_clock(clock: Clock, jump: str) -> None:
    """El límite va por el reloj monótono: con un servidor mudo, 69 a su hora aunque salte el de pared."""
    with FaultyServer(lambda _: Fault.STALL) as server:
        process = start("start", "--json", env={"BACKEND_URL": server.url, "PASS_TIMEOUT": 8} | clock("+0"))
        while not server.requests:
            assert process.poll() is None
        clock(jump)
        completed = wait(process)

    assert completed.code == 69
    assert 8 <= completed.report["duration_seconds"] < 20
