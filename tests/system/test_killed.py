"""Pasadas muertas con SIGKILL en cualquier momento."""

import json
import os
import random
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from tests.support.faults import FaultyServer
from tests.support.forked import ForkServer, Running
from tests.support.inside import account
from tests.support.passes import LONG, changes, total
from tests.support.program import start
from tests.support.reactions import Fault, Reaction, Request, Spoiled
from tests.support.reference.server import ReferenceBackend

pytestmark = pytest.mark.timeout(LONG)

HOWS = ("sin leerla", "antes de aplicarla", "sin contestar, ya aplicada")


def _killed_by_request(
    forks: ForkServer, backend: ReferenceBackend, env: dict[str, object], dice: random.Random
) -> int:
    """Muere en su petición número tantos, sin que nadie la lea, antes de que se aplique o ya aplicada."""
    number, how = dice.randint(1, 9), dice.choice(HOWS)
    victim: Future[Running] = Future()
    lock = threading.Lock()
    seen = 0

    def deadly(_: Request) -> Reaction:
        nonlocal seen
        with lock:
            seen += 1
            last = seen == number
        if not last:
            return None
        kill = victim.result().kill
        if how == HOWS[2]:
            return Spoiled(lambda data: (kill(), data)[1])
        kill()
        return Fault.CUT if how == HOWS[0] else Fault.CUT_AFTER_APPLYING

    with FaultyServer(deadly, backend.url) as server:
        running = forks.start("run-once", env=env | {"BACKEND_URL": server.url, "AUTH_URL": server.url})
        victim.set_result(running)
        return running.wait().code


def _killed_by_effort(env: dict[str, object], dice: random.Random) -> int:
    """Muere cuando ha gastado tantas centésimas de CPU: arrancando o en lo primero que hace."""
    ticks = dice.randrange(25)
    with start("run-once", env=env) as process:
        while process.poll() is None and _ticks(process.pid) < ticks:
            time.sleep(0.003)
        process.kill()
        process.communicate()
    return process.returncode


def _ticks(pid: int) -> int:
    """La CPU gastada por un proceso (proc(5)); sin límite, si ya no está."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return os.sysconf("SC_CLK_TCK") * LONG
    return int(fields[11]) + int(fields[12])


@pytest.mark.parametrize(("seed", "times"), [(4, 3), pytest.param(0, 25, marks=pytest.mark.slow)])
def test_killed_again_and_again_nothing_moves_twice(
    backend: ReferenceBackend, forks: ForkServer, tmp_path: Path, seed: int, times: int
) -> None:
    """Muerta con SIGKILL en 25 momentos, una pasada limpia acaba lo que falta y no repite nada."""
    dice = random.Random(seed)  # noqa: S311  Siempre los mismos momentos.
    files = {"TOKEN_CACHE_FILE": "token", "METRICS_FILE": "m.prom", "REPORT_FILE": "r.json"}
    env: dict[str, object] = {name: tmp_path / file for name, file in files.items()}
    env |= account(backend, PASS_TIMEOUT=LONG, SCHEDULER_INTERVAL_SECONDS=3600)
    ids: list[int | str] = []
    deaths = 0
    while deaths < times:
        ids += backend.add_events(due_start=3) + backend.add_events(due_finish=3)
        code = _killed_by_effort(env, dice) if deaths % 4 == 0 else _killed_by_request(forks, backend, env, dice)
        assert code in {-9, 0}
        deaths += code == -9
        for name in ("token", "r.json"):
            path = tmp_path / name
            assert not path.exists() or json.loads(path.read_text())

    completed = forks.run("run-once", "--json", env=env)

    assert completed.code == 0
    assert total([completed], "skipped") == 0
    moved = changes(backend)
    assert sorted(event_id for event_id, _, _ in moved) == sorted(ids)
    assert set(moved.values()) == {1}
    assert total([forks.run("pending", "--json", env=env)], "pending") == 0
