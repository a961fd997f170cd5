"""El nombre del turno lo puede ocupar cualquiera de la máquina: no para las pasadas, y se dice quién es."""

import hashlib
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.faults import FaultyServer, Obliging
from tests.support.inside import endure

NOBODY = 65534
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="hace falta ser root para hacerse pasar por otro usuario")


@contextmanager
def squatter(what: str, *, listens: bool, accepts: bool = False) -> Iterator[int]:
    """Otro usuario que se sienta en el nombre de un turno; da su PID."""
    name = "\0estado-eventos-" + hashlib.sha256(what.encode()).hexdigest()[:32]
    ready, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        sitting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sitting.bind(name)
        if listens:
            sitting.listen(1)
        os.write(tell, b"x")
        while accepts:
            sitting.accept()[0].close()
        signal.pause()
        os._exit(0)
    os.read(ready, 1)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(ready)
        os.close(tell)


@pytest.mark.parametrize("accepts", [False, True])
def test_a_stranger_on_the_name_stops_nobody(accepts: bool) -> None:  # noqa: FBT001
    """A otro usuario que ocupa el turno, conteste o no, no se le espera: todo se mueve, y un ERROR da su PID."""
    with (
        FaultyServer(Obliging([{"id": 7}])) as server,
        squatter(f"{server.url} start", listens=True, accepts=accepts) as pid,
    ):
        completed = endure(server)

    errors = [line for line in completed.messages if line.startswith("ERROR")]
    assert completed.code == 0
    assert completed.report["transitions"]["start"]["done"] == 1
    words = f"El turno de las pasadas lo ocupa otro usuario (PID {pid}): no se le espera. Mire quién es: ps -fp {pid}"
    assert errors == [f"ERROR - {words}"]


def test_a_name_that_nobody_answers_for_stops_nobody() -> None:
    """Un nombre ocupado en el que no escucha nadie se deja por imposible en un segundo, con un ERROR."""
    with FaultyServer(Obliging([{"id": 7}])) as server, squatter(f"{server.url} start", listens=False):
        completed = endure(server)

    assert completed.code == 0
    assert completed.report["transitions"]["start"]["done"] == 1
    assert "ERROR - El turno de las pasadas lo ocupa alguien que no lo usa" in completed.stderr
