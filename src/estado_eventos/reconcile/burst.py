"""Una ronda de peticiones: cada evento una vez, varios a la vez."""

import asyncio
from collections.abc import Callable, Sequence

from estado_eventos.backend.client import Backend
from estado_eventos.backend.errors import BackendError, Unanswered
from estado_eventos.domain.transitions import Transition
from estado_eventos.reconcile import log
from estado_eventos.reconcile.deadline import Deadline
from estado_eventos.reconcile.tracker import TrackedEvent
from estado_eventos.reconcile.workers import share_out

_MAX_FAILURES_IN_A_ROW = 10
_BUSY_TIMEOUTS = 2
"""A quien no contestó en `HTTP_TIMEOUT` se le deja otras tantas veces ese tiempo antes de pedirle lo mismo."""


class Burst:
    """Las peticiones de una ronda; a un backend que se cae no se le martillea."""

    def __init__(
        self,
        transition: Transition,
        backend: Backend,
        deadline: Deadline,
        on_attempt: Callable[[TrackedEvent], None],
        on_done: Callable[[TrackedEvent, str], None],
    ) -> None:
        """Antes de cada intento se avisa a `on_attempt`, y de cada sí, a `on_done`, con el estado en que quedó.

        Desde que `deadline` se cierra no se pide nada más.
        """
        self._transition = transition
        self._backend = backend
        self._deadline = deadline
        self._on_attempt = on_attempt
        self._on_done = on_done
        self._failures_in_a_row = 0
        self.free_at = 0.0
        """La hora del bucle antes de la cual alguna respuesta pide que no se vuelva."""

    async def apply(self, events: Sequence[TrackedEvent], workers: int) -> None:
        """Pide cada evento una vez, en ese orden y con hasta `workers` a la vez; cómo fue, lo apunta en cada uno."""
        await share_out(events, workers, self._apply, self._may_go_on)

    def _may_go_on(self) -> bool:
        return not self._deadline.closing.is_set() and self._failures_in_a_row < _MAX_FAILURES_IN_A_ROW

    async def _apply(self, tracked: TrackedEvent, worker: int) -> None:
        tracked.attempts += 1
        self._on_attempt(tracked)
        try:
            status = await self._backend.apply(self._transition, tracked.event, worker, again=tracked.attempts > 1)
        except BackendError as error:
            self._note(tracked, error)
        else:
            self._failures_in_a_row = 0
            self._on_done(tracked, status)

    def _note(self, tracked: TrackedEvent, error: BackendError) -> None:
        now = asyncio.get_running_loop().time()
        tracked.fail(error)
        if isinstance(error, Unanswered):
            tracked.busy_until = now + _BUSY_TIMEOUTS * self._backend.timeout
        self._failures_in_a_row = self._failures_in_a_row + 1 if error.unwell else 0
        self.free_at = max(self.free_at, now + (error.retry_after or 0.0))
        log.log_unsettled(tracked.event, tracked.attempts, error)
