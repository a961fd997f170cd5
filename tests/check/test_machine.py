"""Quién ejecuta el programa en esta máquina: systemd, cron, nadie o dos a la vez."""

import time
from pathlib import Path
from typing import Any

import pytest

from estado_eventos.schedule.cron import cron_block, is_running
from estado_eventos.schedule.job import Job
from tests.support.diagnosis import RUNNING, STOPPED, cron_daemon, diagnose, machine
from tests.support.faults import FaultyServer
from tests.support.inside import account
from tests.support.reactions import answer
from tests.support.reference.server import ReferenceBackend

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
        ({"system": RUNNING}, BLOCK, ["ok", "ok", "warning"], "borre esa línea"),
        ({"system": RUNNING, "user": RUNNING}, None, ["ok", "ok", "warning"], "schedule remove systemd --user"),
        ({"system": RUNNING}, cron_block(Job()), ["ok", "ok", "warning"], "estado-eventos schedule remove cron"),
    ],
)
def test_something_has_to_run_it_and_only_once(
    tmp_path: Path, managers: dict[str, Any], crontab: str | None, levels: list[str], words: str
) -> None:
    """Que nada lo ejecute, que esté parado o que sea dos veces es un aviso con su mandato; el código no cambia."""
    with FaultyServer(lambda _: answer(200, "[]")) as server, cron_daemon(tmp_path):
        diagnosis = diagnose(BACKEND_URL=server.url, **machine(tmp_path, crontab=crontab, **managers))

    found = diagnosis.about("schedule")
    assert diagnosis.code == 0
    assert [finding["level"] for finding in found] == levels
    assert words in f"{found[-1]['message']} → {found[-1]['cure']}"


def test_a_cron_line_without_a_cron_is_a_warning(tmp_path: Path) -> None:
    """Una línea de cron sin ningún cron en marcha no hace pasadas; con él, está bien."""
    if is_running():
        pytest.skip("en esta máquina hay un cron de verdad")
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        env = {"BACKEND_URL": server.url, **machine(tmp_path, crontab=BLOCK)}
        stopped = diagnose(**env).one("schedule")
        with cron_daemon(tmp_path):
            running = diagnose(**env).one("schedule")

    assert (stopped["level"], running["level"]) == ("warning", "ok")
    assert "ningún cron en marcha" in stopped["message"]
    assert "enable --now cron" in stopped["cure"]


@pytest.mark.slow
def test_a_cron_line_that_logs_in_every_minute_is_a_warning(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Una línea de cron hecha a mano, sin TOKEN_CACHE_FILE, inicia sesión en cada pasada: se dice y se cura."""
    with cron_daemon(tmp_path):
        env = account(backend, **machine(tmp_path, crontab=BLOCK))
        found = diagnose(**env).about("schedule")
        cured = diagnose(**env, TOKEN_CACHE_FILE=tmp_path / "token").about("schedule")
        ours = diagnose(**account(backend, **machine(tmp_path, crontab=cron_block(Job())))).about("schedule")

    assert [one["level"] for one in found] == ["ok", "warning"]
    assert "cada pasada inicia sesión" in found[1]["message"]
    assert "TOKEN_CACHE_FILE" in found[1]["cure"]
    assert [one["level"] for one in (*cured, *ours)] == ["ok", "ok"]


def test_a_systemd_that_hangs_does_not_hold_the_diagnosis(tmp_path: Path) -> None:
    """Si `systemctl` no contesta, se deja de esperar y lo demás se dice igual."""
    env = machine(tmp_path, crontab=BLOCK)
    (tmp_path / "bin" / "systemctl").write_text("#!/bin/sh\nexec sleep 60\n")
    began = time.monotonic()
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, PASS_TIMEOUT=10, **env)

    assert diagnosis.code == 0
    assert len(diagnosis.about("list")) == 2
    assert time.monotonic() - began < 30
