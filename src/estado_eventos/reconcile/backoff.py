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

    async def wait(self, at_least: float = 0.0) -> bool:
        """Espera `at_least` segundos o más; `False` si no cabe antes del límite o hay que acabar."""
        left = self._deadline.last_start - asyncio.get_running_loop().time()
        # Con lo que queda a medias: la última ronda, cerca del final y no cinco segundos antes.
        luck = random.uniform(0, min(self._ceiling, left / 2))  # noqa: S311  Solo reparte las esperas.
        delay = max(at_least, luck)
        self._ceiling = min(2 * self._ceiling, _MAX_SECONDS)
        if left < _LEAST_SECONDS or delay >= left:
            return False
        return not await self._deadline.closes_within(delay)
