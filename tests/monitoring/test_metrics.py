"""Las métricas: qué cuentan de una pasada y qué conservan de las anteriores."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from estado_eventos import __version__
from estado_eventos.domain.report import FollowUps, Outcome, Report, Result, TransitionReport
from estado_eventos.domain.transitions import FINISH, START, TRANSITIONS, Event
from estado_eventos.monitoring import metrics
from tests.support.faults import FaultyServer
from tests.support.inside import account, run_inside
from tests.support.monitors import PART_SUCCESS, RUN, SUCCESS, WHOLE, denied, empty_lists, files, samples
from tests.support.reactions import Rule, answer
from tests.support.reference.server import ReferenceBackend


@pytest.mark.slow
def test_the_metrics_count_what_happened(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Las métricas de una pasada de verdad: cuentas de cada manera, con sus ceros, retrasos, horas y versión."""
    backend.add_events(due_start=2, due_finish=1, offset=-90)
    backend.add_events(broken_start=1, offset=-30)
    before = time.time()

    completed = run_inside("run-once", "--json", **account(backend), **files(tmp_path))

    found = samples((tmp_path / "estado.prom").read_text())
    assert completed.code == 1
    assert {key[1:]: value for key, value in found.items() if key[0] == "last_events"} == {
        (result, transition.name): {("done", START): 2, ("failed", START): 1, ("done", FINISH): 1}.get(
            (result, transition), 0
        )
        for result in ("done", "already_done", "failed", "skipped")
        for transition in TRANSITIONS
    }
    for transition in TRANSITIONS:
        lag = completed.report["transitions"][transition.name]["max_lag_seconds"]
        assert found["last_max_lag_seconds", transition.name] == lag >= 90
    assert before < found[RUN,] < time.time()
    assert found["last_duration_seconds",] == pytest.approx(completed.report["duration_seconds"], abs=0.001)
    assert (found[SUCCESS,], found[PART_SUCCESS, START.name]) == (0, 0)
    assert found[PART_SUCCESS, FINISH.name] == found[RUN,]
    expiry = datetime.fromisoformat(completed.report["token_expires_at"]).timestamp()
    assert found["token_expiry_timestamp_seconds",] == expiry
    assert found["build_info", __version__] == 1


def test_the_last_success_outlives_failing_passes(tmp_path: Path) -> None:
    """La hora del último éxito se conserva mientras las pasadas fallan, y avanza cuando vuelven a salir bien."""
    path = tmp_path / "estado.prom"
    seen = []
    with FaultyServer(empty_lists) as server:
        for rule in (empty_lists, denied, denied, empty_lists):
            server.rule = rule
            run_inside("run-once", BACKEND_URL=server.url, METRICS_FILE=path)
            found = samples(path.read_text())
            seen.append((found[SUCCESS,], found[RUN,]))

    (first, _), (kept, failed_at), (still_kept, _), (last, last_run) = seen
    assert first == kept == still_kept < failed_at < last == last_run


def test_start_and_finish_may_be_two_commands(tmp_path: Path) -> None:
    """Con `start` y `finish` por separado y un solo archivo, se ven las dos mitades y una no tapa a la otra."""
    path = tmp_path / "estado.prom"

    def job(name: str, rule: Rule) -> dict[tuple[str, ...], float]:
        with FaultyServer(rule) as server:
            run_inside(name, BACKEND_URL=server.url, METRICS_FILE=path)
        return samples(path.read_text())

    only_start = job(START.name, empty_lists)
    assert only_start[SUCCESS,] == only_start[RUN,]
    assert (PART_SUCCESS, FINISH.name) not in only_start

    both = job(FINISH.name, lambda _: answer(200, '[{"end_date": "2020-01-01T00:00:00"}]'))
    assert both["last_events", "failed", FINISH.name] == 1
    assert both[SUCCESS,] == only_start[SUCCESS,]

    start_again = job(START.name, empty_lists)
    assert start_again["last_events", "failed", FINISH.name] == 1
    assert start_again["last_max_lag_seconds", FINISH.name] == both["last_max_lag_seconds", FINISH.name] > 0
    assert start_again[PART_SUCCESS, START.name] == start_again[RUN,]
    assert start_again["last_exit_code",] == 0
    assert start_again[SUCCESS,] == only_start[SUCCESS,], "la finalización nunca ha salido bien"
    assert (start_again["passes_total", "0"], start_again["passes_total", "1"]) == (2, 1)

    mended = job(FINISH.name, empty_lists)
    assert mended[SUCCESS,] == start_again[RUN,]


