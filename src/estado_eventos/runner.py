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
from estado_eventos.signals import GRACE_SECONDS, RELEASE_SECONDS, Signals
from estado_eventos.tokens import Token
from estado_eventos.transport import tls_context
from estado_eventos.turn import Turns

_GRACE_SHARE = 0.1
"""La parte de la pasada que, si es menos que `GRACE_SECONDS`, se deja antes del límite a lo que está en camino."""

_OTHER_FILES = 16
"""Los archivos que abre una pasada además de sus conexiones: salidas, bucle, señales, turnos y resolver nombres."""
_FILES_A_LANE = 2
"""Mientras se conecta, un carril puede estar probando dos direcciones."""

Run = Callable[[int, float], Awaitable[None]]


T = TypeVar("T")


def run_pass(settings: Settings, plan: Plan, run_id: str, signals: Signals, watch: Watch | None = None) -> Report:
    """Hace la pasada y devuelve su informe; acaba a tiempo pase lo que pase en la red."""
    return run_async(_pass(settings, plan, run_id, signals, watch))


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


async def _pass(settings: Settings, plan: Plan, run_id: str, signals: Signals, watch: Watch | None) -> Report:
    started_at, started = datetime.now(UTC), time.monotonic()
    headers = request_headers(run_id)
    auth = BearerAuth(settings, headers)
    auth.warn_if_expiring(started_at)
    plan = replace(plan, shard=settings.part)
    render.log_shard(plan.part)
    tls = tls_context(settings)
    brake = _Brake(signals)
    async with AsyncExitStack() as stack:
        backends = [await stack.enter_async_context(Backend(settings, auth, tls, headers)) for _ in plan.transitions]
        courses = [
            Course(transition, plan, backend, brake, watch)
            for transition, backend in zip(plan.transitions, backends, strict=True)
        ]
        lanes = _lanes(settings.max_concurrency, len(courses))
        cut = await brake.drive(settings.pass_timeout, [course.run for course in courses], lanes)
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


def _lanes(wanted: int, courses: int) -> int:
    """Los carriles de cada transición: los que se piden, si caben en los archivos que se pueden abrir (`ulimit -n`).

    Con más, las conexiones que no caben serían eventos fallidos; así solo va más despacio.
    """
    return max(1, min(wanted, (os.sysconf("SC_OPEN_MAX") - _OTHER_FILES) // (_FILES_A_LANE * courses)))


class _Brake:
    """Lo que detiene una pasada: el límite de tiempo y las señales, con un solo `asyncio.timeout` para los dos.

    Poco antes del límite ya no se empieza nada: lo que siguiera en camino al cortar, otra pasada podría pedirlo encima.
    """

    def __init__(self, signals: Signals) -> None:
        self.stop = asyncio.Event()
        self.turns = Turns()
        self._signals = signals
        self._signal: signal.Signals | None = None

    async def drive(self, seconds: float, runs: Sequence[Run], workers: int) -> Cut | None:
        loop = asyncio.get_running_loop()
        # Si el proceso se queda parado escribiendo donde nadie lee (un Ctrl-S, un paginador), el límite no puede
        # cortarlo; pero sí se puede soltar el turno, para que las pasadas siguientes no esperen por él.
        self._signals.guard(seconds + RELEASE_SECONDS, self.turns.release)
        try:
            async with asyncio.timeout(seconds) as timeout:
                deadline = loop.time() + seconds - min(GRACE_SECONDS, seconds * _GRACE_SHARE)
                loop.call_at(deadline, self.stop.set)
                with self._signals.told_to(lambda number, at: self._halt(number, at, timeout)):
                    for number, at in self._signals.received[-1:]:
                        self._halt(number, at, timeout)
                    await asyncio.gather(*(run(workers, deadline) for run in runs))
        except TimeoutError:
            self.stop.set()
        finally:
            self._signals.guard(0)
        if self._signal:
            return Cut(f"la interrumpió {self._signal.name}", by_deadline=False)
        return Cut(f"se acabó el tiempo de la pasada ({seconds:g} s)", by_deadline=True) if self.stop.is_set() else None

    def _halt(self, number: signal.Signals, at: float, timeout: asyncio.Timeout) -> None:
        """La primera señal da un respiro a lo que está en camino; la segunda, ninguno."""
        limit = at + (0.0 if self._signal else GRACE_SECONDS)
        self._signal = number
        self.stop.set()
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
