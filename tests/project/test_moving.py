"""`docs/mudanza.md` nombra variables que existen, y todo lo que el servicio antiguo tenía."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from estado_eventos.check.inherited import GONE
from estado_eventos.config.settings import Settings
from estado_eventos.domain.transitions import TRANSITIONS
from tests.support.faults import FaultyServer
from tests.support.reactions import Raw, Request, answer

DOCUMENT = (Path(__file__).parents[2] / "docs/mudanza.md").read_text()
OLD_SETTINGS = {"BACKEND_URL", "BACKEND_JWT_TOKEN", "SCHEDULER_INTERVAL_SECONDS", "HOST", "PORT", "LOG_LEVEL"}
# Las que solo tenía la segunda generación, y las que ya no se leen.
OLD_SETTINGS |= {"HTTP_TIMEOUT", *GONE}


def columns(title: str) -> list[list[str]]:
    """Las filas de la tabla que va bajo un título."""
    section = DOCUMENT.split(f"### {title}\n")[1].split("\n#")[0]
    return [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `") or "| – |" in line]


def test_every_setting_it_names_exists() -> None:
    """Toda variable que se nombra es del programa, y están todas las del servicio antiguo."""
    named = set(re.findall(r"`([A-Z][A-Z_]+)(?:=\w+)?`", DOCUMENT))
    old = set(re.findall(r"`(\w+)`", " ".join(row[0] for row in columns("Variables"))))

    assert named - {name.upper() for name in Settings.model_fields} == GONE
    assert old == OLD_SETTINGS


def test_it_names_every_endpoint_and_line_of_the_old_service() -> None:
    """Las dos direcciones y las líneas de registro del servicio antiguo tienen su fila."""
    endpoints = " ".join(row[0] for row in columns("Direcciones"))
    lines = " ".join(row[0] for row in columns("Registro"))

    assert {"`GET /health`", "`GET /`"} <= set(re.findall(r"`.+?`", endpoints))
    for words in (*(transition.job for transition in TRANSITIONS), "Se encontraron", "Intentando", "✓", "✗"):
        assert words in lines


def test_the_cleanup_it_gives_away_deletes_what_is_expired(tmp_path: Path) -> None:
    """El guion que borra lo que borraba el servicio antiguo pide la lista, y borra eso y nada más."""
    if not (shutil.which("curl") and shutil.which("jq")):
        pytest.skip("no están curl y jq")
    (script,) = re.findall(r"```sh\n(#!.+?)```", DOCUMENT, re.DOTALL)
    account = tmp_path / "cuenta.json"
    account.write_text(json.dumps({"email": "superadmin@ejemplo.es", "password": "secreta"}))
    seen = []

    def backend(request: Request) -> Raw:
        seen.append((request.method, request.path, request.headers.get("authorization")))
        if request.path == "/auth/login/":
            return answer(200, json.dumps({"token": "un-token"}))
        return answer(200, json.dumps({"results": [{"id": 7}, {"id": 9}]}))

    with FaultyServer(backend) as server:
        here = script.replace("https://admin.ejemplo.es", server.url).replace("/root/limpieza.json", str(account))
        finished = subprocess.run(["sh", "-c", here], check=False, capture_output=True, text=True)

    assert (finished.returncode, finished.stderr) == (0, "")
    assert seen == [
        ("POST", "/auth/login/", None),
        ("GET", "/events/api/events-status/expired/", "Bearer un-token"),
        ("DELETE", "/events/api/events/7", "Bearer un-token"),
        ("DELETE", "/events/api/events/9", "Bearer un-token"),
    ]
