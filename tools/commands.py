"""La referencia de `docs/mandatos.md`, hecha con `--help`: `make reference` la vuelve a escribir."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from estado_eventos.cli.app import app
from estado_eventos.output.streams import PROGRAM

DOCUMENT = Path(__file__).parents[1] / "docs" / "mandatos.md"
WIDTH = 78
_START = "<!-- Desde aquí lo escribe `make reference`. -->"
_END = "<!-- Hasta aquí. -->"
_MARKED = re.compile(f"(?<={re.escape(_START)}\n).*(?={re.escape(_END)})", re.DOTALL)


def render() -> str:
    """La ayuda del programa y, plegada, la de cada mandato."""
    (_, whole, outside), *rest = tree()
    return f"\n{_block(whole.get_help(outside))}\n" + "".join(
        f"<details>\n<summary><code>{name}</code> — {command.get_short_help_str(WIDTH)}</summary>\n\n"
        f"{_block(command.get_help(context))}\n</details>\n\n"
        for name, command, context in rest
    )


def inserted(document: str) -> str:
    """El documento con la referencia de hoy entre sus marcas."""
    return _MARKED.sub(lambda _: render(), document)


def tree() -> Iterator[tuple[str, Any, Any]]:
    """Cada mandato que se enseña, con su nombre entero y su contexto; el primero es el programa."""
    waiting: list[tuple[str, Any, Any]] = [(PROGRAM, get_command(app), None)]
    while waiting:
        name, command, parent = waiting.pop(0)
        with command.make_context(
            name.split()[-1], [], parent, resilient_parsing=True, terminal_width=WIDTH
        ) as context:
            yield name, command, context
            children = getattr(command, "commands", {}).items()
            waiting[:0] = [(f"{name} {word}", child, context) for word, child in children if not child.hidden]


def _block(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```\n"
