"""El turno entre pasadas simultáneas."""

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
import uuid

import pytest

from estado_eventos.domain.shard import Shard
from estado_eventos.domain.transitions import START, TRANSITIONS
from estado_eventos.reconcile.lock import PassLock
from tests.support.faults import FaultyServer
from tests.support.inside import run_inside
from tests.support.passes import LONG, config, moved_once, moves, part_of
from tests.support.processes import is_full, until
from tests.support.program import Completed, start, wait
from tests.support.reactions import Request
from tests.support.reference.server import ReferenceBackend

_HOLD_FOREVER = """
import asyncio, sys
from estado_eventos.reconcile.lock import PassLock

async def hold():
    async with PassLock().hold(sys.argv[1], asyncio.Event()):
        print("mío", flush=True)
        await asyncio.sleep(600)

asyncio.run(hold())
"""


async def _enter(what: str, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds), PassLock().hold(what, asyncio.Event()):
        pass


def test_only_one_at_a_time() -> None:
    """Muchos que piden el mismo turno pasan de uno en uno, y todos pasan."""
    what = str(uuid.uuid4())
    inside = 0
    seen: list[int] = []

    async def enter() -> None:
        nonlocal inside
        async with PassLock().hold(what, asyncio.Event()):
            inside += 1
            seen.append(inside)
            await asyncio.sleep(0)
            inside -= 1

    async def all_at_once() -> None:
        await asyncio.gather(*(enter() for _ in range(20)))

    asyncio.run(all_at_once())

    assert seen == [1] * 20


def test_different_turns_do_not_wait_for_each_other() -> None:
    """El turno de una transición o de un backend no frena a los demás."""

    async def nested() -> None:
        async with PassLock().hold(str(uuid.uuid4()), asyncio.Event()):
            await _enter(str(uuid.uuid4()))

    asyncio.run(nested())


def test_the_turn_of_a_killed_process_is_free() -> None:
    """El turno de un proceso muerto con SIGKILL queda libre en el acto, sin nada que limpiar."""
    what = str(uuid.uuid4())
    holder = subprocess.Popen([sys.executable, "-c", _HOLD_FOREVER, what], stdout=subprocess.PIPE, env=os.environ)
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline()

        async def wait_while_killing() -> None:
            waiting = asyncio.create_task(_enter(what))
            await asyncio.sleep(0.05)
            assert not waiting.done()
            holder.send_signal(signal.SIGKILL)
            await waiting

        asyncio.run(wait_while_killing())


@pytest.mark.slow
def test_a_pass_that_nobody_reads_does_not_stop_the_others(backend: ReferenceBackend) -> None:
    """Una pasada parada porque nadie lee lo que escribe suelta el turno a su límite: las siguientes trabajan."""
    env = {"BACKEND_URL": backend.url, "BACKEND_JWT_TOKEN": backend.token()}
    backend.add_events(due_start=150)
    with start("start", env={**env, "PASS_TIMEOUT": 6}) as stuck:
        # Su tubería de errores, pequeña, se llena a media pasada y nadie la vacía.
        assert stuck.stderr is not None
        fcntl.fcntl(stuck.stderr, fcntl.F_SETPIPE_SZ, 4096)
        until(lambda: is_full(stuck.stderr), stuck)
        try:
            rival = run_inside("start", "--quiet", **env, PASS_TIMEOUT=40)
        finally:
            stuck.kill()
            stuck.communicate()

    assert rival.code == 0
    assert set(backend.states().values()) == {"en_progreso"}


@pytest.mark.slow
def test_two_instances_at_once_move_each_event_once(backend: ReferenceBackend) -> None:
    """Dos pasadas a la vez mueven cada evento una sola vez y acaban bien las dos."""
    ids = backend.add_events(due_start=60, due_finish=40)

    rivals = [start("run-once", "--json", env=config(backend)) for _ in range(2)]
    completed = [wait(rival) for rival in rivals]

    assert [rival.code for rival in completed] == [0, 0]
    assert moves(backend) == sorted(map(str, ids))
    done = sum(part_of(rival, transition)["done"] for rival in completed for transition in TRANSITIONS)
    assert done == 100


@pytest.mark.slow
def test_a_pass_whose_turn_never_comes_says_so(backend: ReferenceBackend) -> None:
    """La que se queda sin tiempo esperando su turno no pide nada: 75, «otra pasada no acaba»."""
    ids = backend.add_events(due_start=1)
    go_on = threading.Event()

    def slow_list(request: Request) -> None:
        if request.method == "GET":
            go_on.wait(LONG)

    with FaultyServer(slow_list, backend.url) as server:
        late = start(
            "start", "--json", env=config(backend, server.url, PASS_TIMEOUT=LONG, SCHEDULER_INTERVAL_SECONDS=3600)
        )
        while not server.count("GET"):
            assert late.poll() is None
            time.sleep(0.02)
        impatient = wait(start("start", "--json", env=config(backend, server.url, PASS_TIMEOUT=4)))
        asked = len(server.requests)
        go_on.set()
        completed = wait(late)

    assert impatient.code == 75
    assert "otra pasada no acaba" in impatient.report["error"]
    assert (asked, completed.code) == (1, 0)
    assert moved_once(backend, ids)


def _is_held_by(turn: str, command: list[str], env: dict[str, object]) -> tuple[bool, Completed]:
    """Si un mandato espera a quien tiene ese turno, y cómo acaba cuando lo suelta."""

    async def hold() -> tuple[bool, Completed]:
        async with PassLock().hold(turn, asyncio.Event()):
            process = start(*command, env=env)
            assert process.stderr is not None
            lines = []
            while line := await asyncio.to_thread(process.stderr.readline):
                lines.append(line)
                if "Otra pasada está en marcha" in line:
                    break
        completed = await asyncio.to_thread(wait, process)
        return bool(line), Completed(completed.code, completed.stdout, "".join(lines) + completed.stderr)

    return asyncio.run(hold())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shard", "arguments", "waits"),
    [
        ("2/3", [], True),
        ("1/3", [], False),
        ("1/1", [], False),
        ("1/3", ["--event", "{second}"], True),
        ("2/3", ["--event", "{first}"], False),
        ("3/3", ["--event", "{first}", "--event", "{second}"], True),
    ],
)
def test_the_parts_of_one_machine_do_not_wait_for_each_other(
    backend: ReferenceBackend, shard: str, arguments: list[str], *, waits: bool
) -> None:
    """Mientras la parte 2/3 está en marcha, la 1/3 sigue, otra 2/3 espera, y también quien nombra un evento suyo."""
    keys = [f"examen-{number}" for number in range(12)]
    first, second = (next(key for key in keys if Shard(number, 3).owns(key)) for number in (1, 2))
    backend.add_events(due_start=12, public_ids=keys)
    command = ["start", *(argument.format(first=first, second=second) for argument in arguments)]

    waited, completed = _is_held_by(f"{backend.url} {START.name} 2/3", command, config(backend, SHARD=shard))

    assert completed.code == 0
    assert waited is waits


@pytest.mark.slow
def test_one_part_of_one_is_no_sharing(backend: ReferenceBackend) -> None:
    """`1/1` es lo mismo que no repartir: espera su turno con las pasadas de siempre."""
    backend.add_events(due_start=1)

    waited, completed = _is_held_by(f"{backend.url} {START.name}", ["start"], config(backend, SHARD="1/1"))

    assert (waited, completed.code) == (True, 0)
