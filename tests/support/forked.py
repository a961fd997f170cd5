"""El programa de verdad, cada vez en un proceso propio que nace con todo importado: sin pagar el arranque.

Un proceso aparte importa el programa una vez y se bifurca por cada ejecución. Solo cambia eso: las variables que miran
el intérprete o las bibliotecas al importarse no llegan a tiempo.
"""

import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from tests.support.program import Completed, environment

_ROOT = Path(__file__).parents[2]
_MAX_MESSAGE = 1 << 20


@dataclass(slots=True)
class Running:
    """Una ejecución en marcha."""

    _status: IO[str]
    _stdout: IO[bytes]
    _stderr: IO[bytes]
    pid: int = field(init=False)

    def __post_init__(self) -> None:
        """El primer renglón es su número de proceso."""
        self.pid = int(self._status.readline())

    def kill(self) -> None:
        """La mata con SIGKILL."""
        os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout: float = 60) -> Completed:
        """Espera a que acabe; si no acaba a tiempo, la mata y lanza `TimeoutError`."""
        if not select.select([self._status], [], [], timeout)[0]:
            self.kill()
            raise TimeoutError(f"no acabó en {timeout:g} s")
        with self._status, self._stdout, self._stderr:
            code = int(self._status.readline())
            output = []
            for stream in (self._stdout, self._stderr):
                stream.seek(0)
                output.append(stream.read().decode("utf-8", "surrogateescape"))
        return Completed(code, *output)


class ForkServer:
    """El proceso que lo tiene todo importado, mientras dura el `with`."""

    def __enter__(self) -> Self:
        """Lo arranca."""
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MAX_MESSAGE)
        with theirs:
            command = [sys.executable, "-m", "tests.support.forked", str(theirs.fileno())]
            self._process = subprocess.Popen(command, cwd=_ROOT, env=environment(), pass_fds=[theirs.fileno()])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Lo para: acaba cuando ya no hay quien le pida nada."""
        self._channel.close()
        self._process.wait()

    def start(self, *arguments: str, env: Mapping[str, object] | None = None, cwd: Path | str = "/") -> Running:
        """Ejecuta el programa sin esperarlo. Los bytes que no son UTF-8 van como sustitutos (`surrogateescape`)."""
        message = {"arguments": arguments, "cwd": str(cwd), "env": environment(**(env or {}))}
        receiving, sending = os.pipe()
        stdout, stderr = (tempfile.TemporaryFile() for _ in range(2))  # noqa: SIM115  Los cierra `Running.wait`.
        descriptors = [stdout.fileno(), stderr.fileno(), sending]
        socket.send_fds(self._channel, [json.dumps(message).encode()], descriptors)
        os.close(sending)
        return Running(os.fdopen(receiving, buffering=1), stdout, stderr)

    def run(
        self,
        *arguments: str,
        env: Mapping[str, object] | None = None,
        cwd: Path | str = "/",
        timeout: float = 60,
    ) -> Completed:
        """Ejecuta el programa y espera a que acabe."""
        return self.start(*arguments, env=env, cwd=cwd).wait(timeout)


@functools.cache
def shared() -> ForkServer:
    """El de este proceso, que se arranca la primera vez y dura lo que él."""
    server = ForkServer().__enter__()
    atexit.register(server.__exit__, None, None, None)
    return server


def _serve(channel: socket.socket) -> None:
    from estado_eventos.check import run
    from estado_eventos.cli import app, health
    from estado_eventos.monitoring import heartbeat, metrics, notify

    assert all((run, app, health, heartbeat, metrics, notify))
    # Nadie espera a los que vigilan: el sistema los recoge.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        data, descriptors, _, _ = socket.recv_fds(channel, _MAX_MESSAGE, 3)
        if not data:
            return
        if os.fork() == 0:
            channel.close()
            _watch(json.loads(data), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _watch(message: Mapping[str, Any], descriptors: list[int]) -> None:
    """Bifurca la ejecución, y dice su número y cómo acabó."""
    *streams, status = descriptors
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os.close(status)
        _become(message, streams)
    # Si quien preguntaba ya no está, no hay a quién decírselo.
    with contextlib.suppress(BrokenPipeError):
        os.write(status, f"{pid}\n".encode())
        _, ending = os.waitpid(pid, 0)
        os.write(status, f"{os.waitstatus_to_exitcode(ending)}\n".encode())
    os._exit(0)


def _become(message: Mapping[str, Any], streams: list[int]) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, stream in enumerate(streams, 1):
        os.dup2(stream, number)
    os.closerange(3, 64)
    os.chdir(message["cwd"])
    os.environ.clear()
    os.environ.update(message["env"])
    sys.argv = ["estado-eventos", *message["arguments"]]
    try:
        from estado_eventos.__main__ import main

        main()
    except BaseException:  # noqa: BLE001  Lo que haría el intérprete.
        traceback.print_exc()
        sys.stderr.flush()
    os._exit(1)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
