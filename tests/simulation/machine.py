"""Las máquinas simuladas: su reloj, sus turnos, sus archivos y las pasadas que se lanzan en ellas."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from estado_eventos.backend.token import Token
from estado_eventos.backend.token_cache import TokenCache, cache_of
from estado_eventos.config.settings import Settings
from estado_eventos.domain import wall_clock
from estado_eventos.domain.report import Report
from estado_eventos.reconcile.follow_ups import Notes
from estado_eventos.reconcile.lock import PassLock
from estado_eventos.reconcile.plan import Plan
from estado_eventos.reconcile.run import Launch, make_pass
from estado_eventos.reconcile.signals import Listener, Signals
from estado_eventos.reconcile.surroundings import Surroundings
from tests.simulation.wire import Connection, Exchange, Wire

STARTUP_SECONDS = 0.15
current: ContextVar["Process | None"] = ContextVar("process", default=None)
"""De qué proceso es la tarea en curso."""


@dataclass(slots=True, eq=False)
class Machine:
    """Una máquina: lo que sus pasadas comparten."""

    name: str
    wall: Callable[[], float]
    """Su reloj, en segundos desde 1970."""
    settings: Settings
    turns: dict[str, asyncio.Event] = field(default_factory=dict)
    """Los turnos ocupados, y a quién avisar cuando se suelten."""
    token: Token | None = None
    notes: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Process:
    """Una pasada en una máquina; si la matan, desde ese momento nada de lo que haga se nota fuera."""

    machine: Machine
    wire: Wire
    settings: Settings
    plan: Plan
    number: int
    scheduled: bool
    """Si la lanza el temporizador, y no una persona."""
    started_at: float = 0.0
    ended_at: float | None = None
    signalled_at: float | None = None
    was_killed: bool = False
    report: Report | None = None
    tasks: dict["asyncio.Task[Any]", None] = field(default_factory=dict)
    """Las que tiene en marcha, por orden: una semilla da siempre la misma vida."""
    exchanges: list[Exchange] = field(default_factory=list)
    unsent: int = 0
    """Las peticiones que se cortaron mientras se conectaba: la que espera al tic no cuenta hasta que sale."""
    signals: "SimulatedSignals | None" = None

    def lists(self, verb: str) -> list[Exchange]:
        """Las listas que pidió de esa transición, página a página."""
        return [exchange for exchange in self.exchanges if exchange.kind == "list" and exchange.verb == verb]

    async def run(self) -> None:
        """La hace; si la matan, acaba sin informe."""
        loop = asyncio.get_running_loop()
        wall_clock.source.set(self.machine.wall)
        current.set(self)
        self.started_at = loop.time()
        await asyncio.sleep(STARTUP_SECONDS)
        if self.was_killed:
            return
        self.signals = SimulatedSignals(loop)
        surroundings = Surroundings(
            connect=lambda _settings, _tls: Connection(self.wire, self),
            lock=lambda: SimulatedLock(self),
            cache=self._cache,
            notes=lambda _directory: SimulatedNotes(self),
        )
        launch = Launch(f"pasada-{self.number}", self.started_at, self.signals, surroundings)
        work = loop.create_task(make_pass(self.settings, self.plan, launch, None))
        await asyncio.wait([work])
        self.ended_at = loop.time()
        for task in [*self.tasks]:
            task.cancel()
        if not self.was_killed:
            self.report = work.result()

    def must_be_alive(self) -> None:
        """Lo que un muerto intente no sale de él."""
        if self.was_killed:
            raise asyncio.CancelledError

    def kill(self) -> None:
        """SIGKILL."""
        if self.ended_at is None:
            self.was_killed = True
            for task in [*self.tasks]:
                task.cancel()

    def stop(self) -> None:
        """SIGTERM."""
        if self.signals and self.ended_at is None and self.signalled_at is None:
            self.signalled_at = asyncio.get_running_loop().time()
            self.signals.send(signal.SIGTERM)

    def _cache(self, settings: Settings) -> TokenCache | None:
        cache = cache_of(settings)
        return SimulatedCache(cache.path, cache.backend, cache.account, self) if cache else None


def label(task: "asyncio.Task[Any]") -> None:
    """Apunta una tarea recién hecha en el proceso que la hizo."""
    process = current.get()
    if process:
        process.tasks[task] = None
        task.add_done_callback(process.tasks.pop)


@dataclass(frozen=True, slots=True)
class SimulatedCache(TokenCache):
    """El token guardado, en la memoria de la máquina."""

    process: Process

    def take(self) -> Token | None:
        """El que haya."""
        return self.process.machine.token

    def write(self, token: Token) -> None:
        """Lo guarda."""
        self.process.must_be_alive()
        self.process.machine.token = token


class SimulatedNotes(Notes):
    """Lo que se debe avisar, en la memoria de la máquina."""

    def __init__(self, process: Process) -> None:
        """Lo que dejaron otras pasadas."""
        self._process = process
        super().__init__(Path("/simulado"))

    def _read(self) -> Iterator[tuple[str, float]]:
        yield from self._process.machine.notes.items()

    def add(self, key: str) -> None:
        """Lo apunta."""
        self._process.must_be_alive()
        self._process.machine.notes.setdefault(key, self._process.machine.wall())

    def remove(self, key: str) -> None:
        """Lo borra."""
        self._process.must_be_alive()
        self._process.machine.notes.pop(key, None)


class SimulatedLock(PassLock):
    """Los turnos de una máquina, sin sockets: los suelta quien acaba o muere."""

    def __init__(self, process: Process) -> None:
        """Ninguno todavía."""
        super().__init__()
        self._turns = process.machine.turns

    @asynccontextmanager
    async def hold(self, what: str, closing: asyncio.Event) -> AsyncIterator[bool]:
        """Como el de verdad."""
        while what in self._turns:
            if closing.is_set():
                yield False
                return
            waits = [asyncio.create_task(event.wait()) for event in (self._turns[what], closing)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
        self._turns[what] = asyncio.Event()
        try:
            yield True
        finally:
            self._turns.pop(what).set()


class SimulatedSignals(Signals):
    """Las señales que se le mandan a una pasada."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Aún ninguna; las del proceso de verdad no se tocan."""
        self.received = []
        self._loop = loop
        self._hears: Listener | None = None

    def send(self, number: signal.Signals) -> None:
        """Llega una."""
        self.received.append((number, self._loop.time()))
        if self._hears:
            self._hears(*self.received[-1])

    @contextmanager
    def told_to(self, listener: Listener, on_resumed: Callable[[], object] = list) -> Iterator[None]:
        """Como el de verdad, sin timbre: aquí nadie duerme."""
        del on_resumed
        self._hears = lambda number, at: self._loop.call_soon(listener, number, at)
        try:
            yield
        finally:
            self._hears = None

    @contextmanager
    def guard(self, seconds: float, release: Callable[[], object] = list) -> Iterator[None]:
        """Nadie se queda parado escribiendo."""
        del seconds, release
        yield
