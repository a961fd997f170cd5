"""Los mandatos que enseña la documentación, y qué prueba los teclea."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
TRIED, UNTRIED = "prueba: ", "sin prueba: "
_BLOCK = re.compile(r"(?:<!-- ([^>]+) -->\n)?```console\n(.+?)```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """Un bloque de mandatos: lo que dice el comentario que lleva encima, y cada mandato con su `#` o su `$` delante."""

    note: str
    commands: list[str]

    @property
    def test(self) -> str:
        """La prueba que lo teclea, como la nombra pytest; nada, si no la hay."""
        return self.note.removeprefix(TRIED) if self.note.startswith(TRIED) else ""


def blocks(document: Path) -> Iterator[Block]:
    """Los bloques de mandatos de un documento, en su orden."""
    for note, text in _BLOCK.findall(document.read_text()):
        lines = text.replace("\\\n", "").splitlines()
        # Lo demás es lo que contestan.
        typed = [line for line in lines if line.startswith(("$ ", "# "))]
        yield Block(note, [re.split(r"\s{2,}#", line)[0].rstrip() for line in typed])


def typed_by(test: str) -> list[list[str]]:
    """Los bloques que teclea una prueba, en el orden en que están escritos."""
    return [block.commands for document in DOCUMENTS for block in blocks(document) if block.test == test]
