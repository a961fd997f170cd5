"""El tic al que sirve una pasada: cuándo se lee la lista, y cuándo otra vez, para que el backend ya lo haya dado."""

import asyncio
from datetime import datetime

from estado_eventos.backend.clock import BackendClock, Sighting
from estado_eventos.domain import wall_clock
from estado_eventos.reconcile.deadline import Deadline

_DAY = 86400
_MARGIN_SECONDS = 0.03
"""Lo que se deja pasar del tic: dos relojes en hora se llevan milisegundos, y preguntar antes sería perderlo."""
_SLOW_SECONDS = 0.1
"""Una lista que tarda más pudo hacerse antes de que el backend diera el tic y llevar la fecha de después."""
_MAX_SHARE = 0.125
"""La parte de la pasada que se puede esperar a un tic que está al llegar: si luego no queda tiempo, no sirve."""
_STEP_SECONDS = 0.25
_WORTH_HALVING_SECONDS = 0.3
_MAX_LOOKS = 2


class HoldCutError(Exception):
    """La pasada acabó mientras esperaba su tic: no se ha pedido nada."""


def lead_seconds(interval: int) -> int:
    """Con cuántos segundos de adelanto empieza una pasada, para estar lista en el tic."""
    return 1 if interval < 30 else 2


def max_offset(interval: int) -> float:
    """Cuántos segundos puede ir atrasado el reloj del backend, como mucho, para que se le espere."""
    return interval / 3


def served_tick(now: float, interval: int) -> float:
    """El tic al que sirve una pasada que empieza en `now` (segundos desde 1970): el que está al llegar o el último.

    Los tics son los múltiplos del intervalo desde la medianoche UTC.
    """
    midnight = now - now % _DAY
    last = midnight + (now - midnight) // interval * interval
    following = min(last + interval, midnight + _DAY)
    return following if following - now <= lead_seconds(interval) else last


def look_again_at(tick: float, seen: Sighting, clock: BackendClock, looks: int, patience: float) -> float | None:
    """A qué hora nuestra leer la lista otra vez para que el backend haya dado el tic; `None` si ya lo dio en la leída.

    `looks` son las veces que ya se ha leído otra vez, y `patience`, los segundos que se le espera como mucho: a uno que
    va más atrasado, nada. La primera vez se lee a mitad de lo que no se sabe, que adelanta medio segundo; la segunda,
    cuando es seguro.
    """
    reached = seen.sent_at + clock.low >= tick
    likely = looks == 0 and seen.date >= tick and seen.took <= _SLOW_SECONDS
    if reached or likely or looks >= _MAX_LOOKS or -clock.high > patience:
        return None
    sure = min(tick - clock.low, tick + patience) + _MARGIN_SECONDS
    earliest = max(tick - clock.high, seen.received_at)
    if looks == 0 and seen.date < tick and sure - earliest > _WORTH_HALVING_SECONDS:
        return (earliest + sure) / 2
    return max(sure, seen.received_at)


class Tick:
    """El tic de una pasada, visto por una transición. Con `interval` 0 no hay ninguno: no se espera nunca."""

    def __init__(self, interval: int, clock: BackendClock, deadline: Deadline) -> None:
        """En `clock` se apunta la hora del backend."""
        self._interval = interval
        self._clock = clock
        self.deadline = deadline
        self._at = served_tick(wall_clock.epoch(), interval) if interval else 0.0
        self._looks = 0
        self.is_awaited = False
        """Si se espera a que el backend dé el tic, o a la lista de después."""
        self.was_held = False
        """Si se esperó al tic con la conexión abierta: el servidor pudo cerrarla."""

    def learn(self, seen: Sighting | None) -> datetime:
        """Apunta la hora que daba el backend; devuelve la que es allí, hasta donde se sabe."""
        self.is_awaited = False
        if seen:
            self._clock.learn(seen)
        return self._clock.now()

    async def hold(self) -> None:
        """Espera al tic, si está al llegar. Lanza `HoldCutError` si antes hay que acabar."""
        left = self._at - wall_clock.epoch()
        if self._interval and -_MARGIN_SECONDS < left <= self.deadline.seconds * _MAX_SHARE:
            self.was_held = True
            if not await self._wait_until(self._at + _MARGIN_SECONDS):
                raise HoldCutError

    async def ripen(self, seen: Sighting | None) -> bool:
        """Si la lista es de antes de que el backend diera el tic, espera a que lo dé: hay que leerla otra vez."""
        if seen is None or not self._interval:
            return False
        at = look_again_at(self._at, seen, self._clock, self._looks, max_offset(self._interval))
        left = (at or 0.0) - wall_clock.epoch()
        if at is None or asyncio.get_running_loop().time() + left >= self.deadline.last_start:
            return False
        self._looks += 1
        self.is_awaited = True
        return await self._wait_until(at)

    async def _wait_until(self, moment: float) -> bool:
        """Espera a que nuestro reloj dé esa hora, mirándolo cada poco; `False` si hay que acabar.

        Puede saltar: lo que se espera se mide además con el del bucle.
        """
        loop = asyncio.get_running_loop()
        limit = loop.time() + moment - wall_clock.epoch()
        while (left := min(moment - wall_clock.epoch(), limit - loop.time())) > 0:
            if await self.deadline.closes_within(min(left, _STEP_SECONDS)):
                return False
        return not self.deadline.closing.is_set()
