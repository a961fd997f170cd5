"""El límite de tiempo de una pasada."""

import asyncio
import math
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from estado_eventos.reconcile.signals import GRACE_SECONDS

_GRACE_SHARE = 0.1
"""La parte de la pasada que, si es menos que `GRACE_SECONDS`, se deja antes del límite a lo que está en camino."""

_LINGER_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Interruption:
    """Por qué se cortó la pasada antes de acabar."""

    reason: str
    by_deadline: bool


class Deadline:
    """Lo que para una pasada: su límite de tiempo, que una señal adelanta, con un solo `asyncio.timeout`.

    Poco antes del límite (`last_start`, hora del bucle) se pone `closing` y ya no se empieza nada: lo que siguiera en
    camino al cortar, otra pasada podría pedirlo encima.
    """

    def __init__(self, seconds: float, started: float) -> None:
        """El tiempo cuenta desde `started`, en el reloj de `time.monotonic`, que es el del bucle."""
        self.closing = asyncio.Event()
        self.last_start = math.inf
        self.seconds = seconds
        self._started = started
        self._timeout: asyncio.Timeout | None = None
        self._signal: signal.Signals | None = None

    @asynccontextmanager
    async def enforced(self) -> AsyncIterator[None]:
        """Mientras dura el bloque corre el tiempo; si se acaba, el bloque se corta sin error."""
        loop = asyncio.get_running_loop()
        end = self._started + self.seconds
        self.last_start = end - min(GRACE_SECONDS, self.seconds * _GRACE_SHARE)
        loop.call_at(self.last_start, self.closing.set)
        try:
            async with asyncio.timeout_at(end) as self._timeout:
                yield
        except TimeoutError:
            self.closing.set()

    async def closes_within(self, seconds: float) -> bool:
        """Espera esos segundos, o a que se cierre; dice si se cerró."""
        try:
            await asyncio.wait_for(self.closing.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def hasten(self, number: signal.Signals, at: float) -> None:
        """Acaba antes por una señal: la primera da un respiro a lo que está en camino; la segunda, ninguno."""
        limit = at + (0.0 if self._signal else GRACE_SECONDS)
        self._signal = number
        self.closing.set()
        if self._timeout:
            self._timeout.reschedule(min(limit, self._timeout.when() or limit))

    def linger(self) -> None:
        """Se alarga un instante: lo que llegó mientras el proceso estaba parado aún no lo ha leído nadie."""
        if self._timeout and not self._timeout.expired():
            self._timeout.reschedule(asyncio.get_running_loop().time() + _LINGER_SECONDS)

    @property
    def interruption(self) -> Interruption | None:
        """Por qué se cortó, si se cortó."""
        if self._signal:
            return Interruption(f"la interrumpió {self._signal.name}", by_deadline=False)
        if self.closing.is_set():
            return Interruption(f"se acabó el tiempo de la pasada ({self.seconds:g} s)", by_deadline=True)
        return None
