"""`make bench`: mide lo que el programa promete y lo enseña en una tabla."""

from rich.console import Console
from rich.table import Table

from tests.benchmarks import lateness


def main() -> None:
    """Mide todo y escribe la tabla."""
    table = Table("qué", "medido")
    for row in lateness.measure():
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
