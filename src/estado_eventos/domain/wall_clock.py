"""La hora de esta máquina: quien la necesita en una pasada la pregunta aquí."""

import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime

source: ContextVar[Callable[[], float]] = ContextVar("wall_clock", default=time.time)
"""Quien la da, en segundos desde 1970; una simulación pone el suyo a cada una de sus máquinas."""


def epoch() -> float:
    """Segundos desde 1970."""
    return source.get()()


def now() -> datetime:
    """Como fecha, en UTC."""
    return datetime.fromtimestamp(source.get()(), UTC)
