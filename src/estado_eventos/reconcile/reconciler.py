"""El bucle de una transición: leer la lista de pendientes, aplicar cada evento y volver a mirar hasta que no quede."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from estado_eventos.backend.client import Backend
from estado_eventos.backend.departure import Hold
from estado_eventos.backend.errors import BackendError
from estado_eventos.domain import wall_clock
from estado_eventos.domain.exit_codes import gravest
from estado_eventos.domain.report import Result, TransitionReport
from estado_eventos.domain.transitions import Transition
from estado_eventos.output.logs import describe_bug
from estado_eventos.reconcile import log
from estado_eventos.reconcile.backoff import Backoff
from estado_eventos.reconcile.burst import Burst
from estado_eventos.reconcile.deadline import Interruption
from estado_eventos.reconcile.ending import Ending
from estado_eventos.reconcile.lock import PassLock
from estado_eventos.reconcile.look import Look
from estado_eventos.reconcile.moves import Moves
from estado_eventos.reconcile.plan import Plan
from estado_eventos.reconcile.tick import HoldCutError, Tick
from estado_eventos.reconcile.tracker import TrackedEvent, Tracker

if TYPE_CHECKING:
    from estado_eventos.output.progress import ProgressCallback


class Reconciler:
    """Una transición a lo largo de una pasada. Se puede cortar cuando sea: `report` dice cómo quedó."""

    def __init__(self, transition: Transition, plan: Plan, backend: Backend, tick: Tick, before: Moves | None) -> None:
        """`before` es lo que mueve la transición anterior: puede hacer que aquí venza algo. `tick` trae el límite."""
        self.transition = transition
        self.tracker = Tracker(plan.takes)
        self.moves = Moves()
        self._plan = plan
        self.backend = backend
        self.deadline = tick.deadline
        self._tick = tick
        self._before = before
        self._followed = self._caught_up = 0
        self.progress: ProgressCallback | None = None
        """A quien se cuenta cómo va."""
        self._backoff = Backoff(tick.deadline)
        self._rounds = 0
        self._has_lock = True
        self._was_listed = False
        self._finished = False
        self._seen = Look()
        self._unread: str | None = None
        self._bug: str | None = None
        self.expect: Callable[[TrackedEvent], None] | None = None
        """A quien se avisa antes de pedir un evento."""

    async def run(self, workers: int, lock: PassLock) -> None:
        """Hace la pasada con hasta `workers` peticiones a la vez, cuando le toque el turno.

        No lanza nada: un fallo del programa queda en el informe y no para a la otra transición.
        """
        log.log_job(self.transition)
        closing = self.deadline.closing
        names = [] if self._plan.dry_run else self._plan.locks(self.backend.url, self.transition)
        try:
            self._has_lock = not names
            async with lock.hold_all(names, closing) as self._has_lock:
                if not self._has_lock:
                    return
                await self._converge(workers, self._tick.hold)
                # Empezar un evento puede hacer que le toque acabar: se mira otra vez después.
                while self._before and not closing.is_set() and await self._before.more_than(self._followed):
                    await self._backoff.rest()
                    await self._converge(workers)
            for event in self.tracker.bad:
                log.log_settled(self.transition, event, Result.FAILED, event.problem)
            if self._plan.standby_seconds:
                log.log_standby(self.transition, self.tracker.moved)
            self._finished = not closing.is_set()
        except Exception as error:  # noqa: BLE001  La otra transición tiene que seguir pase lo que pase en esta.
            self._bug = describe_bug(error)
        finally:
            self.moves.end()

    async def _converge(self, workers: int, hold: Hold | None = None) -> None:
        if self.deadline.closing.is_set():
            return
        self._rounds = self._rounds or 1
        seen: Look | None = await self._look(hold)
        if self._tick.was_held and hold and seen and seen.was_cut and not self.deadline.closing.is_set():
            # La conexión esperó al tic abierta y el servidor pudo cerrarla: eso no es estar mal.
            seen = await self._look()
        while seen and (seen.was_read or seen.may_improve) and not self.deadline.closing.is_set():
            if self._plan.dry_run:
                self._settle_all(seen.todo, Result.PENDING)
                return
            await self._apply_all(seen, workers)
            seen = await self._next(seen)

    async def _next(self, seen: Look) -> Look | None:
        """La mirada de la ronda siguiente, cuando toque; `None` si no hay más que hacer."""
        if not self.tracker.has_unsettled and not seen.may_improve:
            confirmed = await self._confirm(seen)
            if confirmed is None or not any(tracked.attempts for tracked in confirmed.todo):
                return confirmed
            seen = confirmed
        if seen.may_improve or self.tracker.may_improve:
            if await self._back_off(seen):
                return await self._look_again()
            await self._give_verdict(seen)
            return None
        if not self.tracker.has_unsettled or self.deadline.closing.is_set():
            return None
        # A lo que queda se negó ya todas las veces: falla, si la lista lo sigue enseñando.
        seen = await self._look()
        self._rounds += bool(seen.todo)
        return seen

    async def _confirm(self, seen: Look) -> Look | None:
        """A todo se dijo que sí, o no había nada: la lista tiene la última palabra. `None` si no enseña nada más."""
        if await self._tick.ripen(seen.sighting):
            return await self._look_again()
        if seen.todo and self._before and not self.deadline.closing.is_set():
            await self._before.rest()
        if not seen.todo or self.deadline.closing.is_set():
            return None
        seen = await self._look()
        if not seen.todo and seen.problem is None:
            return None
        self._rounds += 1
        return seen

    @property
    def _is_owed_a_look(self) -> bool:
        """Si falta por leer la lista: la primera, la de después del tic del backend o la de lo que hizo vencer otra."""
        behind = self._before is not None and self._before.count > self._caught_up
        return not self._was_listed or self._tick.is_awaited or behind

    @property
    def list_is_known(self) -> bool:
        """Si la última lista se leyó entera."""
        return self._was_listed and self._seen.was_read and self._seen.problem is None

    async def _look_again(self) -> Look:
        self._rounds += 1
        return await self._look()

    async def _look(self, hold: Hold | None = None, *, add: bool = True) -> Look:
        """Lee la lista y pone al día lo que se sabe de cada evento; sin `add`, solo de los que ya se conocían."""
        self._followed = self._before.count if self._before else 0
        self._seen = await self._read_list(hold, add=add)
        self._caught_up = self._followed if self._seen.was_read else self._caught_up
        problem = self._seen.problem
        self._backoff.heed((problem and problem.retry_after) or 0.0)
        if problem and not self._seen.was_read and str(problem) != self._unread:
            log.log_unread(self.transition, problem)
        self._unread = str(problem)
        self.moves.tell(self.tracker.moved)
        return self._seen

    async def _read_list(self, hold: Hold | None, *, add: bool) -> Look:
        asked_at = asyncio.get_running_loop().time()
        try:
            listing = await self.backend.pending(self.transition, hold)
        except BackendError as error:
            return Look(problem=error, was_read=False)
        except HoldCutError:
            return Look(was_read=False)
        todo = self.tracker.read(listing.events, self._tick.learn(listing.sighting), add=add)
        for tracked in todo:
            if tracked.result:
                self.tracker.reopen(tracked)
                log.log_unsettled(tracked.event, tracked.attempts, tracked.error)
        self._settle_all([tracked for tracked in todo if tracked.is_hopeless], Result.FAILED)
        if listing.problem is None:
            self._settle_all(self.tracker.gone, Result.ALREADY_DONE)
        if not self._was_listed:
            self._was_listed = True
            log.log_found(self.transition, len(self.tracker))
        left = [tracked for tracked in todo if not tracked.result]
        return Look(left, listing.problem, sighting=listing.sighting, asked_at=asked_at)

    async def _apply_all(self, seen: Look, workers: int) -> None:
        """Pide cada evento una vez, los más antiguos primero."""
        ready = [tracked for tracked in seen.todo if tracked.busy_until <= seen.asked_at]
        if self._plan.standby_seconds:
            # La principal, si aún va, empezó por los más antiguos: así solo se cruzan una vez.
            ready.reverse()
        self.moves.begin()
        burst = Burst(self.transition, self.backend, self.deadline, self._on_attempt, self._on_done)
        await burst.apply(ready, workers)
        self.moves.tell(self.tracker.moved)
        self._backoff.postpone(burst.free_at)

    def _on_attempt(self, tracked: TrackedEvent) -> None:
        log.log_attempt(self.transition, tracked.event)
        if self.expect:
            self.expect(tracked)

    def _on_done(self, tracked: TrackedEvent, status: str) -> None:
        self._settle_all([tracked], Result.DONE, status)

    def _settle_all(self, events: Sequence[TrackedEvent], result: Result, status: str | None = None) -> None:
        now = wall_clock.now()
        for tracked in events:
            self.tracker.settle(tracked, result, now, status)
            log.log_settled(self.transition, tracked.event, result, tracked.error, tracked.attempts)
            self._tell_progress()

    def _tell_progress(self, waiting: str = "") -> None:
        if self.progress:
            self.progress(self.transition, self.tracker.settled, len(self.tracker), waiting)

    async def _back_off(self, seen: Look) -> bool:
        """Espera antes de la ronda siguiente; `False` si no cabe antes del límite o hay que parar."""
        self._tell_progress(f"se espera al backend ({seen.reason})")
        return await self._backoff.wait(self.tracker.free_at)

    async def _give_verdict(self, seen: Look) -> None:
        """La última mirada, que no aplica nada: lo que aún se ve ha fallado; lo que no, lo hizo alguien."""
        if seen.was_read and self.tracker.has_unsettled and not self.deadline.closing.is_set():
            seen = await self._look(add=False)
            self._settle_all([tracked for tracked in seen.todo if tracked.attempts], Result.FAILED)

    def report(self, interruption: Interruption | None) -> TransitionReport:
        """Cómo quedó la transición; lo que no se resolvió cuenta como `skipped`."""
        outcomes = self.tracker.outcomes(wall_clock.now())
        # Cortada sin la última mirada, vale lo que se contestó a cada evento; no, si aún podía enseñar algo nuevo.
        is_whole = self._finished or not (self._is_owed_a_look or self.tracker.has_unsettled)
        ending = Ending(
            transition=self.transition,
            results={outcome.result for outcome in outcomes},
            cut=None if is_whole else interruption,
            has_lock=self._has_lock,
            waits_for_list=bool(self._rounds) and not self._was_listed,
            unread=self._seen.problem,
            denial=self.tracker.denial,
            bug=self._bug,
        )
        code = gravest(problems := dict(ending.problems()))
        return TransitionReport(self.transition, outcomes, self._rounds, problems.get(code), code)
