"""`make bench`: mide lo que el programa promete y lo enseña; con `--keep`, deja la tabla en docs/rendimiento.md.

Sin partes nombradas, todas las que tienen algo prometido; `hour`, `scale` e `instructions` solo comparan y van aparte.
La parte que allí tiene una tabla suya (`<!-- make bench PARTS=… KEEP=1 -->`) no toca la de las demás, ni al revés.
"""

import os
import platform
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks import answers, flood, hour, instructions, lateness, limits, quiet, scale
from tests.benchmarks.measure import Row

_PARTS = {
    "quiet": quiet.measure,
    "answers": answers.measure,
    "flood": flood.measure,
    "limits": limits.measure,
    "lateness": lateness.measure,
}
_ASIDE = {"hour": hour.measure, "scale": scale.measure, "instructions": instructions.measure}
_DOCUMENT = Path(__file__).parents[2] / "docs" / "rendimiento.md"
_BEGIN, _END = "<!-- make bench KEEP=1 -->", "<!-- fin -->"


def main(arguments: list[str]) -> None:
    """Mide todo, o solo las partes nombradas."""
    keep = "--keep" in arguments
    names = [argument for argument in arguments if argument != "--keep"] or list(_PARTS)
    measured: dict[str, list[Row]] = {}
    for name in names:
        measured[name] = (_PARTS | _ASIDE)[name]()
        # Cada parte tarda minutos: se enseña en cuanto está.
        table = Table("qué", "medido", "prometido", width=140)
        for row in measured[name]:
            table.add_row(row.what, row.measured, row.verdict, style=None if row.kept else "red")
        Console(width=140).print(table)
    if keep:
        _DOCUMENT.write_text(_kept(_DOCUMENT.read_text(), measured))


def _kept(text: str, measured: Mapping[str, list[Row]]) -> str:
    """El documento con lo medido en su tabla."""
    tables: dict[str, list[Row]] = {}
    for name, rows in measured.items():
        own = f"<!-- make bench PARTS={name} KEEP=1 -->"
        tables.setdefault(own if own in text else _BEGIN, []).extend(rows)
    for begin, rows in tables.items():
        before, _, rest = text.partition(begin)
        text = "".join((before, begin, "\n", *_markdown(rows), _END, rest.partition(_END)[2]))
    return text


def _markdown(rows: Iterable[Row]) -> Iterable[str]:
    today = datetime.now(UTC).date().isoformat()
    yield f"{today}, {_machine()}, Python {platform.python_version()}.\n\n"
    yield "| qué | medido | prometido |\n|---|---|---|\n"
    yield from (f"| {row.what} | {row.measured} | {row.verdict} |\n" for row in rows)


def _machine() -> str:
    info = Path("/proc/cpuinfo").read_text()
    models = [line.partition(": ")[2] for line in info.splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 30
    model = models[0] if models else platform.machine()
    return f"{os.cpu_count()} núcleos ({model}), {memory} GiB, {platform.system()} {platform.release()}"


if __name__ == "__main__":
    main(sys.argv[1:])
