"""El registro en sus cuatro formas."""

import json
import re
import subprocess
from pathlib import Path

from tests.support.faults import FaultyServer, answer
from tests.support.inside import run_inside
from tests.support.program import PROGRAM, environment
from tests.support.terminal_session import in_terminal


def test_text_lines_have_time_level_and_message() -> None:
    """En texto, cada línea es `fecha hora - NIVEL - mensaje`."""
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        completed = run_inside("run-once", BACKEND_URL=server.url)

    lines = completed.stderr.splitlines()
    assert len(lines) == 4
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - INFO - .+", line) for line in lines)


def test_json_is_one_object_a_line() -> None:
    """Con `LOG_FORMAT=json`, cada línea es un objeto con hora, nivel y mensaje."""
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        completed = run_inside("run-once", BACKEND_URL=server.url, LOG_FORMAT="json")

    lines = [json.loads(line) for line in completed.stderr.splitlines()]
    assert {line["level"] for line in lines} == {"INFO"}
    assert "Ejecutando job: start_pending_events" in [line["message"] for line in lines]
    assert all(line["time"].endswith("Z") for line in lines)


def _run_with_stderr_file(path: Path, journal_stream: str, log_format: str = "auto") -> list[str]:
    with FaultyServer(lambda _: answer(404)) as server, path.open("w") as stderr:
        env = environment(BACKEND_URL=server.url, JOURNAL_STREAM=journal_stream, LOG_FORMAT=log_format)
        subprocess.run([*PROGRAM, "start"], env=env, cwd="/", check=False, stderr=stderr, timeout=60)
    return path.read_text().splitlines()


def test_journal_lines_carry_their_priority(tmp_path: Path) -> None:
    """Si `JOURNAL_STREAM` nombra este stderr, cada línea lleva su `<N>` y ninguna hora."""
    path = tmp_path / "stderr"
    path.touch()
    status = path.stat()

    lines = _run_with_stderr_file(path, f"{status.st_dev}:{status.st_ino}")

    assert lines[0] == "<6>Ejecutando job: start_pending_events"
    assert lines[-1].startswith("<3>Lista de pendientes de inicio: HTTP 404")


def test_another_journal_stream_is_not_this_one(tmp_path: Path) -> None:
    """Un `JOURNAL_STREAM` heredado que nombra otra cosa no cambia las líneas."""
    for journal_stream in ("1:2", "x", ""):
        lines = _run_with_stderr_file(tmp_path / "stderr", journal_stream, "journal")

        assert lines[0].endswith(" - INFO - Ejecutando job: start_pending_events")


def test_an_error_in_a_terminal_is_red_with_its_cure_under_it() -> None:
    """En un terminal, lo que fue mal es una línea roja y debajo va la cura; con NO_COLOR, una línea sin más."""
    env = {"BACKEND_URL": "http://127.0.0.1:9/nadie", "PASS_TIMEOUT": 4}
    _, colored = in_terminal("run-once", "-q", **env)
    _, plain = in_terminal("run-once", "-q", **env, NO_COLOR=1)

    error, cure = colored.splitlines()
    assert error.startswith("\x1b[31m")
    assert error.endswith("conexión rehusada.\x1b[0m")
    assert cure.startswith("  → Compruebe que el backend (http://127.0.0.1:9/nadie)")
    assert "\x1b" not in plain
    assert len(plain.splitlines()) == 1
