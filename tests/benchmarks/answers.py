"""Lo que cuesta contestar a `GET /health` por el socket de systemd."""

import os
import socket
import statistics
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.measure import PROGRAM, Row, at_most

TIMES = 9
NEXT = 200
_HANDED = 'export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@" 3<&0 0</dev/null'


def measure() -> list[Row]:
    """La CPU de la primera respuesta, con el arranque, y la de las siguientes mientras vive el proceso."""
    costs = [_cost() for _ in range(TIMES)]
    first, following = (statistics.median(column) * 1000 for column in zip(*costs, strict=True))
    return [
        at_most("GET /health, CPU: la primera respuesta", first, 80, " ms", "{:.0f}"),
        at_most("GET /health, CPU: las siguientes", following, 3, " ms"),
    ]


def _cost() -> tuple[float, float]:
    with answering() as (process, listener):
        ask(listener)
        first = _spent(process.pid)
        for _ in range(NEXT):
            ask(listener)
        return first, (_spent(process.pid) - first) / NEXT


@contextmanager
def answering(*before: str) -> Iterator[tuple["subprocess.Popen[str]", socket.socket]]:
    """El mandato `http`, con su socket, y delante de él, si se dice, el programa que lo mide."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = subprocess.Popen(
            ["sh", "-c", _HANDED, "sh", *before, *PROGRAM, "http"],
            stdin=listener.fileno(),
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            env={"PATH": os.environ["PATH"]},
        )
        with process:
            try:
                yield process, listener
            finally:
                process.terminate()


def ask(listener: socket.socket) -> None:
    """Pide `/health` y espera a que cuelgue."""
    with socket.create_connection(listener.getsockname(), timeout=60) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        while connection.recv(4096):
            continue


def _spent(pid: int) -> float:
    """Segundos de CPU del proceso hasta ahora, contados por el planificador en nanosegundos."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((each / "schedstat").read_text().split()[0]) for each in threads) / 1e9
