"""Cuántas instrucciones cuesta arrancar: no dependen de lo ocupada que esté la máquina."""

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence

from tests.benchmarks.answers import answering, ask
from tests.benchmarks.measure import IMPORTS, PYTHON, RUN_ONCE, Row, environment
from tests.benchmarks.stub import serving

_COUNT = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")


def measure() -> list[Row]:
    """Lo que ejecuta un proceso de cada clase, en millones de instrucciones."""
    if not shutil.which(_COUNT[0]):
        return [Row("instrucciones", "sin medir: falta valgrind")]
    with serving() as stub:
        counts = {
            "Python, vacío": _count([PYTHON, "-c", ""], {}),
            f"`{IMPORTS}`": _count([PYTHON, "-c", IMPORTS], {}),
            "una pasada sin eventos, entera, por http": _count(RUN_ONCE, stub.settings()),
            "ídem, por https": _count(RUN_ONCE, stub.settings(https=True)),
            "contestar al primer `GET /health`, entero": _count_first_answer(),
        }
    return [Row(what, f"{count / 1e6:.0f} millones de instrucciones") for what, count in counts.items()]


def _count(command: Sequence[str], env: Mapping[str, object]) -> int:
    variables = environment(env)
    # La primera vez se compila lo que haga falta, y eso no cuenta.
    subprocess.run(command, env=variables, cwd="/", check=True, capture_output=True)
    counted = subprocess.run([*_COUNT, *command], env=variables, cwd="/", check=True, capture_output=True, text=True)
    return _read(counted.stderr)


def _count_first_answer() -> int:
    with answering(*_COUNT) as (process, listener):
        ask(listener)
        process.terminate()
        return _read(process.communicate()[1])


def _read(told: str) -> int:
    found = re.search(r"I\s+refs:\s+([\d,]+)", told)
    assert found, told
    return int(found[1].replace(",", ""))
