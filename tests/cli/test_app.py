"""La línea de mandatos: ayuda, errores de uso y lo que se ve en un terminal."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from estado_eventos import __version__
from estado_eventos.cli.app import main
from tests.support.faults import FaultyServer, Request, answer
from tests.support.program import run
from tests.support.reference.server import ReferenceBackend
from tests.support.terminal_session import in_terminal

ENGLISH = {
    *("Usage", "Options", "Commands", "Arguments", "Show", "Install", "OPTIONS", "exit", "current", "default"),
    *("Choose", "from", "Missing", "Invalid", "value", "option", "such", "required", "is", "not"),
}


@pytest.mark.parametrize("command", [[], ["run-once"], ["pending"], ["schedule"], ["schedule", "install"]])
def test_help_is_in_spanish(command: list[str]) -> None:
    """La ayuda de cada mandato está en español y acaba con 0."""
    completed = run(*command, "--help")

    assert completed.code == 0
    assert completed.stdout.startswith("Uso: estado-eventos")
    assert not ENGLISH & set(re.findall(r"\w+", completed.stdout))


def test_version() -> None:
    """`--version` dice el nombre y la versión del paquete."""
    assert run("--version").stdout == f"estado-eventos {__version__}\n"


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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["strat"], "no existe el mandato 'strat'"),
        (["start", "--foo"], "no existe la opción --foo"),
        (["start", "--dry-rum"], "¿quizá --dry-run?"),
        (["start", "--event"], "a la opción --event le falta su valor"),
        (["start", "--event", "a/b"], "un identificador lleva letras"),
        (["start", "--event", "\x1b[2J"], "un identificador lleva letras"),
        (["start", "--quiet=si"], "la opción --quiet no lleva valor"),
        (["start", "7"], "sobra «7»"),
        (["--log-level", "x", "start"], "«x» no es ninguno de"),
        (["start", "--log-format"], "le falta su valor"),
        (["schedule", "install"], "falta «systemd|cron»"),
        (["schedule", "install", "anacron"], "«anacron» no es ninguno de"),
    ],
)
def test_wrong_usage_is_one_spanish_line(arguments: list[str], words: str) -> None:
    """Lo mal escrito se dice en una línea, en español, con 2."""
    completed = run(*arguments)

    assert completed.code == 2
    assert completed.stdout == ""
    (line,) = completed.stderr.splitlines()
    assert words in line
    assert "\x1b" not in line
    assert not ENGLISH & set(re.findall(r"\w+", line))


def test_no_command_shows_the_help() -> None:
    """Sin mandato se enseña la ayuda, y es un error de uso."""
    completed = run()

    assert completed.code == 2
    assert "Uso: estado-eventos" in completed.stderr


def test_main_returns_the_code(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`main` se puede llamar con argumentos y devuelve el código, sin acabar el proceso."""
    empty = tmp_path / "vacío.env"
    empty.touch()
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        os.environ["BACKEND_URL"] = server.url
        try:
            code = main(["run-once", "--env-file", str(empty)])
        finally:
            del os.environ["BACKEND_URL"]

    assert code == 0
    assert "Inicio: nada pendiente" in capsys.readouterr().out


def test_a_bug_is_70_and_one_line(tmp_path: Path) -> None:
    """Un fallo del programa es 70, una línea y ningún volcado de pila, salvo con LOG_LEVEL=DEBUG."""
    (tmp_path / "sitecustomize.py").write_text(
        "import estado_eventos.ledger\n"
        "def broken(*_, **__):\n    raise ZeroDivisionError\n"
        "estado_eventos.ledger.Ledger.read = broken\n"
    )
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        env = {"BACKEND_URL": server.url, "PYTHONPATH": str(tmp_path)}
        completed = run("start", "--json", env=env)
        detailed = run("start", env={**env, "LOG_LEVEL": "DEBUG"})

    assert completed.code == 70
    assert "ZeroDivisionError" in completed.report["error"]
    assert "LOG_LEVEL=DEBUG" in completed.report["error"]
    assert "Traceback" not in completed.stderr
    assert "Traceback" in detailed.stderr


