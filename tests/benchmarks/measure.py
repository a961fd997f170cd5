"""Ejecutar procesos por turnos y contar lo que cuestan: las dos mitades de una razón ven la misma máquina."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PROGRAM = (str(Path(sys.executable).with_name("estado-eventos")),)


@dataclass(frozen=True, slots=True)
class Cost:
    """Lo que gastó un proceso: segundos de CPU y de reloj, y MiB de memoria en su peor momento."""

    cpu: float
    wall: float
    peak: float


@dataclass(frozen=True, slots=True)
class Row:
    """Una fila de la tabla: qué se midió, cuánto dio y qué se había prometido."""

    what: str
    measured: str
    budget: str = "–"


def run(command: Sequence[str], **env: object) -> Cost:
    """Ejecuta un mandato y cuenta lo que gastó; el código de salida tiene que ser 0."""
    variables = {"PATH": os.environ["PATH"], **{name: str(value) for name, value in env.items()}}
    started = time.perf_counter()
    process = subprocess.Popen(command, env=variables, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} acabó con {process.returncode}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)


def alternate(first: Sequence[str], second: Sequence[str], times: int, **env: object) -> tuple[list[Cost], list[Cost]]:
    """Ejecuta los dos mandatos por turnos, después de una vez de cada uno que no cuenta."""
    run(first, **env)
    run(second, **env)
    pairs = [(run(first, **env), run(second, **env)) for _ in range(times)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def median_ratio(first: Sequence[float], second: Sequence[float]) -> float:
    """La mediana de las razones, pareja a pareja."""
    return statistics.median(one / other for one, other in zip(first, second, strict=True))


def median(costs: Sequence[Cost], figure: str) -> float:
    """La mediana de una de las cifras."""
    figures: list[float] = [getattr(cost, figure) for cost in costs]
    return statistics.median(figures)
