"""Las salidas: cerradas, llenas, sin lector o con otra codificación, ni cambian el código ni pierden el informe."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from estado_eventos.output import streams
from tests.support.faults import FaultyServer
from tests.support.program import PROGRAM, environment, run, start
from tests.support.reactions import answer


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_output_that_cannot_say_everything_says_the_rest(encoding: str) -> None:
    """Donde no se puede escribir un acento o un «✓», sale como en JSON: ni se pierde el informe ni deja de serlo."""
    reply = answer(400, '{"error": "✓ exámenes"}')
    with FaultyServer(lambda request: answer(200, '[{"id": 7}]') if request.method == "GET" else reply) as server:
        env = {"BACKEND_URL": server.url, "PYTHONIOENCODING": encoding, "LOG_FORMAT": "json"}
        plain = run("pending", env=env, errors="strict" if encoding == "ascii" else "replace")
        completed = run("start", "--json", env=env, errors="replace")

    assert plain.stdout.startswith("inicio  7  ?  ?")
    (event,) = completed.report["transitions"]["start"]["events"]
    assert event["error"] == "✓ exámenes"
    assert any("✓" in json.loads(line)["message"] for line in completed.stderr.splitlines())


def test_json_is_escaped_where_the_output_is_not_utf8() -> None:
    """JSON es UTF-8: en una salida que no lo es, lo que no es ASCII va escapado. Y `NaN` no es JSON."""
    latin = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")

    assert streams.json_line({"a": "✓"}) == '{"a": "✓"}'
    assert streams.json_line({"a": "✓"}, latin) == '{"a": "\\u2713"}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        streams.json_line({"a": float("nan")})


def test_a_question_nobody_answers_is_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    """Se pregunta por stderr, se toma lo tecleado sin espacios, y si no hay nadie es como un Ctrl-C."""
    asked = io.StringIO()
    monkeypatch.setattr(sys, "stderr", asked)
    monkeypatch.setattr(sys, "stdin", io.StringIO(" ana@example.com \n"))

    assert streams.ask("Correo: ") == "ana@example.com"
    with pytest.raises(KeyboardInterrupt):
        streams.ask("Correo: ")
    assert asked.getvalue() == "Correo: Correo: "


def test_without_stderr_there_is_nobody_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Con stderr cerrado, lo que se diría a una persona se calla."""
    monkeypatch.setattr(sys, "stderr", None)

    streams.tell("hola")
