"""Tablas con color para un terminal."""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from estado_eventos.output.streams import guarded, is_rich, mute

if TYPE_CHECKING:
    from rich.text import Text

_MIN_COLUMNS = 40


@dataclass(frozen=True, slots=True)
class Cell:
    """Un texto y, en un terminal, su color."""

    text: str
    style: str = ""
    shorter: tuple[str, ...] = ()
    """Cómo se abrevia, cada vez más, si la tabla no cabe."""
    keep: bool = False
    """Si no se puede partir: alguien lo va a copiar."""


Row = Sequence[Cell | Sequence[Cell]]
"""Las celdas de una fila; una celda puede llevar varios trozos, cada uno de su color."""


def can_draw() -> bool:
    """Si la salida es un terminal donde una tabla se ve bien."""
    return is_rich(sys.stdout)


def fit(columns: Sequence[str], rows: Sequence[Row]) -> Sequence[Row] | None:
    """Las filas, abreviadas lo justo para que quepan; `None` si no caben sin partir lo que no se puede partir."""
    if not any(cell.keep for row in rows for cell in row if isinstance(cell, Cell)):
        return rows
    steps = max(len(cell.shorter) for row in rows for cell in row if isinstance(cell, Cell))
    for step in range(steps + 1):
        found = [[_shortened(cell, step) for cell in row] for row in rows]
        widths = [
            max(len(title), *(len(cell.text) for cell in column if isinstance(cell, Cell)))
            for title, *column in zip(columns, *found, strict=True)
        ]
        # Entre dos columnas, y a cada lado, rich pone un borde y dos espacios.
        if sum(widths) + 3 * len(widths) + 1 <= _width():
            return found
    return None


def _shortened(cell: Cell | Sequence[Cell], step: int) -> Cell | Sequence[Cell]:
    if not isinstance(cell, Cell) or not step or not cell.shorter:
        return cell
    return replace(cell, text=cell.shorter[min(step, len(cell.shorter)) - 1])


def _width() -> int:
    """Las columnas del terminal; unas pocas, aunque diga que no tiene ancho: en él rich no escribiría nada."""
    return max(_MIN_COLUMNS, shutil.get_terminal_size().columns)


def draw(columns: Sequence[str], rows: Sequence[Row], closing: Sequence[str]) -> None:
    """Dibuja las filas: con marco si las columnas tienen título, y `closing` debajo."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, width=_width())
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
