"""Cuánto tarda en cambiar de estado un evento desde su hora: el temporizador de verdad y un servicio residente."""

import random
import statistics
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import httpx

from estado_eventos.domain.transitions import START
from tests.benchmarks.measure import Row
from tests.e2e import requisites, wheelhouse
from tests.e2e.container import Container
from tests.support.inside import settings_text
from tests.support.reference.server import ReferenceBackend

INTERVAL = 10
TICKS = 20


@dataclass(frozen=True, slots=True)
class Lateness:
    """Los retrasos medidos, en segundos."""

    name: str
    seconds: tuple[float, ...]

    def row(self, budget: str = "–") -> Row:
        """La fila de la tabla."""
        worst, median = max(self.seconds), statistics.median(self.seconds)
        return Row(self.name, f"peor de {len(self.seconds)}: {worst:.2f} s; mediana: {median:.2f} s", budget)


def measure() -> list[Row]:
    """Un evento debido en cada tic de `INTERVAL` s, con el temporizador y con un residente que arrancó a destiempo."""
    reason = requisites.unavailable()
    if reason:
        return [Row("hora debida → estado cambiado", f"sin medir: {reason}")]
    with ExitStack() as stack:
        timed, resident = (stack.enter_context(ReferenceBackend()) for _ in range(2))
        container = stack.enter_context(Container(stack.enter_context(wheelhouse.wheels())))
        _install(container, timed)
        stack.enter_context(_Resident(resident, INTERVAL))
        minute = (time.time() // INTERVAL + 2) * INTERVAL
        for server in (timed, resident):
            for tick in range(TICKS):
                server.add_events(due_start=1, offset=minute + tick * INTERVAL - time.time())
        _wait(lambda: all(len(server.history()) == TICKS for server in (timed, resident)))
        return [
            _lateness("temporizador de systemd, hora debida → estado cambiado", timed, minute).row("≤ 1 s"),
            _lateness("residente que arrancó a destiempo, ídem", resident, minute).row(),
        ]


def _install(container: Container, backend: ReferenceBackend) -> None:
    wheelhouse.configure(container)
    container.run(["python3", "-m", "venv", "/opt/estado-eventos"], timeout=120)
    container.run(["/opt/estado-eventos/bin/pip", "install", "--quiet", "estado-eventos"], timeout=120)
    container.put("/etc/estado-eventos/estado-eventos.env", settings_text(backend), 0o600)
    program = "/opt/estado-eventos/bin/estado-eventos"
    container.run([program, "schedule", "install", "systemd", "--interval", str(INTERVAL)], timeout=120)


def _lateness(name: str, backend: ReferenceBackend, minute: float) -> Lateness:
    moments = sorted(change.at.timestamp() for change in backend.history())
    return Lateness(name, tuple(moment - (minute + tick * INTERVAL) for tick, moment in enumerate(moments)))


def _wait(done: Callable[[], bool]) -> None:
    limit = time.monotonic() + (TICKS + 6) * INTERVAL
    while not done() and time.monotonic() < limit:
        time.sleep(1)


class _Resident:
    """Un planificador por intervalos como el del servicio antiguo: un cliente nuevo por petición, de una en una."""

    def __init__(self, backend: ReferenceBackend, interval: float) -> None:
        self._backend = backend
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        headers = {"Authorization": f"Bearer {self._backend.token()}"}
        self._stop.wait(random.uniform(0, self._interval))  # noqa: S311  La fase en que arrancó es la que toque.
        while True:
            listing = httpx.get(self._backend.url + START.list_path, headers=headers).json()
            for item in listing["results"]:
                httpx.post(self._backend.url + START.action_path(item["id"]), headers=headers)
            if self._stop.wait(self._interval):
                return
