"""El reloj del backend: lo que de él se sabe por el `Date` de sus respuestas, que solo trae segundos enteros."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from estado_eventos.domain import wall_clock


@dataclass(frozen=True, slots=True)
class Sighting:
    """Una respuesta que trae `Date`: qué segundo decía y entre qué dos momentos se escribió, en nuestro reloj.

    Las horas, en segundos desde 1970.
    """

    date: int
    sent_at: float
    received_at: float

    @property
    def took(self) -> float:
        """Los segundos que tardó en llegar."""
        return self.received_at - self.sent_at


def sight(headers: Mapping[str, str], sent_at: float, received_at: float) -> Sighting | None:
    """Lo que dice `Date`; `None` si no está o no se entiende."""
    moment = read_date(headers.get("date", ""))
    return Sighting(int(moment.timestamp()), sent_at, received_at) if moment else None


def read_date(value: str) -> datetime | None:
    """Una fecha de HTTP (RFC 9110 §5.6.7); `None` si no se entiende."""
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class BackendClock:
    """Entre qué límites está la diferencia del reloj del backend con el nuestro, en segundos; negativa, si atrasa.

    Cada respuesta los estrecha.
    """

    def __init__(self) -> None:
        """Aún no se sabe nada."""
        self.low, self.high = -math.inf, math.inf

    def learn(self, seen: Sighting) -> None:
        """Aprende de una respuesta. Si contradice lo que se sabía, un reloj ha saltado: vale lo último."""
        low, high = seen.date - seen.received_at, seen.date + 1 - seen.sent_at
        narrowed = max(low, self.low), min(high, self.high)
        self.low, self.high = narrowed if narrowed[0] <= narrowed[1] else (low, high)

    def now(self) -> datetime:
        """Qué hora es allí, hasta donde se sabe."""
        return wall_clock.now() + timedelta(seconds=self.offset or 0)

    @property
    def offset(self) -> float | None:
        """La diferencia: 0 si pueden coincidir y, si no, la mitad de lo que cabe; `None` si no se sabe."""
        if math.isinf(self.low):
            return None
        return 0.0 if self.low <= 0 <= self.high else round((self.low + self.high) / 2, 3)
