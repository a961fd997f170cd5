"""El registro en sus cuatro formas."""

import contextlib
import io
import json
import logging
import re
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import trustme

from estado_eventos import __version__
from estado_eventos.backend.errors import BackendError
from estado_eventos.config.redactor import Redactor
from estado_eventos.config.settings import LogFormat, LogLevel
from estado_eventos.domain.transitions import START
from estado_eventos.output import logs, streams
from tests.support.faults import FaultyServer
from tests.support.inside import account, run_inside
from tests.support.program import PROGRAM, environment
from tests.support.reactions import answer
from tests.support.reference.server import ReferenceBackend
from tests.support.terminal_session import in_terminal
from tests.support.tls import certified


def test_text_lines_have_time_level_and_message() -> None:
    """En texto, cada línea es `fecha hora - NIVEL - mensaje`."""
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        completed = run_inside("run-once", BACKEND_URL=server.url)

    lines = completed.stderr.splitlines()
    assert len(lines) == 4
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - INFO - .+", line) for line in lines)


def test_json_is_one_object_a_line() -> None:
    """Con `LOG_FORMAT=json`, cada línea es un objeto con las claves de ECS y qué programa y qué pasada la dicen."""
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        completed = run_inside("run-once", "--json", BACKEND_URL=server.url, LOG_FORMAT="json")

    lines = [json.loads(line) for line in completed.stderr.splitlines()]
    assert [line["message"] for line in lines].count("Ejecutando job: start_pending_events") == 1
    assert len(lines) == 4
    for line in lines:
        assert datetime.fromisoformat(line["@timestamp"]).utcoffset() == timedelta(0)
        assert line["log.level"] == "info"
        assert (line["service.name"], line["service.version"]) == ("estado-eventos", __version__)
        assert line["trace.id"] == completed.report["run_id"]


def test_json_says_what_happened_in_fields(backend: ReferenceBackend) -> None:
    """En JSON, lo que le pasa a cada evento y cómo acaba la pasada son campos: una máquina no tiene que leer frases."""
    (good,) = backend.add_events(due_start=1, offset=-90, public_ids=["examen-1"])
    (bad,) = backend.add_events(broken_finish=1, public_ids=["examen-2"])

    completed = run_inside("run-once", **account(backend, LOG_FORMAT="json"))

    assert (completed.code, completed.stdout) == (1, "")
    lines = [json.loads(line) for line in completed.stderr.splitlines()]
    settled = {line["event.id"]: line for line in lines if "estado_eventos.result" in line}
    assert settled[good]["estado_eventos.result"] == "done"
    assert settled[good]["estado_eventos.transition"] == START.name
    assert settled[good]["estado_eventos.attempts"] == 1
    assert settled[good]["estado_eventos.lag_seconds"] >= 90
    assert settled[bad]["estado_eventos.result"] == "failed"
    assert settled[bad]["estado_eventos.attempts"] == 4
    *_, summary, closing = lines
    assert "Finalización: 1 fallido(s); retraso máximo: " in summary["message"]
    assert summary["estado_eventos.start.done"] == summary["estado_eventos.finish.failed"] == 1
    assert (closing["process.exit_code"], closing["event.outcome"], closing["log.level"]) == (1, "failure", "error")


def test_what_has_no_id_has_no_field_for_it() -> None:
    """En JSON, lo que la lista trae sin identificador no lleva ninguno inventado."""
    with FaultyServer(lambda _: answer(200, "[{}]")) as server:
        completed = run_inside("start", BACKEND_URL=server.url, LOG_FORMAT="json")

    (line,) = (line for line in map(json.loads, completed.stderr.splitlines()) if line["log.level"] == "warning")
    assert line["message"].startswith("✗ No se pudo iniciar el evento sin id: ")
    assert "event.id" not in line
    assert line["estado_eventos.result"] == "failed"


def test_wrong_settings_are_json_too(tmp_path: Path) -> None:
    """Con `LOG_FORMAT=json`, también lo que va mal antes de empezar es JSON y nada más que JSON."""
    file = tmp_path / "estado.env"
    file.write_text("LOG_FORMAT=json\nHTTP_TIMEOUT=x\n")
    for arguments in (["run-once"], ["run-once", "-q"], ["info"]):
        completed = run_inside("--env-file", str(file), *arguments)

        (line,) = (json.loads(line) for line in completed.stderr.splitlines())
        assert (completed.code, completed.stdout) == (78, "")
        assert line["message"] == f"HTTP_TIMEOUT ({file}): no es un número."


