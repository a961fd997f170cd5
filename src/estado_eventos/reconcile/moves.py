"""Lo que lleva movido una transición, para la que va detrás."""

import asyncio


class Moves:
    """Empezar un evento puede hacer que le toque acabar: quien acaba eventos espera aquí a quien los empieza."""

    def __init__(self) -> None:
        """Aún nada."""
        self._count = 0
        self._ended = False
        self._news = asyncio.Event()

    def tell(self, count: int) -> None:
        """Van `count` en total."""
        self._count = count
        self._news.set()

    def end(self) -> None:
        """Ya no habrá más."""
        self._ended = True
        self._news.set()

    async def more_than(self, count: int) -> int:
        """Espera a que sean más de `count` y dice cuántos; 0 si ya no lo serán."""
        while self._count <= count:
            if self._ended:
                return 0
            self._news.clear()
            await self._news.wait()
        return self._count
