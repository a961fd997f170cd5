"""El registro en sus tres formas."""

import json
import re
import subprocess
from pathlib import Path

from tests.support.faults import FaultyServer, answer
from tests.support.program import PROGRAM, environment, run, start


def test_text_lines_have_time_level_and_message() -> None:
    """En texto, cada línea es `fecha hora - NIVEL - mensaje`."""
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        completed = run("run-once", env={"BACKEND_URL": server.url})

    lines = completed.stderr.splitlines()
    assert len(lines) == 4
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - INFO - .+", line) for line in lines)


def test_json_is_one_object_a_line() -> None:
    """Con `LOG_FORMAT=json`, cada línea es un objeto con hora, nivel y mensaje."""
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        completed = run("run-once", env={"BACKEND_URL": server.url, "LOG_FORMAT": "json"})

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


def test_a_closed_stderr_or_stdout_does_not_change_the_pass() -> None:
    """Con la salida o el registro cerrados, la pasada acaba igual."""
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        env = environment(BACKEND_URL=server.url)
        for closed in (">&-", "2>&-", ">&- 2>&- <&-"):
            command = ["sh", "-c", f'exec "$@" {closed}', "sh", *PROGRAM, "run-once", "--json"]
            finished = subprocess.run(command, env=env, cwd="/", check=False, capture_output=True, timeout=60)

            assert (finished.returncode, b"Traceback" in finished.stderr) == (0, False)


def test_a_reader_that_leaves_does_not_change_the_code() -> None:
    """Si quien lee la salida se va, el código de salida sigue siendo el de la pasada y no hay quejas."""
    with (
        FaultyServer(lambda _: answer(200, "[]")) as server,
        start("run-once", "--json", env={"BACKEND_URL": server.url}) as process,
    ):
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        stderr = process.stderr.read()

    assert process.returncode == 0
    assert "Traceback" not in stderr
    assert "BrokenPipe" not in stderr


def test_a_full_disk_does_not_change_the_code() -> None:
    """Si la salida no cabe, el código sigue siendo el de la pasada."""
    with FaultyServer(lambda _: answer(200, "[]")) as server, Path("/dev/full").open("w") as full:
        env = environment(BACKEND_URL=server.url)
        finished = subprocess.run(
            [*PROGRAM, "run-once", "--json"], env=env, cwd="/", check=False, stdout=full, stderr=subprocess.PIPE
        )

    assert finished.returncode == 0
    assert b"Traceback" not in finished.stderr