def test_a_traceback_is_a_field(monkeypatch: pytest.MonkeyPatch) -> None:
    """En JSON, una pila de llamadas es un campo más de la misma línea."""

    def broken(*_: object, **__: object) -> object:
        raise ZeroDivisionError

    with FaultyServer(lambda _: answer(404)) as server, monkeypatch.context() as patch:
        patch.setattr(BackendError, "__str__", broken)
        completed = run_inside("start", BACKEND_URL=server.url, LOG_FORMAT="json", LOG_LEVEL="DEBUG")

    lines = [json.loads(line) for line in completed.stderr.splitlines()]
    traces = [line["error.stack_trace"] for line in lines if "error.stack_trace" in line]
    assert completed.code == 70
    assert traces
    assert all(re.match(r"(?s)Traceback .*ZeroDivisionError$", trace) for trace in traces)


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


def test_json_under_the_journal_carries_its_priority(tmp_path: Path) -> None:
    """Bajo el journal, cada línea JSON lleva delante su `<N>`, que el journal quita y guarda."""
    path = tmp_path / "stderr"
    path.touch()
    status = path.stat()

    lines = _run_with_stderr_file(path, f"{status.st_dev}:{status.st_ino}", "json")

    assert [line[:4] for line in lines] == ["<6>{"] * (len(lines) - 1) + ["<3>{"]
    assert [json.loads(line[3:])["log.level"] for line in lines[-2:]] == ["info", "error"]


@pytest.mark.slow
def test_another_journal_stream_is_not_this_one(tmp_path: Path) -> None:
    """Un `JOURNAL_STREAM` heredado que nombra otra cosa no cambia las líneas."""
    for journal_stream in ("1:2", "x", ""):
        lines = _run_with_stderr_file(tmp_path / "stderr", journal_stream, "journal")

        assert lines[0].endswith(" - INFO - Ejecutando job: start_pending_events")


@pytest.mark.slow
def test_an_error_in_a_terminal_is_red_with_its_cure_under_it() -> None:
    """En un terminal, lo que fue mal es una línea roja y debajo va la cura; con NO_COLOR, una línea sin más."""
    context = certified(trustme.CA(), "127.0.0.1")
    with FaultyServer(tls=context) as server:
        _, colored = in_terminal("run-once", "-q", BACKEND_URL=server.url)
        _, plain = in_terminal("run-once", "-q", BACKEND_URL=server.url, NO_COLOR=1)

    error, cure = colored.splitlines()
    assert error.startswith("\x1b[31m")
    assert "el certificado TLS no vale" in error
    assert error.endswith(".\x1b[0m")
    assert cure.startswith(f"  → Compruebe que el backend ({server.url})")
    assert "\x1b" not in plain
    assert len(plain.splitlines()) == 1


@pytest.fixture
def secret() -> Iterator[str]:
    """Uno que las salidas del proceso no pueden dejar pasar, aunque venga de donde no se espera."""
    root, own = logging.getLogger(), logging.getLogger("estado_eventos")
    handlers, level, own_level = root.handlers, root.level, own.level
    streams.protect(Redactor(['s3cret "o" largo']))
    yield 's3cret "o" largo'
    streams.protect(Redactor())
    root.handlers = handlers
    root.setLevel(level)
    own.setLevel(own_level)


@pytest.mark.parametrize("log_format", [LogFormat.TEXT, LogFormat.JSON])
def test_a_line_of_ours_shows_no_secret(log_format: LogFormat, secret: str) -> None:
    """Un secreto que llegara a una frase, a su cura o a una pila de llamadas no se vería, y el JSON sigue siéndolo."""
    log, said = logging.getLogger("estado_eventos.prueba"), io.StringIO()
    with contextlib.redirect_stderr(said):
        logs.configure(LogLevel.DEBUG, log_format)
        log.warning("va en %s", secret, extra={"hint": f"quite {secret}"})
        log.warning(f"va dentro de {secret}, con %")  # noqa: G004
        logs.describe_bug(ValueError(f"no vale {secret}"))
        logging.getLogger("otra.biblioteca").error("también: %s", secret)

    lines = said.getvalue().splitlines()
    assert "s3cret" not in said.getvalue()
    assert said.getvalue().count("***") >= 4
    if log_format is LogFormat.JSON:
        assert len([json.loads(line) for line in lines]) == 4


def test_the_outputs_show_no_secret(secret: str) -> None:
    """Ni la salida, ni lo que se dice por stderr, ni un informe: solo el mandato que se pide para eso."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        streams.write([f"línea con {secret}"])
        streams.write_json({"error": f"va en {secret}", secret: 7})
        streams.tell(f"dicho: {secret}")

    line, report = out.getvalue().splitlines()
    assert (line, err.getvalue()) == ("línea con ***", "dicho: ***\n")
    assert json.loads(report) == {"error": "va en ***", secret: 7}
