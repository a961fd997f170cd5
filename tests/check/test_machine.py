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
from estado_eventos.schedule.cron import cron_block, is_running
from estado_eventos.schedule.job import Job
from tests.support.diagnosis import RUNNING, STOPPED, cron_daemon, diagnose, machine
from tests.support.faults import FaultyServer
from tests.support.inside import account, run_inside
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


def test_two_names_for_one_backend_are_a_warning(tmp_path: Path) -> None:
    """Dos planificadores de distinto nombre con la misma BACKEND_URL hacen lo mismo; repartidos, no."""
    units = {}
    for name in ("estado-eventos", "estado-eventos-aula2"):
        (tmp_path / f"{name}.env").write_text("BACKEND_URL=http://el-mismo.example\n")
        units[f"{name}.service"] = (
            f"ExecStart={{ argv[]=/x/estado-eventos --env-file {tmp_path}/{name}.env run-once ; }}"
        )
    both = f"{RUNNING}\nestado-eventos-aula2.timer enabled active"
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        env = {"BACKEND_URL": server.url, **machine(tmp_path, system=both, units=units)}
        twice = diagnose(**env).about("schedule")
        for number, name in enumerate(("estado-eventos", "estado-eventos-aula2"), 1):
            with (tmp_path / f"{name}.env").open("a") as file:
                file.write(f"SHARD={number}/2\n")
        shared = diagnose(**env).about("schedule")

    assert "hacen lo mismo" in twice[-1]["message"]
    assert "sudo estado-eventos schedule remove systemd --name aula2" in twice[-1]["cure"]
    assert [one["level"] for one in shared] == ["ok", "ok"]


@pytest.mark.parametrize(
    ("result", "status", "words", "cure"),
    [
        ("exit-code", 203, "203/EXEC", "sudo estado-eventos schedule install systemd --name aula2"),
        ("exit-code", 217, "217/USER", "sudo estado-eventos schedule install systemd --name aula2"),
        ("exit-code", 226, "226/NAMESPACE", "journalctl -u estado-eventos-aula2"),
        ("exit-code", 78, "78 (CONFIG", "Corrija /etc/estado-eventos/aula2.env"),
        ("exit-code", 77, "77 (NOPERM", "journalctl -u estado-eventos-aula2"),
        ("timeout", 15, "no acababa", "journalctl -u estado-eventos-aula2"),
        ("oom-kill", 9, "sin memoria", "journalctl -u estado-eventos-aula2"),
    ],
)
def test_a_service_that_fails_while_its_timer_ticks_is_named(
    tmp_path: Path, result: str, status: int, words: str, cure: str
) -> None:
    """Un temporizador en marcha cuyo servicio falla: se dice cuál, por qué, y la cura lo nombra."""
    start = "ExecStart={ argv[]=/x --env-file /etc/estado-eventos/aula2.env run-once ; }"
    units = {"estado-eventos-aula2.service": f"Result={result}\nExecMainStatus={status}\n{start}"}
    env = machine(tmp_path, system="estado-eventos-aula2.timer enabled active", units=units)
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        finding = diagnose(BACKEND_URL=server.url, **env).one("service")

    assert finding["level"] == "warning"
    assert "estado-eventos-aula2.service" in finding["message"]
    assert words in finding["message"]
    assert cure in finding["cure"]


@pytest.mark.parametrize(("result", "status"), [("success", 0), ("success", 75), ("exit-code", 1)])
def test_a_service_that_works_says_nothing(tmp_path: Path, result: str, status: int) -> None:
    """De un servicio que acaba bien, se corta o deja un evento para después no se dice nada: lo cuenta su informe."""
    units = {"estado-eventos.service": f"Result={result}\nExecMainStatus={status}"}
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, **machine(tmp_path, system=RUNNING, units=units))

    assert diagnosis.about("service") == []


