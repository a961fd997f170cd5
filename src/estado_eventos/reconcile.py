"""El bucle de una transición: leer la lista de pendientes, aplicar cada evento y volver a mirar hasta que no quede."""

import asyncio
import logging
import random
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from estado_eventos import logs, render
from estado_eventos.backend import Backend
from estado_eventos.ledger import Entry, Ledger
from estado_eventos.plan import Plan
from estado_eventos.protocol import BackendError, Denied, Unanswered
from estado_eventos.report import ExitCode, Result, TransitionReport, gravest
from estado_eventos.transitions import Transition
from estado_eventos.turn import Turns

MAX_ROUNDS = 4
FIRST_BACKOFF_SECONDS = 0.5
MAX_FAILURES_IN_A_ROW = 10
BUSY_TIMEOUTS = 2
"""A quien no contestó en `HTTP_TIMEOUT` se le deja otras tantas veces ese tiempo antes de pedirle lo mismo."""

_log = logging.getLogger(__name__)

Watch = Callable[[Transition, int, int], None]
"""A quien se le cuenta cómo va: la transición, cuántos eventos están resueltos y cuántos hay."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Por qué se cortó la pasada antes de acabar."""

    reason: str
    by_deadline: bool


class Brake(Protocol):
    """Lo que para una pasada, y los turnos que hay que soltar al parar."""

    stop: asyncio.Event
    turns: Turns


