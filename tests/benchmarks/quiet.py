"""Lo que cuesta un minuto sin nada que hacer."""

import shutil
import sys

from tests.benchmarks.measure import PROGRAM, Row, alternate, median, median_ratio
from tests.benchmarks.stub import serving

TIMES = 21
_IMPORTS = (sys.executable, "-c", "import typer, httpx, pydantic_settings, rich")
_SHELL = """
for list in pending-start pending-finish; do
  curl --silent --fail "$BACKEND_URL/api/events-status/$list/" | jq --exit-status '.results | length == 0' >/dev/null
done
"""


def measure() -> list[Row]:
    """Una pasada sin eventos, al lado de importar los cuatro paquetes y de un guion de curl y jq."""
    rows = []
    with serving() as url:
        ours, imports = alternate((*PROGRAM, "run-once", "--quiet"), _IMPORTS, TIMES, BACKEND_URL=url)
        ratio = median_ratio([cost.cpu for cost in ours], [cost.cpu for cost in imports])
        rows.append(Row("pasada sin eventos ÷ importar los cuatro paquetes, CPU", f"{ratio:.2f}", "≤ 1,10"))
        rows.append(Row("pasada sin eventos, memoria", f"{median(ours, 'peak'):.0f} MiB", "≤ 45 MiB"))
        rows.append(Row("pasada sin eventos, CPU", f"{median(ours, 'cpu') * 1000:.0f} ms"))
        if shutil.which("curl") and shutil.which("jq"):
            ours, shell = alternate((*PROGRAM, "run-once", "--quiet"), ("sh", "-c", _SHELL), TIMES, BACKEND_URL=url)
            ratio = median_ratio([cost.wall for cost in ours], [cost.wall for cost in shell])
            rows.append(Row("pasada sin eventos ÷ guion de curl y jq, tiempo", f"{ratio:.1f}"))
    return rows
