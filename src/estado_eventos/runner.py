"""Una pasada de principio a fin: el bucle de asyncio, el límite de tiempo, las señales y el informe."""

import asyncio
import os
import re
import signal
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from estado_eventos import render
from estado_eventos.auth import Account, BearerAuth
from estado_eventos.backend import Backend, request_headers
from estado_eventos.plan import Plan
from estado_eventos.reconcile import Course, Cut, Watch
from estado_eventos.report import ExitCode, Report
from estado_eventos.settings import Settings
from estado_eventos.tokens import Token
from estado_eventos.transport import tls_context
from estado_eventos.turn import Turns

GRACE_SECONDS = 3.0
"""Lo que se espera, tras una señal, a las peticiones que ya están en camino."""

RELEASE_SECONDS = 0.5
"""Lo que se espera, más allá del límite, para soltar el turno pase lo que pase."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
Run = Callable[[int, float], Awaitable[None]]


T = TypeVar("T")


def run_pass(settings: Settings, plan: Plan, run_id: str, watch: Watch | None = None) -> Report:
    """Hace la pasada y devuelve su informe; acaba a tiempo pase lo que pase en la red."""
    return run_async(_pass(settings, plan, run_id, watch))


def sign_in(settings: Settings, account: Account, run_id: str) -> Token:
    """Pide un token al backend con esa cuenta; lanza `BackendError`."""

    async def ask() -> Token:
        headers = request_headers(run_id)
        async with Backend(settings, BearerAuth(settings, headers), tls_context(settings), headers) as backend:
            return await backend.sign_in(account)

    return run_async(ask())


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Ejecuta `work` en un bucle propio.

    No en el de `asyncio.run`, que al acabar espera a que el sistema resuelva los nombres que quedaron a medias: con un
    DNS colgado serían varios segundos más allá del límite.
    """
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.run_until_complete(_let_go())
        loop.close()


async def _let_go() -> None:
    """Suelta lo que un corte dejó a medias: conexiones que se abrían, sockets que se cerraban."""
    halves = asyncio.all_tasks() - {asyncio.current_task()}
    for task in halves:
        task.cancel()
    await asyncio.gather(*halves, return_exceptions=True)
    await asyncio.sleep(0)


async def _pass(settings: Settings, plan: Plan, run_id: str, watch: Watch | None) -> Report:
    started_at, started = datetime.now(UTC), time.monotonic()
    headers = request_headers(run_id)
    auth = BearerAuth(settings, headers)
    auth.warn_if_expiring(started_at)
    plan = replace(plan, shard=settings.part)
    render.log_shard(plan.part)
    tls = tls_context(settings)
    brake = _Brake()
    async with AsyncExitStack() as stack:
        backends = [await stack.enter_async_context(Backend(settings, auth, tls, headers)) for _ in plan.transitions]
        courses = [
            Course(transition, plan, backend, brake, watch)
            for transition, backend in zip(plan.transitions, backends, strict=True)
        ]
        cut = await brake.drive(settings.pass_timeout, [course.run for course in courses], settings.max_concurrency)
        return Report(
            run_id=run_id,
            command=plan.command,
            backend=settings.backend_url,
            started_at=started_at,
            duration_seconds=time.monotonic() - started,
            dry_run=plan.dry_run,
            shard=plan.part,
            requests=sum(backend.requests for backend in backends),
            token_expires_at=auth.expires_at,
            transitions=tuple(course.report(cut) for course in courses),
        )


class _Brake:
    """Lo que detiene una pasada: el límite de tiempo y las señales, con un solo `asyncio.timeout` para los dos."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.turns = Turns()
        self._signal: signal.Signals | None = None

    async def drive(self, seconds: float, runs: Sequence[Run], workers: int) -> Cut | None:
        loop = asyncio.get_running_loop()
        # Si el proceso se queda parado escribiendo donde nadie lee (un Ctrl-S, un paginador), el límite no puede
        # cortarlo; pero una señal sí puede soltar el turno, para que las pasadas siguientes no esperen por él.
        signal.signal(signal.SIGALRM, lambda *_: self.turns.release())
        signal.setitimer(signal.ITIMER_REAL, seconds + RELEASE_SECONDS)
        try:
            async with asyncio.timeout(seconds) as timeout:
                deadline = loop.time() + seconds
                for number in _SIGNALS:
                    loop.add_signal_handler(number, self._halt, number, timeout)
                try:
                    await asyncio.gather(*(run(workers, deadline) for run in runs))
                finally:
                    for number in _SIGNALS:
                        loop.remove_signal_handler(number)
                        signal.signal(number, signal.SIG_IGN)
        except TimeoutError:
            if self._signal is None:
                return Cut(f"se acabó el tiempo de la pasada ({seconds:g} s)", by_deadline=True)
        return Cut(f"la interrumpió {self._signal.name}", by_deadline=False) if self._signal else None

    def _halt(self, number: signal.Signals, timeout: asyncio.Timeout) -> None:
        """La primera señal da un respiro a lo que está en camino; la segunda, ninguno."""
        grace = 0.0 if self._signal else GRACE_SECONDS
        self._signal = number
        self.stop.set()
        limit = asyncio.get_running_loop().time() + grace
        timeout.reschedule(min(limit, timeout.when() or limit))


def failed_report(command: str, run_id: str, code: ExitCode, problem: str) -> Report:
    """El informe de una pasada que no llegó a empezar."""
    return Report(run_id, command, None, datetime.now(UTC), problem=problem, problem_code=code)


def new_run_id() -> str:
    """El identificador de esta ejecución: el de systemd si este es el proceso principal de la unidad, o un UUID."""
    invocation = os.environ.get("INVOCATION_ID", "")
    if os.environ.get("SYSTEMD_EXEC_PID") == str(os.getpid()) and re.fullmatch(r"[0-9a-f]{32}", invocation):
        return invocation
    return str(uuid.uuid4())
