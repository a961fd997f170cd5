"""Una pasada de principio a fin: el bucle de asyncio, el límite de tiempo, las señales y el informe."""

import asyncio
import os
import re
import uuid
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from estado_eventos.backend.account import Account
from estado_eventos.backend.auth import BearerAuth
from estado_eventos.backend.client import Backend, request_headers
from estado_eventos.backend.clock import BackendClock
from estado_eventos.backend.network import tls_context
from estado_eventos.backend.token import Token
from estado_eventos.config.settings import Settings
from estado_eventos.domain import wall_clock
from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.report import Report, TransitionReport
from estado_eventos.domain.transitions import FINISH
from estado_eventos.output.progress import ProgressCallback
from estado_eventos.reconcile.deadline import Deadline, Interruption
from estado_eventos.reconcile.follow_ups import FollowUpCalls, Notes
from estado_eventos.reconcile.log import log_clock, log_shard
from estado_eventos.reconcile.plan import Plan
from estado_eventos.reconcile.reconciler import Reconciler
from estado_eventos.reconcile.signals import RELEASE_SECONDS, Signals
from estado_eventos.reconcile.surroundings import Surroundings
from estado_eventos.reconcile.tick import Tick, max_offset

_OTHER_FILES = 16
"""Los archivos que abre una pasada además de sus conexiones: salidas, bucle, señales, turnos y resolver nombres."""
_FILES_A_WORKER = 2
"""Mientras se conecta, un trabajador puede estar probando dos direcciones."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Launch:
    """Con qué se lanza una pasada: su identificador, desde cuándo cuenta su límite y las señales que la cortan.

    `started` va en el reloj de `time.monotonic`.
    """

    run_id: str
    started: float
    signals: Signals
    surroundings: Surroundings = field(default_factory=Surroundings)


def run_pass(settings: Settings, plan: Plan, launch: Launch, progress: ProgressCallback | None = None) -> Report:
    """Hace la pasada y devuelve su informe; acaba a tiempo pase lo que pase en la red."""
    return run_async(make_pass(settings, plan, launch, progress))


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


async def make_pass(settings: Settings, plan: Plan, launch: Launch, progress: ProgressCallback | None) -> Report:
    """La pasada, en el bucle de quien llama."""
    plan = replace(plan, shard=settings.part, standby_seconds=settings.standby_seconds)
    # Lo que se tardó en arrancar es ya parte de la pasada.
    started_at = wall_clock.now() - timedelta(seconds=asyncio.get_running_loop().time() - launch.started)
    headers = request_headers(launch.run_id)
    auth = BearerAuth(settings, headers, launch.surroundings.cache)
    auth.warn_if_expiring(started_at)
    deadline = Deadline(settings.pass_timeout, launch.started)
    log_shard(plan.scope)
    tls = tls_context(settings)
    clock = BackendClock()
    interval = settings.scheduler_interval_seconds if plan.waits_for_tick else 0
    async with AsyncExitStack() as stack:
        backends = [await stack.enter_async_context(Backend(settings, auth, tls, headers)) for _ in plan.transitions]
        reconcilers: list[Reconciler] = []
        for transition, backend in zip(plan.transitions, backends, strict=True):
            backend.connect = launch.surroundings.connect
            before = reconcilers[-1].moves if reconcilers else None
            reconcilers.append(Reconciler(transition, plan, backend, Tick(interval, clock, deadline), before))
            reconcilers[-1].progress = progress
        follow_ups = _follow_ups(settings, plan, reconcilers, launch.surroundings.notes)
        await _reconcile(reconcilers, follow_ups, deadline, launch, settings)
        log_clock(clock.offset, max_offset(settings.scheduler_interval_seconds))
        parts = tuple(_report(reconciler, deadline.interruption, follow_ups) for reconciler in reconcilers)
        # Si las listas se leyeron sin token, que la cuenta no vale solo se dice aquí.
        login = auth.failure if all(part.code is not auth.failure.code for part in parts if auth.failure) else None
        return Report(
            run_id=launch.run_id,
            command=plan.command,
            backend=settings.backend_url,
            started_at=started_at,
            duration_seconds=asyncio.get_running_loop().time() - launch.started,
            dry_run=plan.dry_run,
            shard=plan.scope,
            requests=sum(backend.requests for backend in backends),
            token_expires_at=auth.expires_at,
            clock_offset_seconds=clock.offset,
            standby_seconds=plan.standby_seconds,
            transitions=parts,
            problem=str(login) if login else None,
            problem_code=login.code if login else ExitCode.OK,
        )


def _follow_ups(
    settings: Settings, plan: Plan, reconcilers: Sequence[Reconciler], notes: Callable[[Path | None], Notes]
) -> FollowUpCalls | None:
    """Los avisos que siguen a lo que se finalice, si se piden y se finaliza algo."""
    finisher = next((reconciler for reconciler in reconcilers if reconciler.transition is FINISH), None)
    if settings.finish_follow_up is None or finisher is None or plan.dry_run:
        return None
    return FollowUpCalls(settings.finish_follow_up, notes(settings.follow_up_directory), plan, finisher)


def _report(reconciler: Reconciler, cut: Interruption | None, follow_ups: FollowUpCalls | None) -> TransitionReport:
    part = reconciler.report(cut)
    return replace(part, follow_ups=follow_ups.report) if follow_ups and reconciler.transition is FINISH else part


async def _reconcile(
    reconcilers: Sequence[Reconciler],
    follow_ups: FollowUpCalls | None,
    deadline: Deadline,
    launch: Launch,
    settings: Settings,
) -> None:
    """Todas las transiciones a la vez, hasta que acaben o las corte el límite o una señal; y después, los avisos."""
    signals, lock = launch.signals, launch.surroundings.lock()
    workers = _workers(settings.max_concurrency, len(reconcilers))
    # Si el proceso se queda parado escribiendo donde nadie lee (un Ctrl-S, un paginador), el límite no puede
    # cortarlo; pero sí se puede soltar el turno, para que las pasadas siguientes no esperen por él.
    with signals.guard(settings.pass_timeout + RELEASE_SECONDS, lock.release):
        async with deadline.enforced():
            with signals.told_to(deadline.hasten, deadline.linger):
                for number, at in signals.received[-1:]:
                    deadline.hasten(number, at)
                await asyncio.gather(*(reconciler.run(workers, lock) for reconciler in reconcilers))
                if follow_ups:
                    await follow_ups.make(workers, lock)


def _workers(wanted: int, transitions: int) -> int:
    """Los trabajadores de cada transición: los que se piden, si caben en los archivos que se pueden abrir.

    Con más que `ulimit -n`, las conexiones que no caben serían eventos fallidos; así solo va más despacio.
    """
    return max(1, min(wanted, (os.sysconf("SC_OPEN_MAX") - _OTHER_FILES) // (_FILES_A_WORKER * transitions)))


def failed_report(command: str, run_id: str, code: ExitCode, problem: str) -> Report:
    """El informe de una pasada que no llegó a empezar."""
    return Report(run_id, command, None, wall_clock.now(), problem=problem, problem_code=code)


def new_run_id() -> str:
    """El identificador de esta ejecución: el de systemd si este es el proceso principal de la unidad, o un UUID."""
    invocation = os.environ.get("INVOCATION_ID", "")
    if os.environ.get("SYSTEMD_EXEC_PID") == str(os.getpid()) and re.fullmatch(r"[0-9a-f]{32}", invocation):
        return invocation
    return str(uuid.uuid4())
