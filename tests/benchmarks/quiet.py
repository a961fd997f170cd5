"""Lo que cuesta un minuto sin nada que hacer."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.benchmarks.measure import (
    IMPORTS,
    PROGRAM,
    PYTHON,
    RUN_ONCE,
    Row,
    alternate,
    at_most,
    median,
    median_ratio,
    spoken,
)
from tests.benchmarks.stub import serving
from tests.support.inside import account
from tests.support.reference.server import ReferenceBackend

TIMES = 21
_IMPORTS = (PYTHON, "-c", IMPORTS)
_SHELL = """
for list in pending-start pending-finish; do
  curl --silent --fail "$BACKEND_URL/api/events-status/$list/" | jq --exit-status '.results | length == 0' >/dev/null
done
"""


def measure() -> list[Row]:
    """Una pasada sin eventos, al lado de importar los cuatro paquetes y de un guion de curl y jq."""
    with serving() as stub:
        plain, imports = alternate(RUN_ONCE, _IMPORTS, TIMES, stub.settings())
        secure, again = alternate(RUN_ONCE, _IMPORTS, TIMES, stub.settings(https=True))
        what = "pasada sin eventos ÷ importar los cuatro paquetes, CPU"
        rows = [
            at_most(f"{what}: http", median_ratio(plain, imports, "cpu"), 1.0),
            at_most(f"{what}: https, con las autoridades del sistema", median_ratio(secure, again, "cpu"), 1.03),
            Row("pasada sin eventos, CPU: http; https", _milliseconds(median(plain, "cpu"), median(secure, "cpu"))),
            Row(
                "pasada sin eventos, tiempo: http; https", _milliseconds(median(plain, "wall"), median(secure, "wall"))
            ),
            at_most("pasada sin eventos, memoria", max(median(each, "peak") for each in (plain, secure)), 45, " MiB"),
        ]
        if shutil.which("curl") and shutil.which("jq"):
            ours, shell = alternate(RUN_ONCE, ("sh", "-c", _SHELL), TIMES // 3, stub.settings())
            ratio = median_ratio(ours, shell, "wall")
            rows.append(Row("pasada sin eventos ÷ guion de curl y jq, tiempo", spoken(f"{ratio:.1f}")))
    return [*rows, _requests()]


def _milliseconds(*seconds: float) -> str:
    return "; ".join(f"{each * 1000:.0f} ms" for each in seconds)


def _requests() -> Row:
    """La segunda pasada, con el token que guardó la primera."""
    with ReferenceBackend() as backend, tempfile.TemporaryDirectory() as folder:
        env = {"PATH": os.environ["PATH"], **account(backend, TOKEN_CACHE_FILE=str(Path(folder, "token")))}
        reports = [_report(env) for _ in range(2)]
        logins = sum("/auth/" in request.path for request in backend.requests())
    figures = f"{reports[1]['requests']}; {logins - 1}"
    return Row(
        "peticiones de una pasada sin eventos; inicios de sesión con el token guardado",
        figures,
        "2; 0",
        figures == "2; 0",
    )


def _report(env: dict[str, str]) -> dict[str, object]:
    finished = subprocess.run([*PROGRAM, "run-once", "--json"], env=env, cwd="/", check=True, capture_output=True)
    report: dict[str, object] = json.loads(finished.stdout)
    return report
