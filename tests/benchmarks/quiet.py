"""Lo que cuesta un minuto sin nada que hacer."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.benchmarks.measure import PROGRAM, PYTHON, Row, alternate, median, median_ratio
from tests.benchmarks.stub import serving
from tests.support.reference.server import ReferenceBackend

TIMES = 31
_QUIET = (*PROGRAM, "run-once", "--quiet")
_IMPORTS = (PYTHON, "-c", "import typer, httpx, pydantic_settings, rich")
_SHELL = """
for list in pending-start pending-finish; do
  curl --silent --fail "$BACKEND_URL/api/events-status/$list/" | jq --exit-status '.results | length == 0' >/dev/null
done
"""


def measure() -> list[Row]:
    """Una pasada sin eventos, al lado de importar los cuatro paquetes y de un guion de curl y jq."""
    with serving() as url:
        ours, imports = alternate(_QUIET, _IMPORTS, TIMES, {"BACKEND_URL": url})
        rows = [
            Row(
                "pasada sin eventos ÷ importar los cuatro paquetes, CPU",
                f"{median_ratio(ours, imports, 'cpu'):.2f}",
                "≤ 1,10",
            ),
            Row("pasada sin eventos, CPU", f"{median(ours, 'cpu') * 1000:.0f} ms"),
            Row("pasada sin eventos, tiempo", f"{median(ours, 'wall') * 1000:.0f} ms"),
            Row("pasada sin eventos, memoria", f"{median(ours, 'peak'):.0f} MiB", "≤ 45 MiB"),
        ]
        if shutil.which("curl") and shutil.which("jq"):
            ours, shell = alternate(_QUIET, ("sh", "-c", _SHELL), TIMES, {"BACKEND_URL": url})
            ratio = median_ratio(ours, shell, "wall")
            rows.append(Row("pasada sin eventos ÷ guion de curl y jq, tiempo", f"{ratio:.1f}"))
    return [*rows, _requests()]


def _requests() -> Row:
    """La segunda pasada, con el token que guardó la primera."""
    with ReferenceBackend() as backend, tempfile.TemporaryDirectory() as folder:
        env = {
            "BACKEND_URL": backend.url,
            "AUTH_URL": backend.auth_url,
            "BACKEND_EMAIL": backend.email,
            "BACKEND_PASSWORD": backend.password,
            "TOKEN_CACHE_FILE": str(Path(folder, "token")),
        }
        reports = [_report(env) for _ in range(2)]
        logins = sum("/auth/" in request.path for request in backend.requests())
    what = "peticiones de una pasada sin eventos con el token guardado; inicios de sesión de las dos primeras"
    return Row(what, f"{reports[1]['requests']}; {logins}", "2; 1")


def _report(env: dict[str, str]) -> dict[str, object]:
    finished = subprocess.run([*PROGRAM, "run-once", "--json"], env=env, cwd="/", check=True, capture_output=True)
    report: dict[str, object] = json.loads(finished.stdout)
    return report
