"""Una hora sin nada que hacer: sesenta pasadas al lado de un proceso residente que mira lo mismo."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tests.benchmarks.measure import OTHERS_PYTHON, RUN_ONCE, Row, median, run
from tests.benchmarks.stub import serving

PASSES = 60
QUIET_SECONDS = 60
_HOUR = 3600
_TICKS = os.sysconf("SC_CLK_TCK")


def measure() -> list[Row]:
    """CPU y memoria × tiempo de una hora de cada uno.

    La del residente se compone: lo que gasta por estar despierto, medido sin trabajos y llevado a una hora, y lo que
    le cuestan sesenta pasadas, una por segundo.
    """
    with serving() as stub:
        passes = [run(RUN_ONCE, stub.settings()) for _ in range(21)]
        with resident(stub.url, every=_HOUR) as idle:
            awake = _spent(idle, QUIET_SECONDS) / QUIET_SECONDS
        with resident(stub.url, every=1) as busy:
            jobs = max(0.0, _spent(busy, PASSES) - awake * PASSES)
            memory = busy.memory
    ours = median(passes, "cpu") * PASSES
    occupied = median(passes, "peak") * median(passes, "wall") * PASSES / _HOUR
    theirs = awake * _HOUR + jobs
    return [
        Row("una hora sin eventos, CPU: 60 pasadas", f"{ours:.1f} s"),
        Row("ídem, el residente (despierto + 60 pasadas)", f"{theirs:.1f} s ({awake * _HOUR:.1f} + {jobs:.1f})"),
        Row("una hora sin eventos, memoria × tiempo: 60 pasadas", f"{occupied:.2f} MiB·h"),
        Row("ídem, el residente", f"{memory:.0f} MiB·h"),
    ]


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int

    @property
    def cpu(self) -> float:
        """Segundos de CPU gastados hasta ahora."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    @property
    def memory(self) -> float:
        """MiB que ocupa ahora."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def _spent(process: _Process, seconds: float) -> float:
    before = process.cpu
    time.sleep(seconds)
    return process.cpu - before


@contextmanager
def resident(backend: str, every: int, variables: Mapping[str, str] | None = None) -> Iterator[_Process]:
    """El servicio residente, en marcha mientras dura el bloque, con el entorno de aquí y esas variables."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    script = str(Path(__file__).with_name("resident.py"))
    command = [OTHERS_PYTHON, script, backend, str(port), str(every)]
    process = subprocess.Popen(command, cwd="/", env={**os.environ, **(variables or {})})
    try:
        _wait_for(f"http://127.0.0.1:{port}/health")
        yield _Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def _wait_for(url: str) -> None:
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        try:
            urlopen(url, timeout=5).close()  # noqa: S310  Una URL nuestra, de esta misma máquina.
        except (URLError, ConnectionError):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"el residente no contesta en {url}")
