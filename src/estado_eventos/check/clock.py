"""Si el reloj del backend y el de esta máquina coinciden, y qué pasa si no."""

import asyncio
import math
import time
from collections.abc import Sequence

from estado_eventos.backend.clock import BackendClock
from estado_eventos.backend.errors import BackendError
from estado_eventos.backend.token import Token
from estado_eventos.check.findings import Finding, good, problem
from estado_eventos.check.probe import LastAnswer, probe
from estado_eventos.config.settings import Settings
from estado_eventos.domain.text import spoken_lag
from estado_eventos.domain.transitions import TRANSITIONS

_NOTABLE_SECONDS = 0.5
_GRAVE_SECONDS = 60
_EXACT_SECONDS = 10
_MAX_READS = 4


async def compare(settings: Settings, tokens: Sequence[Token], clock: BackendClock) -> Finding | None:
    """Lo que se dice de los relojes; `None` si el backend no da la hora.

    `Date` solo trae segundos enteros: si con lo leído no se sabe, se lee otra vez en el instante que lo decide.
    """
    if clock.offset is None:
        return None
    async with probe(settings, tokens, LastAnswer(clock)) as backend:
        for _ in range(_MAX_READS):
            if _is_known(clock):
                break
            await asyncio.sleep(_until_next_second(clock))
            try:
                await backend.status(backend.url + TRANSITIONS[0].list_path)
            except BackendError:
                break
    return _finding(clock.offset)


def _is_known(clock: BackendClock) -> bool:
    """Si se sabe ya si la diferencia es de las que se notan."""
    near = clock.low >= -_NOTABLE_SECONDS and clock.high <= _NOTABLE_SECONDS
    return near or clock.low >= _NOTABLE_SECONDS or clock.high <= -_NOTABLE_SECONDS


def _until_next_second(clock: BackendClock) -> float:
    """Cuánto falta para que allí cambie el segundo, si la diferencia fuera la de en medio de lo que cabe."""
    there = time.time() + (clock.low + clock.high) / 2
    return math.ceil(there) - there


def _finding(offset: float) -> Finding:
    away = abs(offset)
    if away < _NOTABLE_SECONDS:
        return good("clock", "Los relojes de esta máquina y del backend coinciden")
    spoken = f"{away:.1f} s".replace(".", ",") if away < _EXACT_SECONDS else spoken_lag(away)
    if offset < 0:
        message = (
            f"El reloj del backend va {spoken} atrasado respecto al de esta máquina: "
            f"los exámenes empiezan y acaban {spoken} más tarde de la hora"
        )
    else:
        message = (
            f"El reloj del backend va {spoken} adelantado respecto al de esta máquina: "
            f"según él, los exámenes empiezan y acaban {spoken} más tarde de su hora"
        )
    if away >= _GRAVE_SECONDS:
        message += "; y un token puede parecer caducado sin estarlo"
    return problem("clock", message, "Póngalos en hora, los dos: timedatectl set-ntp true")
