"""Ejecutar procesos por turnos y contar lo que cuestan: las dos mitades de una razón ven la misma máquina."""

import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_VENVS = Path(__file__).parents[2] / "build" / "bench"
PYTHON = str(_VENVS / "program" / "bin" / "python")
"""El de un entorno con el programa y nada más, como lo deja pipx: lo que hay instalado al lado cambia la cuenta."""
PROGRAM = (str(_VENVS / "program" / "bin" / "estado-eventos"),)
IMPORTS = "import typer, httpx, pydantic_settings, rich"
"""Los cuatro paquetes, con lo que se compara una pasada."""
RUN_ONCE, START = ((*PROGRAM, command, "--quiet") for command in ("run-once", "start"))
OTHERS_PYTHON = str(_VENVS / "resident" / "bin" / "python")
"""El de un entorno con lo que se compara: el servicio residente, httpx y aiohttp."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Lo que gastó un proceso: segundos de CPU y de reloj, y MiB de memoria en su peor momento."""

    cpu: float
    wall: float
    peak: float


class Row(NamedTuple):
    """Una fila de la tabla: qué se midió, cuánto dio, qué se había prometido y si se cumple."""

    what: str
    measured: str
    budget: str = "–"
    kept: bool = True

    @property
    def verdict(self) -> str:
        """Lo prometido, señalado si no se cumple."""
        return self.budget if self.kept else f"{self.budget} ✗"


def at_most(what: str, value: float, limit: float, unit: str = "", measured: str = "{:.2f}") -> Row:
    """La fila de algo que no debe pasar de un límite."""
    return Row(what, spoken(measured.format(value)) + unit, f"≤ {spoken(f'{limit:g}')}{unit}", value <= limit)


def at_least(what: str, value: float, limit: float) -> Row:
    """La fila de algo que tiene que llegar a una cifra."""
    return Row(what, spoken(f"{value:.1f}"), f"≥ {limit:g}", value >= limit)


def spoken(figures: str) -> str:
    """Unas cifras como se escriben en español: con coma."""
    return figures.replace(".", ",")


# Entre este proceso y el que se mide: la memoria de quien se bifurca cuenta como suya, y la de este es grande.
_LAUNCHER = """
import os, sys, time
quiet = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
started = time.perf_counter()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, usage = os.wait4(pid, 0)
wall = time.perf_counter() - started
print(os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)
"""


def environment(variables: Mapping[str, object]) -> dict[str, str]:
    """El entorno de lo que se mide: esas variables y nada más."""
    return {"PATH": os.environ["PATH"], **{name: str(value) for name, value in variables.items()}}


def run(
    command: Sequence[str], env: Mapping[str, object], code: int | None = 0, before: Callable[[], object] | None = None
) -> Cost:
    """Ejecuta un mandato, después de `before`, y cuenta lo que gastó; tiene que acabar con ese código, si se dice."""
    if before:
        before()
    launch = [sys.executable, "-I", "-S", "-c", _LAUNCHER, *command]
    told = subprocess.run(launch, env=environment(env), cwd="/", check=True, stdout=subprocess.PIPE).stdout.split()
    if code not in {int(told[0]), None}:
        raise RuntimeError(f"{command} acabó con {int(told[0])}")
    return Cost(*map(float, told[1:]))


def alternate(
    first: Sequence[str],
    second: Sequence[str],
    times: int,
    env: Mapping[str, object],
    before: Callable[[], object] | None = None,
) -> tuple[list[Cost], list[Cost]]:
    """Ejecuta los dos mandatos por turnos, después de una vez de cada uno que no cuenta."""
    run(first, env, before=before)
    run(second, env, before=before)
    pairs = [(run(first, env, before=before), run(second, env, before=before)) for _ in range(times)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def median_ratio(first: Sequence[Cost], second: Sequence[Cost], figure: str) -> float:
    """La mediana de las razones de una cifra, pareja a pareja."""
    pairs = zip(_figures(first, figure), _figures(second, figure), strict=True)
    return statistics.median([one / other for one, other in pairs])


def median(costs: Sequence[Cost], figure: str) -> float:
    """La mediana de una de las cifras."""
    return statistics.median(_figures(costs, figure))


def _figures(costs: Sequence[Cost], figure: str) -> list[float]:
    return [getattr(cost, figure) for cost in costs]
