"""El informe de una pasada."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.report import Outcome, Report, Result, TransitionReport, lag_seconds
from estado_eventos.domain.transitions import START, Event
from estado_eventos.output.streams import json_line
from tests.support.program import check_adds_up

NOW = datetime(2026, 1, 1, 10, 0, 0, 123456, UTC)


@given(
    st.lists(st.sampled_from(Result), max_size=12),
    st.sampled_from([code for code in ExitCode if code is not ExitCode.USAGE]),
    st.none() | st.text(max_size=30),
    st.datetimes(timezones=st.timezones()),
)
def test_the_report_always_adds_up(results: list[Result], code: ExitCode, text: str | None, due: datetime) -> None:
    """Sea cual sea la pasada, el informe cuadra, es JSON y lleva las claves del contrato."""
    outcomes = tuple(Outcome(Event(i, due), result, error=text) for i, result in enumerate(results))
    part = TransitionReport(START, outcomes, 1, text, code)
    report = Report("id", "start", "http://x", NOW, transitions=(part,))

    read = json.loads(json_line(report.to_dict()))

    check_adds_up(read)
    assert list(read) == [
        *("schema", "run_id", "command", "backend", "dry_run", "started_at", "duration_seconds"),
        *("outcome", "exit_code", "error", "requests", "token_expires_at", "clock_offset_seconds"),
        "transitions",
    ]
    assert list(read["transitions"]["start"]) == [
        *("pending", "done", "already_done", "failed", "skipped", "rounds", "max_lag_seconds", "error", "events"),
    ]
    assert read["exit_code"] == code
    assert read["started_at"] == "2026-01-01T10:00:00.123Z"


@pytest.mark.parametrize(
    ("due", "lag"),
    [(NOW - timedelta(seconds=30.1), 30.1), (NOW + timedelta(seconds=2), -2), (None, None)],
)
def test_lag_is_confirmation_minus_due_date(due: datetime | None, lag: float | None) -> None:
    """El retraso son los segundos desde la hora debida, con milésimas."""
    assert lag_seconds(Event(1, due), NOW) == lag


def test_lag_of_the_most_distant_dates() -> None:
    """Las fechas más lejanas que caben no desbordan el cálculo."""
    for extreme in (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), datetime(9999, 12, 31, tzinfo=UTC)):
        assert lag_seconds(Event(1, extreme), NOW) is not None
