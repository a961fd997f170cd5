"""Salidas cerradas, llenas o que nadie lee."""

import fcntl
import json
import select
import signal
import subprocess
from itertools import product
from pathlib import Path

import pytest

from tests.support.faults import FaultyServer
from tests.support.inside import account
from tests.support.passes import moved_once, moves
from tests.support.processes import POLITE, is_full, until
from tests.support.program import PROGRAM, check_adds_up, environment, start
from tests.support.reactions import answer
from tests.support.reference.server import ReferenceBackend

_USELESS = [">&-", "2>&-", "<&-", ">&- 2>&- <&-", ">/dev/full", "2>/dev/full", ">/dev/full 2>&1", "<&- >/dev/full 2>&-"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("redirections", "arguments"),
    [
        *product(_USELESS, [[]]),
        *product(["2>&-", "<&-", "2>/dev/full", ">/dev/full 2>&1"], [["--json"]]),
        *product([">&-", ">&- 2>&- <&-"], [["--log-format", "json"]]),
    ],
    ids=str,
)
def test_useless_outputs_cost_no_event(backend: ReferenceBackend, redirections: str, arguments: list[str]) -> None:
    """Con la salida, el registro o la entrada cerrados o llenos: 0, todo movido, y por donde se puede no hay quejas."""
    ids = backend.add_events(due_start=3, due_finish=3)
    env = environment(**account(backend))
    command = ["sh", "-c", f'exec "$@" {redirections}', "sh", *PROGRAM, "run-once", *arguments]

    finished = subprocess.run(command, env=env, cwd="/", check=False, capture_output=True, timeout=60)

    assert finished.returncode == 0
    assert moved_once(backend, ids)
    assert b"Traceback" not in finished.stderr
    assert b"Exception ignored" not in finished.stderr
    if arguments == ["--json"] and ">&-" not in redirections.split() and ">/dev/full" not in redirections:
        assert json.loads(finished.stdout)["exit_code"] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["info"], 0), (["start", "--foo"], 2), (["start", "--env-file", "/no"], 78), (["token", "--check"], 78)],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
@pytest.mark.parametrize("redirections", [">&- 2>&-", ">/dev/full 2>/dev/full", "2>/dev/full", "2>&1 | head -c0"])
def test_the_code_is_the_same_though_nobody_can_read_it(arguments: list[str], code: int, redirections: str) -> None:
    """El código de salida no depende de que haya donde escribir."""
    shell = ["bash", "-c", f'"$@" {redirections}; exit ${{PIPESTATUS[0]}}', "bash", *PROGRAM, *arguments]

    finished = subprocess.run(shell, env=environment(), cwd="/", check=False, capture_output=True, timeout=60)

    assert finished.returncode == code
    assert b"Traceback" not in finished.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", ['"$@" | head -c0', '"$@" 2>&1 | head -c0', '"$@" --json | head -c1'])
def test_a_reader_that_leaves_costs_no_event(backend: ReferenceBackend, command: str) -> None:
    """Si quien lee la salida, o también el registro, se va enseguida: 0, todo movido, ninguna queja."""
    ids = backend.add_events(due_start=20, due_finish=20)
    shell = ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}", "bash", *PROGRAM, "run-once"]

    finished = subprocess.run(
        shell, env=environment(**account(backend)), cwd="/", check=False, capture_output=True, timeout=60
    )

    assert finished.returncode == 0
    assert b"Traceback" not in finished.stderr
    assert b"BrokenPipe" not in finished.stderr
    assert moved_once(backend, ids)


@pytest.mark.slow
@pytest.mark.parametrize("name", POLITE)
def test_a_signal_ends_a_pass_whose_log_nobody_reads(backend: ReferenceBackend, tmp_path: Path, name: str) -> None:
    """Parada porque nadie lee el registro (un Ctrl-S, un paginador), una señal la acaba igual: 75 y su informe."""
    backend.add_events(due_start=150)
    report_file = tmp_path / "informe.json"
    with start("start", "--json", env=account(backend, REPORT_FILE=report_file)) as stuck:
        assert stuck.stderr
        # Su tubería de errores, pequeña, se llena a media pasada.
        fcntl.fcntl(stuck.stderr, fcntl.F_SETPIPE_SZ, 4096)
        until(lambda: is_full(stuck.stderr), stuck)
        stuck.send_signal(signal.Signals[name])
        code = stuck.wait(30)
        stuck.communicate()

    report = json.loads(report_file.read_text())
    check_adds_up(report)
    assert code == report["exit_code"] == 75
    done = {str(event["id"]) for event in report["transitions"]["start"]["events"] if event["result"] == "done"}
    assert done == set(moves(backend))


@pytest.mark.slow
def test_a_signal_ends_a_process_whose_output_nobody_reads(tmp_path: Path) -> None:
    """Con la pasada hecha y contada, y el informe atascado en la salida, una señal acaba el proceso con su código."""
    report_file = tmp_path / "informe.json"
    with FaultyServer(lambda _: answer(200, json.dumps([{}] * 2000))) as server:
        env = {"BACKEND_URL": server.url, "LOG_LEVEL": "ERROR", "REPORT_FILE": report_file}
        with start("start", "--json", env=env) as stuck:
            assert stuck.stdout
            select.select([stuck.stdout], [], [])
            stuck.terminate()
            code = stuck.wait(30)
            stuck.communicate()

    assert code == json.loads(report_file.read_text())["exit_code"] == 1
