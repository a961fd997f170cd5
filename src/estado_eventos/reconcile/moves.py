"""Lo que lleva movido una transición, para la que va detrás."""

import asyncio
from contextlib import suppress

_PATIENCE_SECONDS = 1.0


class Moves:
    """Empezar un evento puede hacer que le toque acabar: quien acaba eventos mira aquí qué hace quien los empieza."""

    def __init__(self) -> None:
        """Aún nada, y ya está en ello."""
        self.count = 0
        self._ended = False
        self._news = asyncio.Event()
        self._rest = asyncio.Event()

    def begin(self) -> None:
        """Empieza una ronda."""
        self._rest.clear()

    def tell(self, count: int) -> None:
        """Acaba una ronda, o una mirada; van `count` en total."""
        self.count = count
        self._rest.set()
        self._news.set()

    def end(self) -> None:
        """Ya no habrá más."""
        self._ended = True
        self.tell(self.count)

    async def rest(self) -> None:
        """Espera un poco a que acabe la ronda que esté en marcha: así, una mirada vale por dos."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._rest.wait(), _PATIENCE_SECONDS)

    async def more_than(self, count: int) -> bool:
        """Espera a que sean más de `count`; `False` si ya no lo serán."""
        while self.count <= count and not self._ended:
            self._news.clear()
            await self._news.wait()
        return self.count > count
