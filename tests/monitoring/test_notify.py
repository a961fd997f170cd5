"""Los monitores: que se enteren de cada final y que, hagan lo que hagan, no estorben a la pasada."""

import json
import select
import signal
import time
from pathlib import Path

import pytest

from estado_eventos.domain.transitions import START
from tests.support.faults import FaultyServer
from tests.support.inside import run_inside
from tests.support.monitors import (
    PART_SUCCESS,
    SECRET,
    SUCCESS,
    denied,
    empty_lists,
    fails_with,
    files,
    ok,
    samples,
    stalls_on_posts,
    warnings,
)
from tests.support.program import run, start, wait
from tests.support.reactions import Fault, Raw, Request, Rule, answer


def _refuses_one(request: Request) -> Raw:
    return answer(200, "[{}]" if f"pending-{START.name}" in request.path else "[]")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "code", "ending"),
    [
        (empty_lists, 0, ""),
        (_refuses_one, 1, "/1"),
        (fails_with(503), 69, "/log"),
        (stalls_on_posts, 75, "/log"),
        (fails_with(404), 76, "/76"),
        (denied, 77, "/77"),
    ],
)
def test_every_ending_reaches_every_monitor(tmp_path: Path, rule: Rule, code: int, ending: str) -> None:
    """Acabe como acabe la pasada, se escriben los dos archivos y se da un latido, y los tres dicen lo mismo."""
    with FaultyServer(rule) as server, FaultyServer(ok) as monitor:
        env = {"BACKEND_URL": server.url, "PASS_TIMEOUT": 1, "HEARTBEAT_URL": f"{monitor.url}/{SECRET}"}
        completed = run_inside("run-once", "--json", **env | files(tmp_path))

    report = completed.report
    (beat,) = monitor.requests
    assert (completed.code, warnings(completed)) == (code, [])
    assert json.loads((tmp_path / "informe.json").read_text()) == report
    assert samples((tmp_path / "estado.prom").read_text())["last_exit_code",] == code
    assert (beat.method, beat.path) == ("POST", f"/{SECRET}{ending}?rid={report['run_id']}")
    assert beat.body.decode().startswith(f"run-once: {code} ")
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "estado.prom": 0o644,
        "informe.json": 0o644,
    }


@pytest.mark.slow
def test_a_signal_is_an_ending_too(tmp_path: Path) -> None:
    """Una pasada interrumpida por una señal se cuenta como cortada."""
    with FaultyServer(stalls_on_posts) as server, FaultyServer(ok) as monitor:
        env = {"BACKEND_URL": server.url, "HEARTBEAT_URL": f"{monitor.url}/{SECRET}"}
        process = start("start", "--json", env=env | files(tmp_path))
        while not server.count("POST"):
            assert process.poll() is None
        process.terminate()
        completed = wait(process)

    assert (completed.code, warnings(completed)) == (75, [])
    assert samples((tmp_path / "estado.prom").read_text())["last_events", "skipped", START.name] == 1
    assert json.loads((tmp_path / "informe.json").read_text())["exit_code"] == 75
    assert [beat.path.partition("?")[0] for beat in monitor.requests] == [f"/{SECRET}/log"]