def test_what_could_not_be_read_is_not_zero(tmp_path: Path) -> None:
    """Mientras una lista no se puede leer, su mayor retraso falta; el de la otra, no."""
    path = tmp_path / "estado.prom"
    with FaultyServer(lambda request: answer(404) if FINISH.name in request.path else answer(200, "[]")) as server:
        run_inside("run-once", BACKEND_URL=server.url, METRICS_FILE=path)

    found = samples(path.read_text())
    assert found["last_max_lag_seconds", START.name] == 0
    assert ("last_max_lag_seconds", FINISH.name) not in found
    assert found["last_exit_code",] == 76


@pytest.mark.slow
def test_counts_go_on_from_pass_to_pass(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Los contadores y el histograma de retrasos suman lo de todas las pasadas, salgan como salgan."""
    path = tmp_path / "estado.prom"
    env = account(backend, METRICS_FILE=path)
    for offset in (-0.5, -90.0):
        backend.add_events(due_start=2, offset=offset)
        run_inside("run-once", **env)
    backend.add_events(broken_start=1, due_finish=1, offset=-200.0)
    run_inside("run-once", **env)
    run_inside("run-once", **env)

    found = samples(path.read_text())
    events = {key[1:]: value for key, value in found.items() if key[0] == "events_total" and value}
    assert events == {("done", START.name): 4, ("done", FINISH.name): 1, ("failed", START.name): 2}
    assert (found["passes_total", "0"], found["passes_total", "1"]) == (2, 2)
    counts = [found["lag_seconds_bucket", le, START.name] for le in ("60.0", "120.0", "3600.0", "+Inf")]
    assert counts == [2, 4, 4, 4]
    assert found["lag_seconds_bucket", "300.0", FINISH.name] == found["lag_seconds_count", FINISH.name] == 1
    assert found["lag_seconds_sum", START.name] >= 180


def test_a_moment_of_a_wrong_clock_is_now(tmp_path: Path) -> None:
    """Un éxito que aún no ha llegado, de un reloj que iba adelantado, cuenta desde ahora: ni se pierde ni se cree."""
    path = tmp_path / "estado.prom"
    path.write_text('estado_eventos_last_success_timestamp_seconds{name="estado-eventos",shard="1/1"} 99999999999\n')
    before = time.time()

    with FaultyServer(denied) as server:
        run_inside("run-once", BACKEND_URL=server.url, METRICS_FILE=path)

    assert before < samples(path.read_text())[SUCCESS,] < time.time()


def test_what_a_spare_moves_and_what_is_owed_is_counted() -> None:
    """De una máquina de repuesto se cuenta lo que mueve; y de los avisos de lo finalizado, los dados y los debidos."""
    ended = TransitionReport(FINISH, (Outcome(Event(1), Result.DONE),), follow_ups=FollowUps(owed=2, told=1))
    spare = Report("id", "run-once", None, datetime(2026, 1, 1, tzinfo=UTC), standby_seconds=20, transitions=(ended,))
    text = metrics.text(spare, TRANSITIONS, WHOLE, "").decode()
    text = metrics.text(spare, TRANSITIONS, WHOLE, text).decode()
    failed = metrics.text(Report("id", "run-once", None, spare.started_at), TRANSITIONS, WHOLE, text).decode()

    found, kept = samples(text), samples(failed)
    assert (found["standby_events_total", FINISH.name], found["standby_events_total", START.name]) == (2, 0)
    assert (found["follow_ups_owed",], found["follow_ups_total", "told"]) == (2, 2)
    assert (kept["follow_ups_owed",], kept["follow_ups_total", "told"], kept["follow_ups_total", "given_up"]) == (
        2,
        2,
        0,
    )


def test_what_nobody_asked_for_is_not_there(tmp_path: Path) -> None:
    """Sin ser de repuesto, sin avisos y sin saber la hora del backend, ni se habla de ello."""
    path = tmp_path / "estado.prom"
    with FaultyServer(empty_lists) as server:
        run_inside("run-once", BACKEND_URL=server.url, METRICS_FILE=path)

    names = {key[0] for key in samples(path.read_text())}
    absent = {"standby_events_total", "follow_ups_owed", "follow_ups_total", "clock_offset_seconds"}
    assert names.isdisjoint(absent)
