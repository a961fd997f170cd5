"""`make bench`: mide lo que el programa promete y lo enseña en una tabla, que queda en docs/rendimiento.md."""

import sys

from rich.console import Console
from rich.table import Table

from tests.benchmarks import flood, lateness, quiet, scale

_PARTS = {"quiet": quiet.measure, "flood": flood.measure, "lateness": lateness.measure, "scale": scale.measure}


def main(names: list[str]) -> None:
    """Mide todo, o solo las partes nombradas, y escribe la tabla."""
    table = Table("qué", "medido", "prometido")
    for name in names or _PARTS:
        for row in _PARTS[name]():
            table.add_row(row.what, row.measured, row.budget)
    Console(width=120).print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
