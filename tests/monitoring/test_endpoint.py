"""Lo que se contesta por HTTP: la salud según el último informe, y las métricas."""

import json
import logging
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.report import Outcome, Result, TransitionReport
from estado_eventos.domain.transitions import START, Event
from estado_eventos.monitoring.endpoint import MAX_METRICS_BYTES
from estado_eventos.monitoring.handover import EndpointConfig
from tests.support.endpoint import a_report, get


@pytest.mark.parametrize("ago", [30, 180, -60])
def test_health_is_good(ago: float, site: EndpointConfig, report_file: Path) -> None:
    """Si la última pasada fue bien y acabó hace menos de tres intervalos, 200 y lo mismo que el servicio antiguo."""
    report_file.write_text(a_report(ago))

    reply = get("/health", site)

    assert (reply.status, reply.json) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"ago": 200}, r"la última pasada acabó hace 3 min \d+ s; tiene que haber una cada 1 min"),
        ({"ago": 9000, "problem_code": ExitCode.FAILED}, "la última pasada acabó hace 2 h 29 min; .*"),
        ({"ago": -7200}, "la última pasada acabó en el futuro, dentro de .*"),
        (
            {"problem": "secreto", "problem_code": ExitCode.UNAVAILABLE},
            "la última pasada falló con 69, UNAVAILABLE: no se pudo leer una lista",
        ),
        ({"problem": "secreto", "problem_code": ExitCode.FAILED}, ".* falló con 1, algún evento sigue pendiente"),
        ({"problem": "secreto", "problem_code": ExitCode.TEMPFAIL}, ".* falló con 75, TEMPFAIL: se cortó; .*"),
        ({"problem": "secreto\x1b[2J\0\n á\ud800", "problem_code": ExitCode.NOPERM}, ".* con 77, NOPERM: .*"),
        ({"problem": "secreto" * 9000, "problem_code": ExitCode.CONFIG}, ".* con 78, CONFIG: .*"),
    ],
)
def test_health_says_what_is_wrong(
    changes: dict[str, Any], detail: str, site: EndpointConfig, report_file: Path
) -> None:
    """Si la última pasada falló o es vieja, 503 y por qué, en una línea y nuestras palabras, no las del informe."""
    report_file.write_text(a_report(**changes), errors="surrogatepass")

    reply = get("/health", site)

    assert reply.status == 503
    assert reply.json.keys() == {"status", "detail"}
    assert reply.json["status"] == "error"
    assert re.fullmatch(detail, reply.json["detail"])
    assert reply.json["detail"].isprintable()
    assert "secreto" not in reply.json["detail"]
    assert len(reply.body) < 1000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"{}",
        b"[" * 60000,
        b"\xff\xfe\0",
        a_report()[:100].encode(),
        a_report().replace('Z"', '"', 1).encode(),
        a_report().replace(": 10,", ": 1e999,", 1).encode(),
        a_report().replace(": 10,", ": NaN,", 1).encode(),
        a_report().replace(": 10,", f": {chr(57) * 5000},", 1).encode(),
    ],
)
def test_what_is_no_report_is_bad_health(
    content: bytes, site: EndpointConfig, report_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Un archivo que no es un informe es un 503, y una sola línea en el registro."""
    caplog.set_level(logging.WARNING, "estado_eventos")
    report_file.write_bytes(content)

    reply = get("/health", site)

    assert reply.status == 503
    assert "no se puede leer" in reply.json["detail"]
    assert [record.getMessage() for record in caplog.records] == ["REPORT_FILE: no se puede leer: no es un informe"]


def test_health_before_the_first_pass(site: EndpointConfig) -> None:
    """Sin informe no se sabe si va bien: 503, y se dice si falta la variable o la pasada."""
    assert "todavía no hay ningún informe" in get("/health", site).json["detail"]
    assert "falta REPORT_FILE" in get("/health", EndpointConfig()).json["detail"]


def test_three_of_the_configured_intervals(site: EndpointConfig, report_file: Path) -> None:
    """Lo viejo se mide con el intervalo configurado."""
    report_file.write_text(a_report(ago=1000))

    assert get("/health", site).status == 503
    assert get("/health", replace(site, interval_seconds=400)).status == 200


def test_a_huge_report_is_not_read_whole(site: EndpointConfig, report_file: Path) -> None:
    """De un informe con cientos de miles de eventos se lee lo que va delante, y basta."""
    report = a_report(transitions=(TransitionReport(START, (Outcome(Event(7), Result.DONE),)),))
    (event,) = re.findall(r'\{"id": 7[^}]*\}', report)
    report_file.write_text(report.replace(event, ", ".join([event] * 300_000)))
    assert report_file.stat().st_size > 32 << 20

    assert get("/health", site).status == 200


def make_fifo(path: Path) -> None:
    """Un FIFO en el que nadie escribe."""
    os.mkfifo(path)


def make_link_to_a_fifo(path: Path) -> None:
    """Un enlace a un FIFO."""
    fifo = path.with_name(f"{path.name}.fifo")
    os.mkfifo(fifo)
    path.symlink_to(fifo)


@pytest.mark.parametrize(
    "make",
    [
        make_fifo,
        make_link_to_a_fifo,
        Path.mkdir,
        lambda path: path.symlink_to(path),
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to("/dev/tty"),
    ],
    ids=["fifo", "enlace a fifo", "directorio", "enlace a sí mismo", "dispositivo", "terminal"],
)
def test_what_is_no_file_does_not_hang(
    make: Callable[[Path], object],
    site: EndpointConfig,
    caplog: pytest.LogCaptureFixture,
    report_file: Path,
    metrics_file: Path,
) -> None:
    """Lo que no es un archivo normal no deja a nadie esperando: es un error que dice el registro."""
    caplog.set_level(logging.WARNING, "estado_eventos")
    make(report_file)
    make(metrics_file)

    assert get("/health", site).status == 503
    assert get("/metrics", site).status == 500
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["REPORT_FILE", "METRICS_FILE"]


def test_a_link_to_a_file_is_followed(site: EndpointConfig, tmp_path: Path, report_file: Path) -> None:
    """Un enlace a un informe vale como el informe."""
    report_file.symlink_to(tmp_path / "otro.json")
    report_file.write_text(a_report())

    assert get("/health", site).status == 200


def test_metrics_are_served_as_they_are(site: EndpointConfig, metrics_file: Path) -> None:
    """`/metrics` es el archivo tal cual, con el tipo de Prometheus; sin archivo es 404 y si no cabe, 500."""
    assert get("/metrics", site).status == 404
    assert get("/metrics", EndpointConfig()).status == 404

    metrics_file.write_bytes(b"a 1\nb\xff 2\n")
    reply = get("/metrics", site)
    assert (reply.status, reply.body) == (200, b"a 1\nb\xff 2\n")
    assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"

    metrics_file.write_bytes(b"#" * MAX_METRICS_BYTES)
    assert get("/metrics", site).status == 200
    metrics_file.write_bytes(b"#" * (MAX_METRICS_BYTES + 1))
    assert get("/metrics", site).status == 500


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.datetimes().map(str),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


KEYS = ("started_at", "duration_seconds", "outcome", "exit_code", "error", "transitions")


@pytest.mark.slow
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.one_of(st.dictionaries(st.sampled_from(KEYS), JSON), JSON),
    cut=st.integers(0, 400),
    noise=st.binary(max_size=10),
)
def test_whatever_the_report_says_health_answers(
    changes: Any, cut: int, noise: bytes, site: EndpointConfig, report_file: Path
) -> None:
    """Un informe de otra forma, cortado o estropeado no rompe nada: `/health` es 200 o 503."""
    report = json.loads(a_report())
    text = json.dumps(report | changes if isinstance(changes, dict) else changes)
    report_file.write_bytes(text[:cut].encode() + noise + text[cut:].encode())

    reply = get("/health", site)

    assert reply.status in {200, 503}
    assert len(reply.body) < 3000
