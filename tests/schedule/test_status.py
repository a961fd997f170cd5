"""El estado de un planificador: en palabras, en JSON y con su código."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.report import Report
from estado_eventos.output.streams import json_line
from estado_eventos.output.summary import lines
from estado_eventos.schedule.status import ScheduleStatus, last_report


@pytest.mark.parametrize(
    ("code", "words"), [(0, "bien"), (69, "UNAVAILABLE"), (75, "TEMPFAIL"), (203, "no se pudo ejecutar")]
)
@pytest.mark.usefixtures("madrid")
def test_status_speaks_of_the_last_pass(tmp_path: Path, code: int, words: str) -> None:
    """El estado dice con qué código acabó la última pasada y qué contó: en hora local, y en UTC en JSON."""
    report = tmp_path / "report.json"
    moment = datetime(2026, 1, 1, 10, tzinfo=UTC)
    unavailable = Report("id", "run-once", "http://x", moment, problem="rehusada", problem_code=ExitCode.UNAVAILABLE)
    report.write_text(json_line(unavailable.to_dict()))
    status = ScheduleStatus("systemd", "x", True, True, moment, code, last_report(report))  # noqa: FBT003

    assert words in "\n".join(lines(status))
    assert "Último informe: unavailable, de 2026-01-01 11:00:00: rehusada" in "\n".join(lines(status))
    assert "Próximo tic: 2026-01-01 11:00:00" in "\n".join(lines(status))
    assert status.to_dict()["next_tick"] == "2026-01-01T10:00:00+00:00"
    assert status.to_dict()["last_report"]["started_at"] == "2026-01-01T10:00:00+00:00"
    assert status.to_dict()["last_report"]["exit_code"] == 69
    assert status.exit_code == (code if code != 203 else 1)


@pytest.mark.parametrize(
    ("installed", "active", "code", "words"),
    [(True, True, 0, "✓ en marcha"), (True, False, 1, "✗ parado"), (False, False, 1, "schedule install cron")],
)
def test_a_schedule_that_does_not_run_is_not_good(installed: bool, active: bool, code: int, words: str) -> None:  # noqa: FBT001
    """Lo que no está instalado o no está en marcha no es 0, y se dice cómo ponerlo."""
    status = ScheduleStatus("cron", "estado-eventos", installed, active)

    assert status.exit_code == status.to_dict()["exit_code"] == code
    assert words in "\n".join(lines(status))


def test_what_is_no_report_says_nothing(tmp_path: Path) -> None:
    """Sin informe, con uno que no se puede leer o con otra cosa, de la última pasada no se sabe nada."""
    (tmp_path / "otra cosa").write_text("{}")

    assert [last_report(path) for path in (tmp_path / "nada", tmp_path, tmp_path / "otra cosa")] == [None] * 3


@pytest.mark.parametrize("scheduler", ["cron", "systemd"])
def test_a_schedule_whose_last_pass_failed_is_not_good(tmp_path: Path, scheduler: str) -> None:
    """Aunque esté en marcha, si la última pasada acabó mal el estado tiene su código."""
    report = tmp_path / "report.json"
    moment = datetime(2026, 1, 1, 10, tzinfo=UTC)
    report.write_text(
        json_line(Report("id", "x", "http://x", moment, problem="no", problem_code=ExitCode.NOPERM).to_dict())
    )

    assert ScheduleStatus(scheduler, "x", True, True, last_report=last_report(report)).exit_code == 77  # noqa: FBT003


@pytest.mark.usefixtures("madrid")
def test_installing_ends_with_when_it_starts() -> None:
    """Lo último que dice quien instala es que está en marcha y cuándo toca; o que no hay quien lo ejecute."""
    moment = datetime(2026, 7, 1, 10, tzinfo=UTC)

    running = ScheduleStatus("systemd", "estado-eventos", True, True, moment).announcement()  # noqa: FBT003
    stopped = ScheduleStatus("cron", "estado-eventos", True, False, moment).announcement()  # noqa: FBT003

    assert running == "✓ estado-eventos: en marcha; próximo tic 2026-07-01 12:00:00"
    assert "no hay ningún cron en marcha" in stopped
