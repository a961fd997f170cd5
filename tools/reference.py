"""Lo que la documentación repite del programa, hecho con él: `python -m tools.reference` lo vuelve a escribir."""

import sys

from tools import commands, manual


def main() -> int:
    """Escribe la referencia de mandatos y la página de man."""
    document = commands.DOCUMENT.read_text(encoding="utf-8")
    commands.DOCUMENT.write_text(commands.inserted(document), encoding="utf-8")
    manual.DOCUMENT.write_text(manual.render(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
