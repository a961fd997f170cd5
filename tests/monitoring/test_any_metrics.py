"""Las métricas de cualquier informe, tras cualquier archivo: se leen, y nada las estropea."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.report import Outcome, Report, Result, TransitionReport
from estado_eventos.domain.transitions import START, TRANSITIONS, Event
from estado_eventos.monitoring import metrics
from tests.support.faults import FaultyServer
from tests.support.inside import run_inside
from tests.support.monitors import PART_SUCCESS, RUN, SUCCESS, WHOLE, denied, samples, warnings


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\xff\xfe\x00",
        b"no son metricas {",
        b"estado_eventos_last_success_timestamp_seconds 12345\n",
        b'estado_eventos_last_success_timestamp_seconds{name="estado-eventos",shard="1/1"} NaN\n',
        b'estado_eventos_last_success_timestamp_seconds{name="estado-eventos",shard="1/1"} +Inf\n',
        b'estado_eventos_last_success_timestamp_seconds{name="estado-eventos",shard="1/1"} -1\n',
        b'estado_eventos_passes_total{exit_code="77",name="estado-eventos",shard="1/1"} NaN\n',
        b'estado_eventos_last_events{result="done" 3\n',
        b"x" * (1 << 21),
    ],
)
def test_a_spoiled_metrics_file_is_replaced(tmp_path: Path, garbage: bytes) -> None:
    """De un archivo de métricas estropeado, o de otra versión, no se cree nada; se pone uno bueno."""
    path = tmp_path / "estado.prom"
    path.write_bytes(garbage)
    path.chmod(0o600)

    with FaultyServer(denied) as server:
        completed = run_inside("run-once", BACKEND_URL=server.url, METRICS_FILE=path)

    found = samples(path.read_text())
    assert (completed.code, warnings(completed)) == (77, [])
    assert (found["last_exit_code",], found[SUCCESS,], found["passes_total", "77"]) == (77, 0, 1)
    assert path.stat().st_mode & 0o777 == 0o644


LAGS = st.none() | st.floats(-1e9, 1e9)
MOMENTS = st.datetimes(min_value=datetime(1970, 1, 2), timezones=st.just(UTC))  # noqa: DTZ001  La zona va aparte.
CODES = st.sampled_from([code for code in ExitCode if code is not ExitCode.USAGE])


@st.composite
def reports(draw: st.DrawFn) -> Report:
    """Un informe cualquiera, también de una pasada que no llegó a empezar."""
    parts = [
        TransitionReport(
            transition,
            tuple(
                Outcome(Event(index), result, lag_seconds=draw(LAGS))
                for index, result in enumerate(draw(st.lists(st.sampled_from(list(Result)[:4]), max_size=5)))
            ),
            code=draw(CODES),
        )
        for transition in TRANSITIONS
    ]
    started = draw(st.booleans())
    return Report(
        "id",
        "run-once",
        None,
        draw(MOMENTS),
        duration_seconds=draw(st.floats(0, 1e6)),
        token_expires_at=draw(st.none() | MOMENTS),
        transitions=tuple(parts) if started else (),
        problem_code=ExitCode.OK if started else ExitCode.SOFTWARE,
    )


@pytest.mark.slow
@settings(deadline=None)
@given(reports(), reports())
def test_any_report_makes_metrics_that_read_back(before: Report, report: Report) -> None:
    """Las métricas de cualquier informe, tras las de cualquier otro, se leen y dicen lo que él."""
    old = metrics.text(before, TRANSITIONS, WHOLE, "").decode()

    found = samples(metrics.text(report, TRANSITIONS, WHOLE, old).decode())

    assert found["last_exit_code",] == report.exit_code
    assert found["last_duration_seconds",] == report.duration_seconds
    assert (("token_expiry_timestamp_seconds",) in found) == bool(report.token_expires_at)
    assert sum(key[0] == "last_events" for key in found) == 8
    assert sum(value for key, value in found.items() if key[0] == "passes_total") == 2
    for part in report.transitions:
        if part.max_lag_seconds is not None:
            assert found["last_max_lag_seconds", part.transition.name] == part.max_lag_seconds
        for result in list(Result)[:4]:
            assert found["last_events", result.value, part.transition.name] == part.count(result)
        buckets = [found["lag_seconds_bucket", metrics.written(le), part.transition.name] for le in metrics.BUCKETS]
        assert buckets == sorted(buckets)
        assert buckets[-1] == found["lag_seconds_count", part.transition.name]
    ended = report.started_at.timestamp() + report.duration_seconds
    # Otro trabajo pudo acabar después y escribir antes.
    assert found[SUCCESS,] <= found[RUN,] <= max(ended, time.time())
    assert report.exit_code != 0 or found[SUCCESS,] >= ended


@pytest.mark.slow
@settings(deadline=None)
@given(st.text(), st.integers(0, 6000), st.text(max_size=20))
def test_no_old_file_is_too_strange(text: str, place: int, insertion: str) -> None:
    """Ni un texto cualquiera ni un archivo bueno con algo de más en medio hacen fallar a las métricas."""
    report = Report("id", "start", None, datetime(2026, 1, 1, tzinfo=UTC))
    good = metrics.text(report, TRANSITIONS, WHOLE, "").decode()

    for old in (text, good[:place], good[:place] + insertion + good[place:]):
        found = samples(metrics.text(report, (START,), WHOLE, old).decode())
        assert found[PART_SUCCESS, START.name] in {0, report.started_at.timestamp()}
