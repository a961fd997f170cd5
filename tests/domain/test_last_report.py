"""El último informe, releído: lo escribió este programa o no es un informe."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.report import LastReport, Outcome, Report, Result, TransitionReport, read_last_report
from estado_eventos.domain.transitions import START, Event
from estado_eventos.output.streams import json_line

BEGAN = datetime(2026, 1, 1, 10, 0, 0, 123000, UTC)
REPORT = Report("id", "run-once", "http://x", BEGAN, duration_seconds=0.5)


def test_a_report_is_read_back() -> None:
    """De lo que se guarda se sabe cómo acabó la pasada, cuándo y por qué, tenga los eventos que tenga."""
    events = TransitionReport(START, tuple(Outcome(Event(number), Result.DONE) for number in range(1000)))
    failed = replace(REPORT, transitions=(events,), problem="HTTP 403", problem_code=ExitCode.NOPERM)

    assert read_last_report(json_line(failed.to_dict()).encode()) == LastReport(
        "noperm", 77, BEGAN, BEGAN + timedelta(seconds=0.5), "HTTP 403"
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("started_at", "2026-01-01T10:00:00.123"),
        ("started_at", "ayer"),
        ("started_at", 5),
        ("duration_seconds", "10"),
        ("duration_seconds", None),
        ("duration_seconds", float("nan")),
        ("duration_seconds", float("inf")),
        ("duration_seconds", 1e300),
        ("exit_code", "0"),
        ("exit_code", 0.5),
        ("exit_code", None),
    ],
)
def test_what_this_program_would_not_write_is_no_report(key: str, value: Any) -> None:
    """Una hora sin zona, o una duración o un código que no lo son, no dicen nada de la última pasada."""
    content = REPORT.to_dict()
    assert read_last_report(json.dumps(content).encode()) is not None

    assert read_last_report(json.dumps(content | {key: value}).encode()) is None
    del content[key]
    assert read_last_report(json.dumps(content).encode()) is None
