"""Cómo acabó la última pasada, según el informe que dejó cada planificador."""

import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.report import Report
from estado_eventos.output.streams import json_line
from estado_eventos.schedule.cron import cron_block
from estado_eventos.schedule.job import Job
from tests.support.diagnosis import RUNNING, diagnose, machine
from tests.support.faults import FaultyServer
from tests.support.inside import account, run_inside
from tests.support.reactions import answer
from tests.support.reference.server import ReferenceBackend


def report(**changes: Any) -> str:
    """Un informe como el que deja una pasada."""
    done = Report("id", "run-once", "http://x", datetime(2026, 1, 1, 10, tzinfo=UTC), duration_seconds=0.4)
    return json_line(replace(done, **changes).to_dict())


def test_of_several_schedules_each_line_says_whose_it_is(tmp_path: Path) -> None:
    """Con varios planificadores cada informe dice de quién es, y su cura lo nombra."""
    home = tmp_path / "bin" / ".local" / "state"
    late = time.time() - 900
    for name in ("estado-eventos", "estado-eventos-aula2"):
        (home / name).mkdir(parents=True)
        (home / name / "report.json").write_text(report())
        os.utime(home / name / "report.json", (late, late))
    both = f"{RUNNING}\nestado-eventos-aula2.timer enabled active"
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        first, second = diagnose(BACKEND_URL=server.url, **machine(tmp_path, user=both)).about("report")

    assert first["message"].startswith("estado-eventos.timer (systemd del usuario): ")
    assert second["message"].startswith("estado-eventos-aula2.timer (systemd del usuario): ")
    assert second["cure"] == "estado-eventos schedule status systemd --name aula2 --user"


def test_a_pass_that_ended_with_1_repeats_the_words_of_the_backend(backend: ReferenceBackend, tmp_path: Path) -> None:
    """De una pasada que acabó con 1 se dice qué evento sigue pendiente y qué contestó el backend."""
    (key,) = backend.add_events(broken_start=1)
    env = account(backend, REPORT_FILE=tmp_path / "informe.json")
    failed = run_inside("run-once", "--json", **env)

    finding = diagnose(**env).one("report")

    (event,) = failed.report["transitions"]["start"]["events"]
    assert failed.code == 1
    assert f"evento {key}: {event['error']}" in finding["message"]


@pytest.mark.parametrize(
    ("text", "age", "level", "words"),
    [
        (report(), 30, "ok", " s, bien"),
        (report(), 170, "ok", "2 min"),
        (report(), 200, "warning", "toca cada 60 s"),
        (report(problem="HTTP 403: no", problem_code=ExitCode.NOPERM), 5, "warning", "con 77 (noperm): HTTP 403: no"),
        ("{", 5, "warning", "no se entiende"),
        (None, 0, "warning", "aún no hay informe"),
    ],
)
def test_how_the_last_pass_ended(tmp_path: Path, text: str | None, age: float, level: str, words: str) -> None:
    """Del último informe se dice cuándo acabó la pasada y cómo; si es viejo, falló o no está, es un aviso."""
    path = tmp_path / "informe.json"
    if text is not None:
        path.write_text(text)
        os.utime(path, (time.time() - age,) * 2)
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, REPORT_FILE=path)

    assert diagnosis.code == 0
    assert diagnosis.one("report")["level"] == level
    assert words in diagnosis.one("report")["message"]


def test_a_report_this_account_cannot_reach_is_a_warning() -> None:
    """Un informe al que no se llega se dice, y la cura es otra cuenta."""
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, REPORT_FILE="/dev/null/informe.json")

    assert "no puede leer" in diagnosis.one("report")["message"]


def test_the_report_of_the_installed_unit_is_found(tmp_path: Path) -> None:
    """Aunque `REPORT_FILE` solo esté en la unidad, se lee el informe de donde ella lo deja."""
    env = machine(tmp_path, user=RUNNING)
    state = tmp_path / "bin" / ".local" / "state" / "estado-eventos"
    state.mkdir(parents=True)
    (state / "report.json").write_text(report())
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, **env)

    assert diagnosis.one("report")["message"].startswith("La última pasada acabó hace")


def test_the_report_of_the_installed_crontab_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Si quien ejecuta el programa es el crontab de esta cuenta, se lee el informe de donde lo deja su línea."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    home = tmp_path / "bin"
    monkeypatch.setenv("HOME", str(home))
    job = Job("aula2", user=True)
    job.cron_directory.mkdir(parents=True)
    job.cron_report_file.write_text(report())
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, **machine(tmp_path, crontab=cron_block(job)))

    assert diagnosis.one("report")["message"].startswith("La última pasada acabó hace")
