"""Añadir una transición toca `transitions.py` y nada más: se aplica el parche de CONTRIBUTING.md y se ejecuta."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import estado_eventos
from tests.support.faults import FaultyServer
from tests.support.monitors import samples
from tests.support.program import run
from tests.support.reactions import Raw, Request, answer

CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"


@pytest.fixture
def patched(tmp_path: Path) -> Path:
    """Una copia del programa con el parche; es el directorio que hay que poner en `PYTHONPATH`."""
    package = tmp_path / "src" / "estado_eventos"
    shutil.copytree(Path(estado_eventos.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (patch,) = re.findall(r"```diff\n(.+?)```", CONTRIBUTING.read_text(), re.DOTALL)
    subprocess.run(["git", "apply", "--verbose"], cwd=tmp_path, input=patch, text=True, check=True)
    assert re.findall(r"^\+\+\+ b/(.+)$", patch, re.MULTILINE) == ["src/estado_eventos/domain/transitions.py"]
    return package.parent


class Archive:
    """Un backend con dos eventos por archivar."""

    def __init__(self) -> None:
        """Los dos, pendientes."""
        self.pending = [7, 8]

    def __call__(self, request: Request) -> Raw:
        """Contesta a las listas y a los POST."""
        if request.method == "POST":
            self.pending.remove(int(request.path.split("/")[-3]))
            return answer(200, '{"success": true}')
        listed = self.pending if request.path.endswith("/pending-archive/") else []
        items = [{"id": number, "archive_date": "2026-01-01T10:00:00Z"} for number in listed]
        return answer(200, json.dumps({"results": items}))


@pytest.mark.slow
def test_a_new_transition_touches_one_file(patched: Path, tmp_path: Path) -> None:
    """Con el parche, la transición nueva se lista, se pide y sale en informe, registro, métricas y ayuda."""
    with FaultyServer(Archive()) as server:
        metrics = tmp_path / "eventos.prom"
        env = {"PYTHONPATH": patched, "BACKEND_URL": server.url, "METRICS_FILE": metrics}
        listed = run("pending", env=env)
        rehearsed = run("archive", "--dry-run", "--event", "7", "--json", env=env)
        moved = run("run-once", "--json", env=env)
        again = run("archive", env=env)
        healthy = run("health", "--json", env=env)
        posts = [request.path for request in server.requests if request.method == "POST"]

    assert [completed.code for completed in (listed, rehearsed, moved, again, healthy)] == [0] * 5
    assert [line.split("  ")[:2] for line in listed.stdout.splitlines()][-2:] == [["archivo", "7"], ["archivo", "8"]]
    assert rehearsed.report["transitions"]["archive"]["pending"] == 1
    assert {name: part["done"] for name, part in moved.report["transitions"].items()} == {
        "start": 0,
        "finish": 0,
        "archive": 2,
    }
    assert moved.report["transitions"]["archive"]["events"][0]["status"] == "archivado"
    assert sorted(posts) == ["/api/events-status/7/archive/", "/api/events-status/8/archive/"]
    assert "Ejecutando job: archive_pending_events" in moved.stderr
    assert "Intentando archivar evento 7 (fecha archivo: 2026-01-01T10:00:00Z)" in moved.stderr
    assert "✓ Evento 8 archivado exitosamente" in moved.stderr
    assert again.messages[-1] == "INFO - No hay eventos pendientes de archivo"
    assert samples(metrics.read_text())["last_transition_success_timestamp_seconds", "archive"] > 0
    assert "  archive   Una pasada por los eventos pendientes de archivo." in run("--help", env=env).stdout


def test_the_map_names_every_room() -> None:
    """El mapa de CONTRIBUTING.md tiene una fila por carpeta del programa, de arriba abajo, y ninguna que no esté."""
    rows = re.findall(r"^\| `(\w+)/` \|", CONTRIBUTING.read_text(), re.MULTILINE)
    rooms = [path.parent.name for path in Path(estado_eventos.__file__).parent.glob("*/__init__.py")]

    assert sorted(rows) == sorted(rooms)


def test_every_make_target_it_names_exists() -> None:
    """Los objetivos de make que se nombran en la documentación existen."""
    makefile = (CONTRIBUTING.parent / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
    for document in (CONTRIBUTING, CONTRIBUTING.parent / "README.md", *CONTRIBUTING.parent.glob("docs/*.md")):
        named = re.findall(r"(?:`|^\$ )make ([a-z0-9 -]+)", document.read_text(), re.MULTILINE)
        words = {word for line in named for word in re.split(r"\s{2,}", line)[0].split()}
        assert words - targets == set(), document.name
        assert words or document.parent.name == "docs", document.name
