"""Lo que ven los monitores, en los de verdad: node_exporter, Prometheus y Alertmanager."""

import json
import math
import re
import signal
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from estado_eventos.domain.transitions import FINISH, START
from tests.e2e.watchers import Prometheus, node_exporter, wait_until
from tests.support.faults import FaultyServer
from tests.support.inside import account, run_inside
from tests.support.monitors import denied, empty_lists, fails_with, ok, samples
from tests.support.passes import config
from tests.support.processes import KILL_WHILE_WRITING, sabotage
from tests.support.program import run
from tests.support.reference.server import ReferenceBackend
from tools import dashboard

ALERTS = Path(__file__).parents[2] / "prometheus/alerts.yml"
FASTER = 15
"""Cuántas veces más deprisa que en `alerts.yml`: una pasada cada pocos segundos y no cada minuto."""
THRESHOLD = 300 / FASTER
JOBS = [{"name": name, "shard": f"{number}/8"} for name in ("aula", "aula2") for number in range(1, 9)]


@pytest.mark.parametrize("together", [True, False])
def test_every_job_is_seen(tmp_path: Path, *, together: bool) -> None:
    """Dos nombres con ocho partes cada uno, en un archivo o en dieciséis: se ven todas las series, y cuál falla."""
    textfiles, state = tmp_path / "textfiles", tmp_path / "estado"
    textfiles.mkdir()
    state.mkdir()

    def a_pass(server: FaultyServer, name: str, shard: str) -> None:
        path = state / ("todos.prom" if together else f"{name}-{shard[0]}.prom")
        run_inside("run-once", BACKEND_URL=server.url, METRICS_FILE=path, SCHEDULE_NAME=name, SHARD=shard)
        # Como dice docs/monitores.md: el servicio solo escribe en su directorio, y el colector mira en el suyo.
        if not (link := textfiles / path.name).exists():
            link.symlink_to(path)

    with node_exporter(tmp_path, textfiles) as exporter:
        with FaultyServer(empty_lists) as server:
            for job in JOBS:
                a_pass(server, **job)
            server.rule = denied
            a_pass(server, **JOBS[10])
        seen = exporter.get("/metrics")

    codes = [samples(seen, **job)["last_exit_code",] for job in JOBS]
    assert codes == [77 if job is JOBS[10] else 0 for job in JOBS]
    assert "node_textfile_scrape_error 0" in seen.splitlines()
    assert len(list(textfiles.iterdir())) == (1 if together else 16)
    written = set().union(*(series(path.read_text()) for path in textfiles.iterdir()))
    assert series(seen) == written


def series(text: str) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    """Las series nuestras de un texto de métricas; los límites de un histograma, escritos como un número."""
    return {
        (name, frozenset((labels | ({"le": str(float(labels["le"]))} if "le" in labels else {})).items()))
        for family in text_string_to_metric_families(text)
        for name, labels, *_ in family.samples
        if name.startswith("estado_eventos_")
    }


