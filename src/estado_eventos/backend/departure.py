"""Cuándo sale una petición, y la espera de la que tiene que salir a una hora."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from estado_eventos.domain import wall_clock

Hold = Callable[[], Awaitable[None]]
"""Lo que se espera con la petición lista para salir: conectada, cifrada y firmada."""


class Departure:
    """La salida de una petición.

    Lo que espera no es culpa del servidor: ni gasta el tiempo que se le da ni cuenta en lo que tardó.
    """

    def __init__(self, seconds: float, hold: Hold | None) -> None:
        """`seconds` es lo que se da al servidor para contestar."""
        self.limit = asyncio.timeout(seconds)
        self.at = wall_clock.epoch()
        """Cuándo salió, en segundos desde 1970."""
        self.is_held = False
        """Si aún espera: no ha salido."""
        self._seconds = seconds
        self._hold = hold

    async def trace(self, step: str, details: Mapping[str, Any]) -> None:
        """Lo llama httpcore en cada paso de una petición (su extensión `trace`)."""
        # Por un proxy, la que pide el túnel va delante.
        if step != "http11.send_request_headers.started" or details["request"].method == b"CONNECT":
            return
        if self._hold:
            self.limit.reschedule(None)
            self.is_held = True
            await self._hold()
            self.is_held = False
            self.limit.reschedule(asyncio.get_running_loop().time() + self._seconds)
        self.at = wall_clock.epoch()
