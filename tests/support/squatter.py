"""Otro usuario de la máquina que ocupa lo que no es suyo."""

import hashlib
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

NOBODY = 65534


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
