"""La referencia de `docs/mandatos.md`, hecha con `--help`: `python -m tools.commands` la vuelve a escribir."""

import re
import sys
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
    (_, _, whole), *commands = _commands()
    return f"\n{_block(whole)}\n" + "".join(
        f"<details>\n<summary><code>{name}</code> — {summary}</summary>\n\n{_block(text)}\n</details>\n\n"
        for name, summary, text in commands
    )


def inserted(document: str) -> str:
    """El documento con la referencia de hoy entre sus marcas."""
    return _MARKED.sub(lambda _: render(), document)


def _commands() -> Iterator[tuple[str, str, str]]:
    """Cada mandato que se enseña: su nombre, su resumen y su ayuda."""
    waiting: list[tuple[str, Any, Any]] = [(PROGRAM, get_command(app), None)]
    while waiting:
        name, command, parent = waiting.pop(0)
        with command.make_context(
            name.split()[-1], [], parent, resilient_parsing=True, terminal_width=WIDTH
        ) as context:
            yield name, command.get_short_help_str(WIDTH), command.get_help(context)
            children = getattr(command, "commands", {}).items()
            waiting[:0] = [(f"{name} {word}", child, context) for word, child in children if not child.hidden]


def _block(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```\n"


def main() -> int:
    """Escribe la referencia en su documento."""
    DOCUMENT.write_text(inserted(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