def test_an_interval_that_is_not_the_installed_one_is_named(tmp_path: Path) -> None:
    """Cambiar el intervalo en el archivo no cambia la unidad ni el crontab: se dice, y qué lo instala."""
    path = tmp_path / "x.env"
    path.write_text("SCHEDULER_INTERVAL_SECONDS=30\n")
    job = Job(env_file=path, interval=60)
    service = (
        f"Environment=SCHEDULER_INTERVAL_SECONDS=60 PASS_TIMEOUT=48\nExecStart={{ argv[]=/x --env-file {path} ; }}"
    )
    units = {"estado-eventos.service": service}
    with FaultyServer(lambda _: answer(200, "[]")) as server, cron_daemon(tmp_path):
        timer = diagnose(BACKEND_URL=server.url, **machine(tmp_path, user=RUNNING, units=units)).about("schedule")
        cron = diagnose(BACKEND_URL=server.url, **machine(tmp_path, crontab=cron_block(job))).about("schedule")
        path.write_text("SCHEDULER_INTERVAL_SECONDS=60\n")
        cured = diagnose(BACKEND_URL=server.url, **machine(tmp_path, user=RUNNING, units=units)).about("schedule")

    assert "dice cada 30 s, y está instalado cada 60 s" in timer[-1]["message"]
    assert timer[-1]["cure"].endswith("estado-eventos schedule install systemd --user")
    assert cron[-1]["cure"].endswith("estado-eventos schedule install cron")
    assert [one["level"] for one in cured] == ["ok"]


def test_metrics_where_the_unit_cannot_write_are_named(tmp_path: Path) -> None:
    """Un METRICS_FILE fuera de lo que la unidad, aislada, puede escribir: aviso con lo que hay que añadirle."""
    path = tmp_path / "x.env"
    path.write_text("METRICS_FILE=/srv/metricas/estado.prom\n")
    service = f"ProtectSystem=strict\nStateDirectory=estado-eventos\nExecStart={{ argv[]=/x --env-file {path} ; }}"
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        for more, count in (("", 1), ("\nReadWritePaths=/srv/metricas", 0)):
            units = {"estado-eventos.service": service + more}
            diagnosis = diagnose(BACKEND_URL=server.url, **machine(tmp_path, system=RUNNING, units=units))
            assert [("ReadWritePaths=/srv/metricas" in one["cure"]) for one in diagnosis.about("metrics")] == [
                True
            ] * count


@pytest.mark.parametrize(
    ("timer", "socket", "properties", "words"),
    [
        (RUNNING, "enabled active", "Listen=127.0.0.1:8001 (Stream)", "escucha en 127.0.0.1:8001"),
        (RUNNING, "enabled failed", "Listen=127.0.0.1:8001 (Stream)", "sudo ss -ltnp 'sport = :8001'"),
        (RUNNING, "enabled inactive", "Listen=127.0.0.1:8001 (Stream)", "enable --now estado-eventos-api.socket"),
        (RUNNING, "enabled active", "Listen=0.0.0.0:8001 (Stream)", "schedule install systemd --api"),
        (RUNNING, "enabled active", "Listen=127.0.0.1:9001 (Stream)", "schedule install systemd --api"),
        ("", "enabled active", "Listen=127.0.0.1:8001 (Stream)", "sudo estado-eventos schedule remove systemd"),
    ],
)
def test_the_api_socket_is_looked_at(tmp_path: Path, timer: str, socket: str, properties: str, words: str) -> None:
    """Del socket de GET /health se dice si falló, si está parado, si sobra o si escucha donde nadie pidió."""
    path = tmp_path / "x.env"
    path.write_text("HOST=127.0.0.1\n")
    units = {
        "estado-eventos-api.socket": properties,
        "estado-eventos.service": f"ExecStart={{ argv[]=/x --env-file {path} ; }}",
    }
    env = machine(tmp_path, system=f"{timer}\nestado-eventos-api.socket {socket}", units=units)
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        finding = diagnose(BACKEND_URL=server.url, **env).one("api")

    assert words in f"{finding['message']} → {finding['cure']}"


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


def test_the_endpoint_of_before_is_said(tmp_path: Path) -> None:
    """Una unidad `-api@.service`, de cuando era un proceso por conexión, es un aviso con el mandato que la cambia."""
    env = machine(tmp_path, user=RUNNING)
    units = Path(str(env["HOME"]), ".config", "systemd", "user")
    units.mkdir(parents=True)
    (units / "estado-eventos-aula2-api@.service").touch()
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, **env)

    _, found = diagnosis.about("schedule")
    assert (diagnosis.code, found["level"]) == (0, "warning")
    assert found["cure"] == "estado-eventos schedule install systemd --name aula2 --user --api"


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