def test_a_terminal_gets_tables(backend: ReferenceBackend) -> None:
    """En un terminal, `pending` y el resumen son tablas con color; con TERM=dumb, texto sin más."""
    backend.add_events(due_start=2)
    settings: dict[str, Any] = {"BACKEND_URL": backend.url, "BACKEND_JWT_TOKEN": backend.token()}

    _, pending = in_terminal("pending", **settings)
    _, dumb = in_terminal("pending", **{**settings, "TERM": "dumb"})
    code, summary = in_terminal("run-once", **settings)

    assert code == 0
    assert "Le tocaba" in pending
    assert "\x1b[" in pending
    assert "\x1b[" not in dumb
    assert "Le tocaba" not in dumb
    assert "2 iniciado(s)" in summary
    assert "━" in summary


@pytest.mark.parametrize("columns", ["0", "1", "x"])
def test_a_terminal_of_no_width_shows_everything(columns: str) -> None:
    """Aunque el terminal diga que no tiene ancho (una consola serie, un contenedor), se ve lo pendiente entero."""
    name = "a" * 30
    with FaultyServer(lambda _: answer(200, f'[{{"id": "{name}"}}]')) as server:
        code, seen = in_terminal("pending", BACKEND_URL=server.url, COLUMNS=columns)
        _, checked = in_terminal("--env-file", os.devnull, "check", BACKEND_URL=server.url, COLUMNS=columns)

    assert code == 0
    assert seen.count(name) == 2
    assert f"BACKEND_URL={server.url}" in checked


def test_an_error_in_a_terminal_is_red_with_its_cure_under_it() -> None:
    """En un terminal, lo que fue mal es una línea roja y debajo va la cura; con NO_COLOR, una línea sin más."""
    _, colored = in_terminal("run-once", "-q", BACKEND_URL="http://127.0.0.1:9")
    _, plain = in_terminal("run-once", "-q", BACKEND_URL="http://127.0.0.1:9", NO_COLOR=1)

    error, cure = colored.splitlines()
    assert error.startswith("\x1b[31m")
    assert error.endswith("conexión rehusada.\x1b[0m")
    assert cure.startswith("  → Compruebe que el backend (http://127.0.0.1:9)")
    assert "\x1b" not in plain
    assert len(plain.splitlines()) == 1


def test_a_long_pass_shows_its_progress(backend: ReferenceBackend) -> None:
    """Una pasada larga enseña cuántos eventos lleva de cuántos, y después la tabla."""
    backend.configure(latency_ms=100)
    backend.add_events(due_start=40)

    code, seen = in_terminal(
        "run-once", BACKEND_URL=backend.url, BACKEND_JWT_TOKEN=backend.token(), MAX_CONCURRENCY=2, LOG_LEVEL="WARNING"
    )

    assert code == 0
    assert "/40" in seen
    assert "40 iniciado(s)" in seen


def test_what_the_network_says_is_not_markup() -> None:
    """Un error con corchetes o escapes se ve tal cual en el terminal, sin colores ni órdenes."""

    def rule(request: Request) -> Any:
        return answer(200, '[{"id": "[red]x"}]') if request.method == "GET" else answer(200)

    with FaultyServer(rule) as server:
        code, seen = in_terminal("pending", BACKEND_URL=server.url)

    assert code == 1
    assert "[red]x" in seen


def test_interrupting_the_start_is_a_quiet_death() -> None:
    """Un Ctrl-C mientras el programa arranca no vuelca la pila."""
    code = "import signal, os, sys; sys.argv = ['x', '--version']\nimport estado_eventos.__main__ as m\n"
    code += "import builtins; real = builtins.__import__\n"
    code += "def cut(name, *a, **k):\n    if name == 'estado_eventos.cli': os.kill(os.getpid(), signal.SIGINT)\n"
    code += "    return real(name, *a, **k)\nbuiltins.__import__ = cut\nm.main()\n"

    finished = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, timeout=60)

    assert finished.returncode == -2
    assert finished.stderr == b""