def test_the_counts_are_those_of_the_database(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Cien pasadas de dos trabajos, con muertes y un archivo borrado: `increase()` cuadra con la base de datos."""
    jobs = {START.name: "aula", FINISH.name: "aula2"}
    killed = sabotage(tmp_path / "muerte", KILL_WHILE_WRITING.format(name=signal.SIGKILL.name))
    with Prometheus(tmp_path) as prometheus:
        path = prometheus.textfiles / "estado.prom"

        def passes() -> None:
            for command, name in jobs.items():
                env = config(backend, METRICS_FILE=path, SCHEDULE_NAME=name)
                assert run_inside(command, **env).code == 0

        def is_seen() -> bool:
            """Si lo último que dice el archivo es lo que ve Prometheus."""
            text = path.read_text()
            wanted = sorted(sum(counts(samples(text, name=name))) for name in jobs.values())
            return prometheus.values("sum by (name) (estado_eventos_events_total)") == wanted

        passes()
        wait_until(is_seen)
        for number in range(1, 50):
            if number % 3 == 0:
                backend.add_events(due_start=number % 4, due_finish=number % 5)
            passes()
            if number % 16 == 0:
                # Ya no queda nada que mover: lo que muere no se lleva ninguna cuenta.
                env = config(backend, METRICS_FILE=path, SCHEDULE_NAME="aula")
                assert run(START.name, env=env | killed).code == -signal.SIGKILL
            if number == 25:
                wait_until(is_seen)
                path.unlink()
                passes()
                wait_until(is_seen)
        wait_until(is_seen)
        (raw,) = prometheus.query('estado_eventos_passes_total{name="aula",exit_code="0"}[1m]')
        now = raw["values"][-1][0]

        def increased(metric: str) -> dict[str, float]:
            found = prometheus.query(f"sum by (name) (increase(estado_eventos_{metric}[30m]))", now)
            return {each["metric"]["name"]: float(each["value"][1]) for each in found}

        moved = [change.before for change in backend.history()]
        expected = {"aula": moved.count("programado"), "aula2": moved.count("en_progreso")}
        assert increased("events_total") == pytest.approx(expected)
        assert increased("lag_seconds_count") == pytest.approx(expected)
        assert min(expected.values()) > 10
        # Desde que se borró el archivo, sin las muertas. Con `increase` no se puede: esta cuenta no nace en cero.
        since = [samples(path.read_text(), name=name)["passes_total", "0"] for name in jobs.values()]
        assert since == [25, 25]


def test_every_query_of_the_dashboard_has_an_answer(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Cada consulta del tablero, tras unas pasadas de verdad, tiene datos."""
    with Prometheus(tmp_path) as prometheus:
        path = prometheus.textfiles / "estado.prom"
        notes = tmp_path / "avisos"
        notes.mkdir()
        env = account(backend, METRICS_FILE=path, STANDBY_SECONDS=1, FINISH_FOLLOW_UP="/x/", FOLLOW_UP_DIRECTORY=notes)
        run_inside("run-once", **env)
        wait_until(lambda: prometheus.values("estado_eventos_last_exit_code"))
        backend.add_events(due_start=2, due_finish=1, offset=-90)
        run_inside("run-once", **env)
        wait_until(lambda: prometheus.values("sum(estado_eventos_events_total)") == [3])

        board = json.loads(dashboard.FILE.read_text())
        queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
        for query in queries:
            asked = re.sub(r"\$__\w+", "1m", query).replace("$name", "estado-eventos").replace("$shard", "1/1")
            wait_until(partial(has_data, prometheus, asked))
        assert len(queries) > 12


def has_data(prometheus: Prometheus, query: str) -> bool:
    """Si la consulta da algún número."""
    return any(not math.isnan(value) for value in prometheus.values(query))


def counts(found: dict[tuple[str, ...], float]) -> list[float]:
    """Las cuentas de eventos de un trabajo."""
    return [value for key, value in found.items() if key[0] == "events_total"]


def faster(rules: str) -> str:
    """Las alertas con sus tiempos divididos, como haría quien pasa más a menudo; menos el día que se recuerda."""
    units = {"s": 1000, "m": 60_000}

    def shorter(match: re.Match[str]) -> str:
        return f"{int(match[1]) * units[match[2]] // FASTER}ms"

    rules = re.sub(r"\b(\d+)([sm])\b", shorter, rules)
    return re.sub(r"([<>]=?) (\d{3})\b", lambda match: f"{match[1]} {int(match[2]) / FASTER:g}", rules)


def test_an_outage_is_one_page_and_a_hiccup_none(tmp_path: Path) -> None:
    """Un tropiezo no avisa; una caída, una vez, pasado el umbral, y se resuelve al volver, no al borrar el archivo."""
    with (
        FaultyServer(empty_lists) as server,
        FaultyServer(ok) as pager,
        Prometheus(tmp_path, faster(ALERTS.read_text()), pager.url) as prometheus,
    ):
        path = prometheus.textfiles / "estado.prom"

        def a_pass() -> int:
            return run_inside("run-once", BACKEND_URL=server.url, METRICS_FILE=path, PASS_TIMEOUT=1).code

        def pages(status: str) -> list[dict[str, Any]]:
            bodies = [json.loads(request.body) for request in list(pager.requests)]
            alerts = [alert for body in bodies for alert in body["alerts"]]
            return [a for a in alerts if a["labels"]["alertname"] == "EstadoEventosNoSuccess" and a["status"] == status]

        wait_until(lambda: prometheus.values("estado_eventos_last_exit_code") == [0], a_pass)
        server.rule = fails_with(503)
        assert a_pass() == 69
        wait_until(lambda: prometheus.values("estado_eventos_last_exit_code") == [69])
        server.rule = empty_lists
        wait_until(lambda: prometheus.values("estado_eventos_last_exit_code") == [0], a_pass)
        last_good = samples(path.read_text())["last_success_timestamp_seconds",]

        server.rule = fails_with(503)
        wait_until(lambda: pages("firing"), a_pass)
        (page,) = pages("firing")
        assert datetime.fromisoformat(page["startsAt"]).timestamp() >= last_good + THRESHOLD
        assert (page["labels"]["name"], page["labels"]["shard"]) == ("estado-eventos", "1/1")
        assert page["annotations"]["summary"].startswith(
            "Hace demasiado que ninguna pasada de estado-eventos sale bien"
        )

        path.unlink()
        wait_until(lambda: prometheus.values("estado_eventos_last_exit_code") == [])
        a_pass()
        wait_until(lambda: prometheus.values("estado_eventos_last_exit_code") == [69])
        assert pages("resolved") == []

        server.rule = empty_lists
        wait_until(lambda: pages("resolved"), a_pass)
        assert (len(pages("firing")), len(pages("resolved"))) == (1, 1)
        assert set(prometheus.rules().values()) == {"ok"}
