"""Lo que se espera entre dos rondas."""

import asyncio
import random

from estado_eventos.reconcile.deadline import Deadline

_FIRST_SECONDS, _MAX_SECONDS = 0.5, 5.0
_LEAST_SECONDS = 0.5
"""Con menos tiempo por delante, ya no se empieza otra ronda."""


class Backoff:
    """Esperas cada vez más largas, al azar para que dos máquinas no vayan a la vez, y nunca más allá del límite."""

    def __init__(self, deadline: Deadline) -> None:
        """La primera, de medio segundo como mucho."""
        self._deadline = deadline
        self._ceiling = _FIRST_SECONDS
        self._free_at = 0.0

    def heed(self, seconds: float) -> None:
        """Lo último que se leyó pide esos segundos; lo que se pidió antes ya no cuenta."""
        self._free_at = asyncio.get_running_loop().time() + seconds

    def postpone(self, moment: float) -> None:
        """Alguna respuesta pide que no se vuelva antes de esa hora del bucle."""
        self._free_at = max(self._free_at, moment)

    async def wait(self, busy_until: float = 0.0) -> bool:
        """Espera un rato, o lo que se haya pedido si es más; `False` si no cabe antes del límite o hay que acabar.

        Hasta `busy_until` no habrá nada que pedir: si eso no cabe, mejor mirar la lista unas veces más, por si acaba.
        """
        now = asyncio.get_running_loop().time()
        left = self._deadline.last_start - now
        # Con lo que queda a medias: la última ronda, cerca del final y no cinco segundos antes.
        luck = random.uniform(0, min(self._ceiling, left / 2))  # noqa: S311  Solo reparte las esperas.
        busy = busy_until - now if busy_until < self._deadline.last_start else 0.0
        delay = max(self._free_at - now, busy, luck)
        self._ceiling = min(2 * self._ceiling, _MAX_SECONDS)
        if left < _LEAST_SECONDS or delay >= left:
            return False
        return not await self._deadline.closes_within(delay)

    async def rest(self) -> None:
        """Espera lo que se haya pedido, si cabe antes del límite."""
        left = self._free_at - asyncio.get_running_loop().time()
        if left > 0 and self._free_at < self._deadline.last_start:
            await self._deadline.closes_within(left)
