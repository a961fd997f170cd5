"""Cada cuánto se ejecuta, como lo escriben systemd y cron. Sin E/S."""

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from estado_eventos.reconcile.tick import lead_seconds
from estado_eventos.schedule.job import ScheduleError

_HOUR, _DAY = 3600, 86400


class IntervalError(ScheduleError):
    """Un intervalo que el planificador no sabe expresar; el mensaje dice el más cercano que sí."""


def calendar(interval: int) -> tuple[str, ...]:
    """Las líneas `OnCalendar=` que juntas empiezan una pasada `lead_seconds` antes de cada tic.

    Hay un tic cada `interval` segundos, contados desde la medianoche UTC. Lanza `IntervalError`.
    """
    lines = _calendar(interval)
    if lines is None:
        raise IntervalError(_nearest(interval, "systemd", lambda other: _calendar(other) is not None))
    return lines


def _calendar(interval: int) -> tuple[str, ...] | None:
    lead = lead_seconds(interval)
    if _DAY % interval == 0 and interval % _HOUR == 0:
        hours = interval // _HOUR
        which = "*" if hours == 1 else f"{hours - 1:02d}" if hours == 24 else f"{hours - 1:02d}/{hours}"
        return (f"*-*-* {which}:59:{60 - lead} UTC",)
    if _DAY % interval == 0 and interval % 60 == 0:
        lines = _classes(interval // 60, 60, 1, lambda hour, minutes: f"*-*-* {hour}:{minutes}:{60 - lead} UTC")
        return tuple(lines)
    if _HOUR % interval == 0:
        return tuple(_classes(interval, 60, lead, lambda minute, seconds: f"*-*-* *:{minute}:{seconds} UTC"))
    return None


def _classes(step: int, size: int, early: int, line: Callable[[str, str], str]) -> Iterator[str]:
    """Los múltiplos de `step`, menos `early`, en unidades de `size`: una línea por cada unidad distinta del ciclo."""
    cycle = math.lcm(step, size)
    period = cycle // size
    starts = sorted((tick - early) % cycle for tick in range(0, cycle, step))
    for unit in range(period):
        ticks = [start % size for start in starts if start // size == unit]
        if ticks:
            which = "*" if period == 1 else f"{unit:02d}/{period}"
            yield line(which, _field(ticks, step, size))


def _field(ticks: list[int], step: int, size: int) -> str:
    if len(ticks) == size:
        return "*"
    return f"{ticks[0]:02d}/{step}" if len(ticks) > 1 else f"{ticks[0]:02d}"


def cron_fields(interval: int) -> str:
    """Los cinco campos de cron para un tic cada `interval` segundos. Lanza `IntervalError`."""
    fields = _cron_fields(interval)
    if fields is None:
        raise IntervalError(_nearest(interval, "cron", lambda other: _cron_fields(other) is not None))
    return fields


def _cron_fields(interval: int) -> str | None:
    if interval % 60 or _DAY % interval:
        return None
    minutes, hours = interval // 60, interval // _HOUR
    if interval < _HOUR:
        return (f"*/{minutes} * * * *" if minutes > 1 else "* * * * *") if _HOUR % interval == 0 else None
    if interval % _HOUR:
        return None
    return "0 0 * * *" if interval == _DAY else f"0 */{hours} * * *" if hours > 1 else "0 * * * *"


def next_cron_tick(fields: Sequence[str], now: datetime) -> datetime | None:
    """Cuándo ejecutará cron una línea con esos cinco campos, en la hora de pared; `None` si no se sabe leerlos."""
    try:
        minutes, hours = _cron_values(fields[0], 60), _cron_values(fields[1], 24)
    except (ValueError, IndexError):
        return None
    if list(fields[2:5]) != ["*"] * 3:
        return None
    moment = now.replace(second=0, microsecond=0)
    ticks = (moment + timedelta(minutes=ahead) for ahead in range(1, _DAY // 60 + 61))
    return next((tick for tick in ticks if tick.minute in minutes and tick.hour in hours), None)


def _cron_values(field: str, size: int) -> set[int]:
    """Los valores de un campo de cron: `*`, `*/5`, `7`, `1-5` o varios de ellos separados por comas."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, dash, last = ("0", "-", str(size - 1)) if span == "*" else span.partition("-")
        found.update(range(int(first), int(last if dash else first) + 1, int(step or 1)))
    return found


def _nearest(interval: int, scheduler: str, works: Callable[[int], bool]) -> str:
    nearest = next(
        other
        for distance in range(_DAY)
        for other in (interval - distance, interval + distance)
        if 10 <= other <= _DAY and works(other)
    )
    return (
        f"SCHEDULER_INTERVAL_SECONDS: {scheduler} no sabe ejecutar algo cada {interval} s. "
        f"Lo más cercano que sabe es {nearest}"
    )
