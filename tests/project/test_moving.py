"""`docs/mudanza.md` nombra variables que existen, y todo lo que el servicio antiguo tenía."""

import re
from pathlib import Path

from estado_eventos.config.settings import Settings
from estado_eventos.domain.transitions import TRANSITIONS

DOCUMENT = (Path(__file__).parents[2] / "docs/mudanza.md").read_text()
OLD_SETTINGS = {"BACKEND_URL", "BACKEND_JWT_TOKEN", "SCHEDULER_INTERVAL_SECONDS", "HOST", "PORT", "LOG_LEVEL"}


def columns(title: str) -> list[list[str]]:
    """Las filas de la tabla que va bajo un título."""
    section = DOCUMENT.split(f"### {title}\n")[1].split("\n#")[0]
    return [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `") or "| – |" in line]


def test_every_setting_it_names_exists() -> None:
    """Toda variable que se nombra es del programa, y están todas las del servicio antiguo."""
    named = set(re.findall(r"`([A-Z][A-Z_]+)(?:=\w+)?`", DOCUMENT))
    old = set(re.findall(r"`(\w+)`", " ".join(row[0] for row in columns("Variables"))))

    assert named - {name.upper() for name in Settings.model_fields} == set()
    assert old == OLD_SETTINGS


def test_it_names_every_endpoint_and_line_of_the_old_service() -> None:
    """Las dos direcciones y las líneas de registro del servicio antiguo tienen su fila."""
    endpoints = " ".join(row[0] for row in columns("Direcciones"))
    lines = " ".join(row[0] for row in columns("Registro"))

    assert {"`GET /health`", "`GET /`"} <= set(re.findall(r"`.+?`", endpoints))
    for words in (*(transition.job for transition in TRANSITIONS), "Se encontraron", "Intentando", "✓", "✗"):
        assert words in lines
