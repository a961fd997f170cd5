"""Los monitores: que se enteren de cada final y que, hagan lo que hagan, no estorben a la pasada."""

import json
import select
import signal
import time
from pathlib import Path

import pytest

from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.transitions import START
from tests.support.faults import Fault, FaultyServer, Raw, Request, Rule, answer
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


def _refuses_one(request: Request) -> Raw:
    return answer(200, "[{}]" if f"pending-{START.name}" in request.path else "[]")


@pytest.mark.parametrize(
    ("rule", "code", "ending"),
    [
        (empty_lists, 0, ""),
        (_refuses_one, 1, "/1"),
        (fails_with(503), 69, "/69"),
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
    assert beat.body.decode().startswith(f"run-once: {code} {ExitCode(code).name}, ")
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "estado.prom": 0o644,
        "informe.json": 0o644,
    }


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
        (["run-once", "--event", "1"], {}, 0),
        (["run-once"], {"HTTP_TIMEOUT": "x"}, 78),
    ],
)
def test_what_is_not_a_pass_tells_nothing(
    tmp_path: Path, arguments: list[str], variables: dict[str, object], code: int
) -> None:
    """Una consulta, un simulacro, unos eventos sueltos o una configuración que no vale no dicen nada a nadie."""
    with FaultyServer(empty_lists) as server, FaultyServer(ok) as monitor:
        env = {"BACKEND_URL": server.url, "HEARTBEAT_URL": monitor.url} | files(tmp_path) | variables
        completed = run_inside(*arguments, **env)

    assert completed.code == code
    assert list(tmp_path.iterdir()) == []
    assert monitor.requests == []


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
