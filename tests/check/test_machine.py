"""La máquina mirada por el diagnóstico: quién ejecuta el programa y cómo acabó la última pasada."""

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
from tests.support.diagnosis import RUNNING, STOPPED, diagnose, machine
from tests.support.faults import FaultyServer, answer

BLOCK = "MAILTO=yo\n# estado-eventos: comentario\n* * * * * /usr/local/bin/estado-eventos run-once --quiet\n"


@pytest.mark.parametrize(
    ("managers", "crontab", "levels", "words"),
    [
        ({"system": RUNNING}, None, ["ok"], "está en marcha"),
        ({"system": "estado-eventos-aula2.timer enabled active"}, "", ["ok"], "estado-eventos-aula2.timer"),
        ({"user": RUNNING}, None, ["ok"], "está en marcha"),
        ({"system": "otro.timer enabled active"}, BLOCK, ["ok"], "crontab -l"),
        ({}, BLOCK, ["ok"], "Cron ejecuta"),
        ({}, None, ["ok"], "¿un contenedor?"),
        ({"system": STOPPED}, "", ["warning"], "sudo systemctl enable --now estado-eventos.timer"),
        ({"user": STOPPED}, "", ["warning"], "systemctl --user enable --now estado-eventos.timer"),
        ({"system": "estado-eventos.timer disabled active"}, "", ["warning"], "systemctl enable estado-eventos.timer"),
        ({"system": ""}, "# estado-eventos\n", ["warning"], "estado-eventos schedule install systemd"),
        ({}, "", ["warning"], "estado-eventos schedule install cron"),
        ({"system": RUNNING}, BLOCK, ["ok", "ok", "warning"], "estado-eventos schedule remove cron"),
    ],
)
def test_something_has_to_run_it_and_only_once(
    tmp_path: Path, managers: dict[str, Any], crontab: str | None, levels: list[str], words: str
) -> None:
    """Que nada lo ejecute, que esté parado o que sea dos veces es un aviso con su mandato; el código no cambia."""
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, **machine(tmp_path, crontab=crontab, **managers))

    found = diagnosis.about("schedule")
    assert diagnosis.code == 0
    assert [finding["level"] for finding in found] == levels
    assert words in f"{found[-1]['message']} → {found[-1]['cure']}"


def test_a_systemd_that_hangs_does_not_hold_the_diagnosis(tmp_path: Path) -> None:
    """Si `systemctl` no contesta, se deja de esperar y lo demás se dice igual."""
    env = machine(tmp_path, crontab=BLOCK)
    (tmp_path / "bin" / "systemctl").write_text("#!/bin/sh\nexec sleep 60\n")
    began = time.monotonic()
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, PASS_TIMEOUT=1, **env)

    assert diagnosis.code == 0
    assert len(diagnosis.about("list")) == 2
    assert time.monotonic() - began < 30


def report(**changes: Any) -> str:
    """Un informe como el que deja una pasada."""
    done = Report("id", "run-once", "http://x", datetime(2026, 1, 1, 10, tzinfo=UTC), duration_seconds=0.4)
    return json_line(replace(done, **changes).to_dict())


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