class Course:
    """Una transición a lo largo de una pasada. Se puede cortar cuando sea: `report` dice cómo quedó."""

    def __init__(
        self,
        transition: Transition,
        plan: Plan,
        backend: Backend,
        brake: Brake,
        watch: Watch | None = None,
    ) -> None:
        """Cuando se pisa el freno, no se empieza nada nuevo."""
        self.transition = transition
        self._plan = plan
        self._backend = backend
        self._stop = brake.stop
        self._turns = brake.turns
        self._watch = watch
        self._ledger = Ledger(plan.takes)
        self._rounds = 0
        self._has_turn = plan.dry_run
        self._listed = False
        self._finished = False
        self._error: BackendError | None = None
        self._bug: str | None = None
        self._failures_in_a_row = 0

    async def run(self, workers: int, deadline: float) -> None:
        """Hace la pasada con hasta `workers` peticiones a la vez; desde `deadline`, hora del bucle, no empieza ninguna.

        No lanza nada: un fallo del programa queda en el informe y no para a la otra transición.
        """
        render.log_job(self.transition)
        try:
            if self._plan.dry_run:
                await self._converge(workers, deadline)
            else:
                async with AsyncExitStack() as held:
                    for turn in self._plan.turns(f"{self._backend.url} {self.transition.name}"):
                        self._has_turn = await held.enter_async_context(self._turns.turn(turn, self._stop))
                        if not self._has_turn:
                            return
                    await self._converge(workers, deadline)
            for event in self._ledger.bad:
                render.log_settled(self.transition, event, Result.FAILED, event.problem)
            self._finished = not self._stop.is_set() or (self._listed and not self._ledger.has_unsettled)
        except Exception as error:  # noqa: BLE001  La otra transición tiene que seguir pase lo que pase en esta.
            self._bug = logs.describe_bug(error)

    async def _converge(self, workers: int, deadline: float) -> None:
        while not self._stop.is_set():
            self._rounds += 1
            todo = await self._look()
            if self._plan.dry_run:
                self._settle_all(todo or [], Result.PENDING)
                return
            if todo is None and not self._look_again:
                return
            now = asyncio.get_running_loop().time()
            wait = await self._apply_all([entry for entry in todo or [] if entry.busy_until <= now], workers)
            if not self._ledger.has_unsettled and not self._look_again:
                return
            if self._rounds == MAX_ROUNDS or not await self._back_off(max(wait, self._busy(deadline)), deadline):
                if todo is not None and self._ledger.has_unsettled and not self._stop.is_set():
                    await self._give_verdict()
                return

    @property
    def _look_again(self) -> bool:
        return self._error is not None and self._error.retryable

    async def _look(self, *, add: bool = True) -> list[Entry] | None:
        """Lee la lista y pone el libro al día; devuelve los eventos por resolver, o `None` si no se pudo leer."""
        try:
            listing = await self._backend.pending(self.transition)
        except BackendError as error:
            self._error = error
            _log.info("Lista de pendientes de %s: %s", self.transition.noun, error)
            return None
        self._error = listing.problem
        todo = self._ledger.read(listing.events, add=add)
        if listing.problem is None:
            shown = {id(entry) for entry in todo}
            self._settle_all([e for e in self._ledger.unsettled() if id(e) not in shown], Result.ALREADY_DONE)
        if not self._listed:
            self._listed = True
            render.log_found(self.transition, len(self._ledger))
        return todo

    async def _apply_all(self, todo: list[Entry], workers: int) -> float:
        """Aplica cada evento una vez, los más antiguos primero; devuelve los segundos que el backend pide esperar."""
        self._failures_in_a_row = 0
        queue = iter(todo)
        wait = (self._error and self._error.retry_after) or 0.0

        async def work(lane: int) -> None:
            nonlocal wait
            while not self._stop.is_set() and self._failures_in_a_row < MAX_FAILURES_IN_A_ROW:
                entry = next(queue, None)
                if entry is None:
                    return
                wait = max(wait, await self._apply(entry, lane))

        async with asyncio.TaskGroup() as group:
            for lane in range(min(workers, len(todo))):
                group.create_task(work(lane))
        return wait

    async def _apply(self, entry: Entry, lane: int) -> float:
        entry.attempts += 1
        render.log_attempt(self.transition, entry.event)
        try:
            status = await self._backend.apply(self.transition, entry.event, lane)
        except BackendError as error:
            entry.error = str(error)
            entry.denied = isinstance(error, Denied)
            if isinstance(error, Unanswered):
                entry.busy_until = asyncio.get_running_loop().time() + BUSY_TIMEOUTS * self._backend.timeout
            self._failures_in_a_row = self._failures_in_a_row + 1 if error.unwell else 0
            _log.info("Evento %s sin confirmar (intento %d): %s", entry.event.key, entry.attempts, error)
            return error.retry_after or 0.0
        self._failures_in_a_row = 0
        self._settle_all([entry], Result.DONE, status)
        return 0.0

    def _settle_all(self, entries: list[Entry], result: Result, status: str | None = None) -> None:
        now = datetime.now(UTC)
        for entry in entries:
            self._ledger.settle(entry, result, now, status)
            render.log_settled(self.transition, entry.event, result, entry.error)
            if self._watch:
                self._watch(self.transition, self._ledger.settled, len(self._ledger))

    def _busy(self, deadline: float) -> float:
        """Segundos hasta que se pueda pedir otra vez algo, si solo queda lo que quizá el backend tiene entre manos.

        Si no cabe antes del límite, 0: mejor mirar la lista unas veces más, por si acaba.
        """
        until = min((entry.busy_until for entry in self._ledger.unsettled()), default=0.0)
        return max(0.0, until - asyncio.get_running_loop().time()) if until < deadline else 0.0

    async def _back_off(self, wait: float, deadline: float) -> bool:
        """Espera antes de la ronda siguiente; `False` si no cabe antes del límite o hay que parar."""
        ceiling = FIRST_BACKOFF_SECONDS * 2 ** (self._rounds - 1)
        delay = max(wait, random.uniform(0, ceiling))  # noqa: S311  Solo reparte las esperas; no guarda ningún secreto.
        if asyncio.get_running_loop().time() + delay >= deadline:
            return False
        try:
            await asyncio.wait_for(self._stop.wait(), delay)
        except TimeoutError:
            return True
        return False

    async def _give_verdict(self) -> None:
        """La última mirada, que no aplica nada: lo que aún se ve ha fallado; lo que no, lo hizo alguien."""
        todo = await self._look(add=False)
        self._settle_all([entry for entry in todo or [] if entry.attempts], Result.FAILED)

    def report(self, cut: Cut | None) -> TransitionReport:
        """Cómo quedó la transición; lo que no se resolvió cuenta como `skipped`."""
        outcomes = self._ledger.outcomes(datetime.now(UTC))
        results = {outcome.result for outcome in outcomes}
        problems = dict(self._problems(cut, results))
        code = gravest(problems)
        return TransitionReport(self.transition, outcomes, self._rounds, problems.get(code), code)

    def _problems(self, cut: Cut | None, results: set[Result]) -> Iterator[tuple[ExitCode, str | None]]:
        if Result.FAILED in results:
            yield ExitCode.FAILED, None
        if Result.SKIPPED in results:
            yield ExitCode.TEMPFAIL, "quedaron eventos sin confirmar"
        if self._ledger.denial:
            yield ExitCode.NOPERM, self._ledger.denial
        where = f"lista de pendientes de {self.transition.noun}"
        if cut and not self._finished:
            yield ExitCode.TEMPFAIL, cut.reason if self._has_turn else f"otra pasada no acaba; {cut.reason}"
            if cut.by_deadline and self._rounds and not self._listed:
                yield ExitCode.UNAVAILABLE, f"{where}: no llegó; {cut.reason}"
        if self._error:
            yield self._error.code, f"{where}: {self._error}"
        if self._bug:
            yield ExitCode.SOFTWARE, self._bug
