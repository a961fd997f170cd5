"""Las imágenes de la documentación, hechas con el programa de verdad: `python -m tools.pictures` las vuelve a hacer."""

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.support.reference.server import ReferenceBackend
from tests.support.terminal_session import in_terminal

DIRECTORY = Path(__file__).parents[1] / "docs" / "img"
WIDTH = 100
# Lo que cambia de una vez a otra no debe cambiar la imagen.
_FIXED = (
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "2026-01-12 10:00:00"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:8000"),
    (r"le quedan \d+ min( \d+ s)?", "le quedan 30 min"),
)


def draw() -> dict[str, str]:
    """Las imágenes, por su nombre de archivo."""
    with ReferenceBackend() as backend:
        backend.add_events(due_start=2, offset=-3725, public_ids=["algebra-1", "algebra-2"])
        backend.add_events(due_finish=1, offset=-95000, public_ids=["historia-3"])
        account = {"BACKEND_EMAIL": backend.email, "BACKEND_PASSWORD": backend.password}
        settings = {**account, "LOG_LEVEL": "WARNING", "COLUMNS": WIDTH}
        right = {"BACKEND_URL": backend.url, "AUTH_URL": backend.auth_url}
        # Sin el prefijo del que cuelga la API; y sin PATH no se ve qué planificador hay en la máquina que dibuja.
        wrong = {"BACKEND_URL": backend.auth_url, "PATH": "/nonexistent"}
        places = {"pending": right, "run-once": right, "check": wrong}
        shown = {
            name: in_terminal("--env-file", "/dev/null", name, **settings, **place)[1] for name, place in places.items()
        }
    return {f"{name}.svg": _svg(name, text) for name, text in shown.items()}


def _svg(name: str, seen: str) -> str:
    # Si la máquina fue tan lenta que salió la barra de progreso, se borró: lo que queda en el terminal es lo de detrás.
    seen = seen.rpartition("\x1b[2K")[2]
    for pattern, fixed in _FIXED:
        seen = re.sub(pattern, fixed, seen)
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(f"$ estado-eventos {name}\n{seen}".replace("\r\n", "\n").rstrip()))
    svg = console.export_svg(title=f"estado-eventos {name}", unique_id=name)
    # Sin la letra que rich pide a un servidor ajeno: vale la del navegador.
    return re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)


def main() -> int:
    """Escribe las imágenes."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for name, svg in draw().items():
        (DIRECTORY / name).write_text(svg, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
