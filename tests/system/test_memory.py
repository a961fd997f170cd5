"""Poca memoria."""

import json
import resource
from pathlib import Path

import pytest

from tests.support.faults import FaultyServer
from tests.support.obliging import crowd
from tests.support.processes import MEMORY, NO_COVERAGE, limit
from tests.support.program import run
from tests.support.reactions import answer


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1000])
def test_a_pass_fits_in_64_mebibytes(tmp_path: Path, number: int) -> None:
    """Con 64 MiB caben una pasada sin nada y una con 2000 eventos, con sus monitores y resolviendo nombres: 0."""
    with FaultyServer(crowd(number)) as server, FaultyServer(lambda _: answer(200, "OK")) as monitor:
        env = {
            "BACKEND_URL": server.url.replace("127.0.0.1", "localhost"),
            "HEARTBEAT_URL": monitor.url,
            "METRICS_FILE": tmp_path / "estado.prom",
            "REPORT_FILE": tmp_path / "informe.json",
            "LOG_LEVEL": "WARNING",
        }
        completed = run("run-once", "--json", env=env | NO_COVERAGE, preexec_fn=limit(resource.RLIMIT_DATA, MEMORY))

    assert (completed.code, completed.stderr) == (0, "")
    assert server.count("POST") == 2 * number
    assert json.loads((tmp_path / "informe.json").read_text()) == completed.report


_NO_MEMORY_TO_IMPORT = """
import sys
class Full:
    def find_spec(self, name, *_):
        if name == "estado_eventos.cli":
            raise MemoryError
sys.meta_path.insert(0, Full())
"""


def test_not_even_starting_fits(tmp_path: Path) -> None:
    """Sin memoria ni para arrancar: 70 y una frase, sin volcado."""
    (tmp_path / "sitecustomize.py").write_text(_NO_MEMORY_TO_IMPORT)
    completed = run("run-once", env={"PYTHONPATH": tmp_path})

    assert (completed.code, completed.stdout) == (70, "")
    assert completed.stderr == "estado-eventos: no hay bastante memoria\n"
