"""Qué se ejecuta y cada cuánto, y cómo se dice ese cuánto en systemd y en cron. Sin E/S."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import PurePath

from estado_eventos.report import CodedError, ExitCode

DEFAULT_NAME = "estado-eventos"
DEFAULT_EXECUTABLE = PurePath("/usr/local/bin/estado-eventos")
SETTINGS_DIRECTORY = PurePath("/etc/estado-eventos")
SYSTEM_USER = "estado-eventos"
GRACE_SECONDS = 5
"""Lo que systemd espera más allá del límite de la pasada: el arranque, los monitores y un margen."""

_HOUR, _DAY = 3600, 86400


class ScheduleError(CodedError):
    """No se puede instalar, quitar o mirar; el mensaje dice por qué y qué hacer."""

    def __init__(self, message: str, code: ExitCode = ExitCode.CONFIG) -> None:
        """`code` es el código de salida."""
        super().__init__(message)
        self.code = code


class IntervalError(ScheduleError):
    """Un intervalo que el planificador no sabe expresar; el mensaje dice el más cercano que sí."""


@dataclass(frozen=True, slots=True)
class Job:
    """Lo que hay que ejecutar y cada cuánto. `name` distingue varios backends en la misma máquina.

    `interval` y `deadline`, en segundos; `deadline` es el `PASS_TIMEOUT` con que se ejecuta.
    """

    name: str = DEFAULT_NAME
    executable: PurePath = DEFAULT_EXECUTABLE
    env_file: PurePath = SETTINGS_DIRECTORY / f"{DEFAULT_NAME}.env"
    interval: int = 60
    deadline: float = 48
    user: bool = False
    listen: str | None = None
    """Dónde contesta por HTTP, como lo escribe systemd (`0.0.0.0:8001`), o `None` si no contesta."""
    metrics_file: PurePath | None = None

    @property
    def unit(self) -> str:
        """El nombre de las unidades, del directorio de estado y del bloque de cron."""
        return unit_name(self.name)

    @property
    def timeout(self) -> int:
        """Cuándo mata systemd la pasada: siempre después de que se corte ella misma."""
        return math.ceil(self.deadline) + GRACE_SECONDS


def listen_address(host: str, port: int) -> str:
    """`HOST` y `PORT` como los quiere `ListenStream=`, que solo entiende direcciones. Lanza `ScheduleError`."""
    try:
        address = ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise ScheduleError(
            "HOST: systemd no resuelve nombres; ponga una dirección, como 0.0.0.0 o 127.0.0.1"
        ) from None
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def unit_name(name: str) -> str:
    """El nombre completo de un planificador: `aula2` es `estado-eventos-aula2`."""
    return DEFAULT_NAME if name == DEFAULT_NAME else f"{DEFAULT_NAME}-{name.removeprefix(f'{DEFAULT_NAME}-')}"


def calendar(interval: int) -> tuple[str, ...]:
    """Las líneas `OnCalendar=` que juntas dan un tic cada `interval` segundos, contados desde la medianoche UTC.

    Lanza `IntervalError`.
    """
    lines = _calendar(interval)
    if lines is None:
        raise IntervalError(_nearest(interval, "systemd", lambda other: _calendar(other) is not None))
    return lines


def _calendar(interval: int) -> tuple[str, ...] | None:
    if _DAY % interval == 0 and interval % _HOUR == 0:
        hours = interval // _HOUR
        return (f"*-*-* {'00' if hours == 24 else f'00/{hours}' if hours > 1 else '*'}:00:00 UTC",)
    if _DAY % interval == 0 and interval % 60 == 0:
        return tuple(_classes(interval // 60, 60, lambda hour, minutes: f"*-*-* {hour}:{minutes}:00 UTC"))
    if _HOUR % interval == 0:
        return tuple(_classes(interval, 60, lambda minute, seconds: f"*-*-* *:{minute}:{seconds} UTC"))
    return None


def _classes(step: int, size: int, line: Callable[[str, str], str]) -> Iterator[str]:
    """Los tics cada `step` repartidos en unidades de `size`: una línea por cada unidad distinta del ciclo."""
    cycle = math.lcm(step, size)
    period = cycle // size
    for unit in range(period):
        ticks = [tick % size for tick in range(0, cycle, step) if tick // size == unit]
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


def _nearest(interval: int, scheduler: str, works: Callable[[int], bool]) -> str:
    nearest = min((other for other in range(10, _DAY + 1) if works(other)), key=lambda other: abs(other - interval))
    return (
        f"SCHEDULER_INTERVAL_SECONDS: {scheduler} no sabe ejecutar algo cada {interval} s. "
        f"Lo más cercano que sabe es {nearest}"
    )
