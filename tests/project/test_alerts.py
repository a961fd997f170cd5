"""Las alertas y las métricas, juzgadas por la herramienta de Prometheus."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from estado_eventos.domain.transitions import TRANSITIONS
from estado_eventos.monitoring.metrics import text
from tests.support.monitors import WHOLE, everything
from tests.support.program import run
from tests.support.reference.server import ReferenceBackend
from tools import dashboard

RULES = Path(__file__).parents[2] / "prometheus"
Promtool = Callable[..., str]


@pytest.fixture
def promtool() -> Promtool:
    """Ejecuta promtool y devuelve lo que dice; en CI, su falta es un fallo."""
    program = shutil.which("promtool")
    if program is None:
        reason = "Sin promtool: instale el paquete «prometheus» de Debian"
        if "CI" in os.environ:
            pytest.fail(reason)
        pytest.skip(reason)

    def execute(*arguments: object, given: str = "") -> str:
        command = [program, *map(str, arguments)]
        finished = subprocess.run(command, input=given, check=False, capture_output=True, encoding="utf-8", timeout=60)
        assert finished.returncode == 0, finished.stdout + finished.stderr
        return finished.stdout + finished.stderr

    return execute


@pytest.fixture
def metrics(backend: ReferenceBackend, tmp_path: Path) -> str:
    """El archivo de métricas de una pasada de verdad, con un evento que va bien, otro que no y un token."""
    backend.add_events(due_start=1, broken_finish=1)
    path = tmp_path / "estado.prom"
    run("run-once", env={"BACKEND_URL": backend.url, "BACKEND_JWT_TOKEN": backend.token(), "METRICS_FILE": path})
    return path.read_text()


def test_the_rules_are_well_written(promtool: Promtool) -> None:
    """`promtool check rules` da por buenas las alertas."""
    assert "SUCCESS" in promtool("check", "rules", RULES / "alerts.yml")


@pytest.mark.slow
def test_the_rules_fire_when_they_should(promtool: Promtool) -> None:
    """`promtool test rules`: cada alerta salta cuando toca y calla cuando no."""
    assert "SUCCESS" in promtool("test", "rules", RULES / "alerts_test.yml")


def test_the_metrics_are_well_written(promtool: Promtool, metrics: str) -> None:
    """`promtool check metrics` no tiene nada que decir de un archivo escrito por el programa."""
    assert promtool("check", "metrics", given=metrics) == ""


def test_the_rules_and_the_dashboard_speak_of_metrics_that_exist() -> None:
    """Las alertas, sus pruebas y el tablero no nombran ninguna métrica, ni resultado, que el programa no escriba."""
    everything_written = text(everything(), TRANSITIONS, WHOLE, "").decode()
    written = set(re.findall(r"^(estado_eventos_\w+)", everything_written, re.MULTILINE))
    for path in (*RULES.iterdir(), dashboard.FILE):
        spoken = path.read_text().replace('\\"', '"')

        assert set(re.findall(r"estado_eventos_\w+", spoken)) <= written, path
        named = set(re.findall(r'result="(\w+)"', spoken))
        assert all(f'result="{result}"' in everything_written for result in named), path


def test_the_texts_name_no_threshold() -> None:
    """Lo que dice una alerta no nombra ningún umbral: quien los cambie a otro intervalo no tiene que reescribirlo."""
    (group,) = yaml.safe_load((RULES / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]:
        for words in rule["annotations"].values():
            assert not re.search(r"\d", re.sub(r"\{\{.*?\}\}", "", words)), words


def test_every_alert_says_who() -> None:
    """Cada alerta nombra el planificador, la parte y la máquina; menos la de que no hay nada."""
    (group,) = yaml.safe_load((RULES / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]:
        labels = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        assert {"name", "shard", "instance"} <= labels or rule["alert"] == "EstadoEventosAbsent", rule["alert"]


def test_the_dashboard_is_fresh() -> None:
    """El tablero es el que hace `tools/dashboard.py` hoy; si no: `make dashboard`."""
    assert dashboard.FILE.read_text() == dashboard.build()


def test_every_alert_is_tested() -> None:
    """No hay alerta sin una prueba en que salta y otra en que calla."""
    tests = (RULES / "alerts_test.yml").read_text()
    for name in re.findall(r"- alert: (\w+)", (RULES / "alerts.yml").read_text()):
        fires = re.findall(rf"alertname: {name}\n\s+exp_alerts:", tests)
        silent = re.findall(rf"alertname: {name} }}", tests)

        assert fires, name
        assert silent, name
