"""El bucle de una transición: leer la lista de pendientes, aplicar cada evento y volver a mirar hasta que no quede."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from estado_eventos.backend.client import Backend
from estado_eventos.backend.errors import BackendError, Denied, Unanswered
from estado_eventos.domain.exit_codes import ExitCode, gravest
from estado_eventos.domain.report import Result, TransitionReport
from estado_eventos.domain.transitions import Transition
from estado_eventos.output.logs import describe_bug
from estado_eventos.output.progress import ProgressCallback
from estado_eventos.reconcile import log
from estado_eventos.reconcile.deadline import Deadline, Interruption
from estado_eventos.reconcile.lock import PassLock
from estado_eventos.reconcile.plan import Plan
from estado_eventos.reconcile.tracker import TrackedEvent, Tracker

MAX_ROUNDS = 4
FIRST_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 5.0
MAX_FAILURES_IN_A_ROW = 10
BUSY_TIMEOUTS = 2
"""A quien no contestó en `HTTP_TIMEOUT` se le deja otras tantas veces ese tiempo antes de pedirle lo mismo."""


@dataclass(frozen=True, slots=True)
class Look:
    """Lo que se vio al leer una lista: lo que queda por hacer y, si no se pudo leer o no entera, por qué."""

    todo: Sequence[TrackedEvent] = ()
    problem: BackendError | None = None
    was_read: bool = True

    @property
    def may_improve(self) -> bool:
        """Si otra mirada puede enseñar más que esta."""
        return self.problem is not None and self.problem.retryable


class Reconciler:
    """Una transición a lo largo de una pasada. Se puede cortar cuando sea: `report` dice cómo quedó."""

    def __init__(
        self,
        transition: Transition,
        plan: Plan,
        backend: Backend,
        deadline: Deadline,
        progress: ProgressCallback | None = None,
    ) -> None:
        """Desde que `deadline` se cierra no se empieza nada nuevo."""
        self.transition = transition
        self._plan = plan
        self._backend = backend
        self._deadline = deadline
        self._progress = progress
        self._tracker = Tracker(plan.takes)
        self._rounds = 0
        self._has_lock = plan.dry_run
        self._listed = False
        self._finished = False
        self._seen = Look()
        self._bug: str | None = None
        self._failures_in_a_row = 0

    async def run(self, workers: int, lock: PassLock) -> None:
        """Hace la pasada con hasta `workers` peticiones a la vez, cuando le toque el turno.

        No lanza nada: un fallo del programa queda en el informe y no para a la otra transición.
        """
        log.log_job(self.transition)
        closing = self._deadline.closing
        names = [] if self._plan.dry_run else self._plan.locks(self._backend.url, self.transition)
        try:
            async with lock.hold_all(names, closing) as self._has_lock:
                if not self._has_lock:
                    return
                await self._converge(workers)
            for event in self._tracker.bad:
                log.log_settled(self.transition, event, Result.FAILED, event.problem)
            self._finished = not closing.is_set()
        except Exception as error:  # noqa: BLE001  La otra transición tiene que seguir pase lo que pase en esta.
            self._bug = describe_bug(error)

    async def _converge(self, workers: int) -> None:
        closing = self._deadline.closing
        if closing.is_set():
            return
        self._rounds = 1
        seen = await self._look()
        while (seen.was_read or seen.may_improve) and not closing.is_set():
            if self._plan.dry_run:
                self._settle_all(seen.todo, Result.PENDING)
                return
            wait = await self._apply_all(seen, workers)
            if not self._tracker.has_unsettled and not seen.may_improve:
                if not seen.todo or closing.is_set():
                    return
                # A todo se dijo que sí: la lista tiene la última palabra.
                seen = await self._look()
                if not seen.todo and seen.problem is None:
                    return
                if not any(tracked.attempts for tracked in seen.todo):
                    self._rounds += 1
                    continue
            if not await self._may_go_on(seen, wait):
                return
            self._rounds += 1
            seen = await self._look()

    async def _may_go_on(self, seen: Look, wait: float) -> bool:
        """Espera a la ronda siguiente; si no hay más, decide con una última mirada lo que quedó y dice `False`."""
        if self._rounds < MAX_ROUNDS and await self._back_off(max(wait, self._busy())):
            return True
        if seen.was_read and self._tracker.has_unsettled and not self._deadline.closing.is_set():
            await self._give_verdict()
        return False

    async def _look(self, *, add: bool = True) -> Look:
        """Lee la lista y pone al día lo que se sabe de cada evento."""
        self._seen = await self._read_list(add=add)
        if self._seen.problem and not self._seen.was_read:
            log.log_unread(self.transition, self._seen.problem)
        return self._seen

    async def _read_list(self, *, add: bool) -> Look:
        try:
            listing = await self._backend.pending(self.transition)
        except BackendError as error:
            return Look(problem=error, was_read=False)
        todo = self._tracker.read(listing.events, add=add)
        for tracked in todo:
            if tracked.result:
                self._tracker.reopen(tracked)
                log.log_unsettled(tracked.event, tracked.attempts, tracked.error)
        if listing.problem is None:
            shown = {id(tracked) for tracked in todo}
            gone = [tracked for tracked in self._tracker.unsettled() if id(tracked) not in shown]
            self._settle_all(gone, Result.ALREADY_DONE)
        if not self._listed:
            self._listed = True
            log.log_found(self.transition, len(self._tracker))
        return Look(todo, listing.problem)

    async def _apply_all(self, seen: Look, workers: int) -> float:
        """Aplica cada evento una vez, los más antiguos primero; devuelve los segundos que el backend pide esperar."""
        now = asyncio.get_running_loop().time()
        ready = [tracked for tracked in seen.todo if tracked.busy_until <= now]
        self._failures_in_a_row = 0
        queue = iter(ready)
        wait = (seen.problem and seen.problem.retry_after) or 0.0

        async def work(worker: int) -> None:
            nonlocal wait
            while not self._deadline.closing.is_set() and self._failures_in_a_row < MAX_FAILURES_IN_A_ROW:
                tracked = next(queue, None)
                if tracked is None:
                    return
                asked = await self._apply(tracked, worker)
                # Después de esperar: otro trabajador puede haberlo cambiado entretanto.
                wait = max(wait, asked)

        async with asyncio.TaskGroup() as group:
            for worker in range(min(workers, len(ready))):
                group.create_task(work(worker))
        return wait

    async def _apply(self, tracked: TrackedEvent, worker: int) -> float:
        tracked.attempts += 1
        log.log_attempt(self.transition, tracked.event)
        try:
            status = await self._backend.apply(self.transition, tracked.event, worker, again=tracked.attempts > 1)
        except BackendError as error:
            tracked.error = str(error)
            tracked.denied = isinstance(error, Denied)
            if isinstance(error, Unanswered):
                tracked.busy_until = asyncio.get_running_loop().time() + BUSY_TIMEOUTS * self._backend.timeout
            self._failures_in_a_row = self._failures_in_a_row + 1 if error.unwell else 0
            log.log_unsettled(tracked.event, tracked.attempts, error)
            return error.retry_after or 0.0
        self._failures_in_a_row = 0
        self._settle_all([tracked], Result.DONE, status)
        return 0.0

    def _settle_all(self, events: Sequence[TrackedEvent], result: Result, status: str | None = None) -> None:
        now = datetime.now(UTC)
        for tracked in events:
            self._tracker.settle(tracked, result, now, status)
            log.log_settled(self.transition, tracked.event, result, tracked.error)
            if self._progress:
                self._progress(self.transition, self._tracker.settled, len(self._tracker))

    def _busy(self) -> float:
        """Segundos hasta que se pueda pedir otra vez algo, si solo queda lo que quizá el backend tiene entre manos.

        Si no cabe antes del límite, 0: mejor mirar la lista unas veces más, por si acaba.
        """
        until = min((tracked.busy_until for tracked in self._tracker.unsettled()), default=0.0)
        return max(0.0, until - asyncio.get_running_loop().time()) if until < self._deadline.last_start else 0.0

    async def _back_off(self, wait: float) -> bool:
        """Espera antes de la ronda siguiente; `False` si no cabe antes del límite o hay que parar."""
        ceiling = min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** (self._rounds - 1))
        delay = max(wait, random.uniform(0, ceiling))  # noqa: S311  Solo reparte las esperas; no guarda ningún secreto.
        if asyncio.get_running_loop().time() + delay >= self._deadline.last_start:
            return False
        try:
            await asyncio.wait_for(self._deadline.closing.wait(), delay)
        except TimeoutError:
            return True
        return False

    async def _give_verdict(self) -> None:
        """La última mirada, que no aplica nada: lo que aún se ve ha fallado; lo que no, lo hizo alguien."""
        seen = await self._look(add=False)
        self._settle_all([tracked for tracked in seen.todo if tracked.attempts], Result.FAILED)

    def report(self, interruption: Interruption | None) -> TransitionReport:
        """Cómo quedó la transición; lo que no se resolvió cuenta como `skipped`."""
        outcomes = self._tracker.outcomes(datetime.now(UTC))
        results = {outcome.result for outcome in outcomes}
        problems = dict(self._problems(interruption, results))
        code = gravest(problems)
        return TransitionReport(self.transition, outcomes, self._rounds, problems.get(code), code)

    def _problems(self, cut: Interruption | None, results: set[Result]) -> Iterator[tuple[ExitCode, str | None]]:
        if Result.FAILED in results:
            yield ExitCode.FAILED, None
        if Result.SKIPPED in results:
            yield ExitCode.TEMPFAIL, "quedaron eventos sin confirmar"
        if self._tracker.denial:
            yield ExitCode.NOPERM, self._tracker.denial
        where = f"lista de pendientes de {self.transition.noun}"
        # Cortada sin la última mirada, vale lo que se contestó a cada evento.
        if cut and not self._finished and not (self._listed and not self._tracker.has_unsettled):
            yield ExitCode.TEMPFAIL, cut.reason if self._has_lock else f"otra pasada no acaba; {cut.reason}"
            if cut.by_deadline and self._rounds and not self._listed:
                yield ExitCode.UNAVAILABLE, f"{where}: no llegó; {cut.reason}"
        if self._seen.problem:
            yield self._seen.problem.code, f"{where}: {self._seen.problem}"
        if self._bug:
            yield ExitCode.SOFTWARE, self._bug