def test_a_bug_is_an_ending_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Un fallo del programa en plena pasada también llega a los monitores, y se conserva el último éxito."""

    def broken(*_: object, **__: object) -> object:
        raise ZeroDivisionError

    with FaultyServer(empty_lists) as server, FaultyServer(ok) as monitor:
        env = {"BACKEND_URL": server.url, "HEARTBEAT_URL": monitor.url} | files(tmp_path)
        run_inside("run-once", **env)
        good = samples((tmp_path / "estado.prom").read_text())
        with monkeypatch.context() as patch:
            patch.setattr(json, "loads", broken)
            completed = run_inside("run-once", "--json", **env)

    found = samples((tmp_path / "estado.prom").read_text())
    assert completed.code == 70
    assert found["last_exit_code",] == 70
    assert (found[SUCCESS,], found[PART_SUCCESS, START.name]) == (good[SUCCESS,], good[SUCCESS,])
    assert found["last_events", "done", START.name] == 0
    assert json.loads((tmp_path / "informe.json").read_text()) == completed.report
    assert [beat.path.partition("?")[0] for beat in monitor.requests] == ["/", "/70"]


@pytest.mark.parametrize(
    ("arguments", "variables", "code"),
    [
        (["pending"], {}, 0),
        (["run-once", "--dry-run"], {}, 0),
        (["run-once", "--event", "1"], {"HTTP_TIMEOUT": "x"}, 78),
    ],
)
def test_what_is_not_a_pass_tells_nothing(
    tmp_path: Path, arguments: list[str], variables: dict[str, object], code: int
) -> None:
    """Una consulta, un simulacro o unos eventos sueltos no dicen nada a nadie, tampoco con la configuración mal."""
    with FaultyServer(empty_lists) as server, FaultyServer(ok) as monitor:
        env = {"BACKEND_URL": server.url, "HEARTBEAT_URL": monitor.url} | files(tmp_path) | variables
        completed = run_inside(*arguments, **env)

    assert completed.code == code
    assert list(tmp_path.iterdir()) == []
    assert monitor.requests == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"HTTP_TIMEOUT": "x"}, "HTTP_TIMEOUT (entorno): no es un número."),
        ({"BACKEND_EMAIL": "a@b"}, "BACKEND_PASSWORD: falta; está puesta BACKEND_EMAIL y van juntas."),
        ({"LOG_LEVEL": "x", "PASS_TIMEOUT": 99}, "LOG_LEVEL (entorno): no es ninguno de estos valores: "),
    ],
)
def test_wrong_settings_are_told(tmp_path: Path, wrong: dict[str, object], words: str) -> None:
    """Con la configuración mal (78), lo saben los monitores que se entienden, y por qué; el éxito de antes se queda."""
    with FaultyServer(empty_lists) as server, FaultyServer(ok) as monitor:
        env = {"BACKEND_URL": server.url, "HEARTBEAT_URL": f"{monitor.url}/{SECRET}"} | files(tmp_path)
        run_inside("run-once", **env)
        good = samples((tmp_path / "estado.prom").read_text())
        completed = run_inside("run-once", **env | wrong)

    found = samples((tmp_path / "estado.prom").read_text())
    beat = monitor.requests[-1]
    assert (completed.code, found["last_exit_code",], len(server.requests)) == (78, 78, 2)
    assert found[SUCCESS,] == good[SUCCESS,]
    assert json.loads((tmp_path / "informe.json").read_text())["exit_code"] == 78
    assert beat.path.partition("?")[0] == f"/{SECRET}/78"
    assert words in beat.body.decode()


def test_a_typo_in_the_file_is_told_too(tmp_path: Path) -> None:
    """Una línea del archivo de configuración que no se entiende no impide avisar a quien nombran las demás."""
    with FaultyServer(ok) as monitor:
        file = tmp_path / "estado.env"
        file.write_text(f"METRICS_FILE={tmp_path}/estado.prom\nHEARTBEAT_URL={monitor.url}\nHTTP_TIMEOUT='30\n")
        completed = run("run-once", "--env-file", str(file))

    assert completed.code == 78
    assert monitor.requests[0].path.startswith("/78?")
    assert f"{file}, línea 3: no se entiende" in monitor.requests[0].body.decode()
    assert samples((tmp_path / "estado.prom").read_text())["last_exit_code",] == 78


@pytest.mark.parametrize(
    ("wrong", "written"),
    [
        ({"HEARTBEAT_URL": "{otro}"}, ["estado.prom", "informe.json"]),
        ({"SCHEDULE_NAME": "a b"}, ["informe.json"]),
        ({"SHARD": "9/8"}, ["informe.json"]),
        ({"SHARD": "1/8", "SHARD_COUNT": 4}, ["informe.json"]),
        ({"METRICS_FILE": "/x\x01"}, ["informe.json"]),
    ],
)
def test_a_monitor_with_wrong_settings_is_left_alone(
    tmp_path: Path, wrong: dict[str, object], written: list[str]
) -> None:
    """Lo que no se entiende de un monitor lo deja fuera, a él solo; sin saber de qué trabajo son, no hay métricas."""
    completed = run_inside("run-once", **files(tmp_path) | wrong)

    assert completed.code == 78
    assert sorted(path.name for path in tmp_path.iterdir()) == written


@pytest.mark.slow
def test_without_its_library_only_the_metrics_are_lost(tmp_path: Path) -> None:
    """`prometheus_client` se importa solo si hace falta, y si falta es un aviso."""
    (tmp_path / "prometheus_client.py").write_text("raise ImportError\n")
    with FaultyServer(empty_lists) as server:
        env = {"BACKEND_URL": server.url, "PYTHONPATH": tmp_path, "REPORT_FILE": tmp_path / "informe.json"}
        without = run("run-once", env=env)
        wanted = run("run-once", env=env | {"METRICS_FILE": tmp_path / "estado.prom"})

    assert (without.code, warnings(without)) == (0, [])
    assert (wanted.code, warnings(wanted)) == (0, ["METRICS_FILE: fallo interno (ImportError)"])


def test_a_signal_cuts_the_monitors_and_keeps_the_code(tmp_path: Path) -> None:
    """Una señal mientras se espera al monitor acaba enseguida, con el código de la pasada y los archivos escritos."""
    with FaultyServer(denied) as server, FaultyServer(lambda _: Fault.STALL) as monitor:
        env = {"BACKEND_URL": server.url, "HEARTBEAT_URL": monitor.url} | files(tmp_path)
        process = start("run-once", "--json", env=env)
        while not monitor.requests:
            assert process.poll() is None
        asked = time.monotonic()
        process.terminate()
        process.send_signal(signal.SIGINT)
        completed = wait(process)
        seconds = time.monotonic() - asked

    assert completed.code == completed.report["exit_code"] == 77
    assert warnings(completed) == ["HEARTBEAT_URL: no contesta; no se espera más"]
    assert len(list(tmp_path.iterdir())) == 2
    assert seconds < 1.5


def test_a_signal_after_the_monitors_changes_nothing(tmp_path: Path) -> None:
    """Una señal mientras sale el informe, ya hecho todo lo demás, no lo corta ni cambia el código."""
    with FaultyServer(lambda _: answer(200, json.dumps([{}] * 2000))) as server:
        env = {"BACKEND_URL": server.url, "LOG_LEVEL": "ERROR"} | files(tmp_path)
        process = start("start", "--json", env=env)
        # No cabe en la tubería: en cuanto hay algo que leer, el programa está escribiendo.
        assert process.stdout
        select.select([process.stdout], [], [])
        process.terminate()
        completed = wait(process)

    assert completed.code == completed.report["exit_code"] == 1
    assert json.loads((tmp_path / "informe.json").read_text()) == completed.report
