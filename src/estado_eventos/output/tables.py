"""Tablas con color para un terminal."""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from estado_eventos.output.streams import guarded, is_rich, mute

if TYPE_CHECKING:
    from rich.text import Text

_MIN_COLUMNS = 80


@dataclass(frozen=True, slots=True)
class Cell:
    """Un texto y, en un terminal, su color."""

    text: str
    style: str = ""


Row = Sequence[Cell | Sequence[Cell]]
"""Las celdas de una fila; una celda puede llevar varios trozos, cada uno de su color."""


def can_draw() -> bool:
    """Si la salida es un terminal donde una tabla se ve bien."""
    return is_rich(sys.stdout)


def draw(columns: Sequence[str], rows: Sequence[Row], closing: Sequence[str]) -> None:
    """Dibuja las filas: con marco si las columnas tienen título, y `closing` debajo."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # Aunque el terminal diga que no tiene ancho: en él rich no escribiría nada.
    console = Console(highlight=False, width=max(_MIN_COLUMNS, shutil.get_terminal_size().columns))
    table = Table(*columns, caption="\n".join(closing) or None) if columns else Table.grid(padding=(0, 1))
    for row in rows:
        table.add_row(*(_text(cell) for cell in row))
    try:
        console.print(table)
        if not columns:
            console.print(Text("\n".join(closing), "bold"))
    except OSError:
        mute()


def _text(cell: Cell | Sequence[Cell]) -> "Text":
    from rich.text import Text

    if isinstance(cell, Cell):
        return Text(guarded(cell.text), cell.style)
    return Text.assemble(*((guarded(part.text), part.style) for part in cell))
