"""El turno entre pasadas simultáneas."""

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import uuid

from estado_eventos.reconcile.lock import PassLock
from tests.support.program import run, start
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


def test_a_pass_that_nobody_reads_does_not_stop_the_others(backend: ReferenceBackend) -> None:
    """Una pasada parada porque nadie lee lo que escribe suelta el turno a su límite: las siguientes trabajan."""
    env = {"BACKEND_URL": backend.url, "BACKEND_JWT_TOKEN": backend.token()}
    backend.add_events(due_start=150)
    with start("start", env={**env, "PASS_TIMEOUT": 6}) as stuck:
        # Su tubería de errores, pequeña, se llena a media pasada y nadie la vacía.
        assert stuck.stderr is not None
        fcntl.fcntl(stuck.stderr, fcntl.F_SETPIPE_SZ, 4096)
        try:
            rival = run("start", "--quiet", env={**env, "PASS_TIMEOUT": 40})
            still_stuck = stuck.poll() is None
        finally:
            stuck.kill()
            stuck.communicate()

    assert still_stuck
    assert rival.code == 0
    assert set(backend.states().values()) == {"en_progreso"}
