"""Idiomas y terminales que no saben escribirlo todo."""

import json
import subprocess
from itertools import product

import pytest

from estado_eventos.domain.transitions import START
from tests.support.faults import FaultyServer
from tests.support.obliging import Obliging
from tests.support.program import PROGRAM, environment
from tests.support.reactions import Rule, answer
from tests.support.terminal_session import in_terminal

NO = answer(400, '{"error": "niño ✗"}')


def one_of_each() -> Rule:
    """Dos eventos, de los que uno no se deja mover y dice por qué con eñes y cruces."""
    obliging = Obliging([{"id": 1, "start_date": "2026-01-01T10:00:00Z"}, {"id": 2}])
    return lambda request: NO if request.path == START.action_path(2) else obliging(request)


_LANGUAGES: dict[str, dict[str, object]] = {
    "LC_ALL=C": {"LC_ALL": "C"},
    "LANG=nonexistent": {"LANG": "nonexistent"},
    "LC_ALL=C sin UTF-8": {"LC_ALL": "C", "PYTHONUTF8": 0, "PYTHONCOERCECLOCALE": 0},
    "PYTHONIOENCODING=ascii": {"PYTHONIOENCODING": "ascii"},
    "PYTHONIOENCODING=latin-1": {"PYTHONIOENCODING": "latin-1"},
    "PYTHONIOENCODING=utf-16": {"PYTHONIOENCODING": "utf-16"},
}

_SPOKEN = [name for name in _LANGUAGES if "utf-16" not in name]
_ODDEST = ("LC_ALL=C sin UTF-8", "PYTHONIOENCODING=ascii")
"""Los que menos saben escribir."""


def run_in_bytes(language: str, *arguments: str, **variables: object) -> tuple[int, bytes, bytes]:
    """Ejecuta el programa en ese idioma; la salida y los errores, sin descodificar."""
    env = environment(**variables) | {name: str(value) for name, value in _LANGUAGES[language].items()}
    finished = subprocess.run([*PROGRAM, *arguments], env=env, cwd="/", check=False, capture_output=True, timeout=60)
    return finished.returncode, finished.stdout, finished.stderr


@pytest.mark.slow
@pytest.mark.parametrize("language", _LANGUAGES)
def test_no_language_silences_the_program(language: str) -> None:
    """En cualquier idioma salen lo pendiente y el registro, con «✓» o con lo que se pueda: 1, por el que falla."""
    with FaultyServer(one_of_each()) as server:
        _, out, _ = run_in_bytes(language, "pending", BACKEND_URL=server.url)
        code, _, err = run_in_bytes(language, "start", BACKEND_URL=server.url)

    encoding = str(_LANGUAGES[language].get("PYTHONIOENCODING", "utf-8"))
    assert code == 1
    assert "inicio  1  2026-01-01 10:00:00" in out.decode(encoding)
    log = err.decode(encoding)
    assert "Inicio: 1 iniciado(s), 1 fallido(s); retraso m" in log
    assert "Traceback" not in log
    assert any(f"{mark} Evento 1 iniciado exitosamente" in log for mark in ("✓", r"\u2713"))
    assert any(f"No se pudo iniciar el evento 2: ni{word}" in log for word in ("ño ✗", r"\u00f1o \u2717", r"ño \u2717"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "language"),
    [
        *(("start", language) for language in _SPOKEN),
        *product(("pending", "health", "info", "check"), _ODDEST),
    ],
)
def test_json_is_json_in_any_language(command: str, language: str) -> None:
    """Lo que sale con `--json`, y el registro con `LOG_FORMAT=json`, lo entiende quien lea JSON, que es UTF-8."""
    with FaultyServer(one_of_each()) as server:
        env = {"BACKEND_URL": server.url, "LOG_FORMAT": "json"}
        _, out, err = run_in_bytes(language, command, "--json", **env)

    content = json.loads(out.decode())
    lines = [json.loads(line)["message"] for line in err.decode().splitlines()]
    if command == "start":
        assert [event["error"] for event in content["transitions"]["start"]["events"]] == [None, "niño ✗"]
        assert "✗ No se pudo iniciar el evento 2: niño ✗" in lines


@pytest.mark.slow
@pytest.mark.parametrize("command", ["start", "pending", "check"])
def test_a_terminal_without_accents_gets_its_tables(command: str) -> None:
    """En un terminal que no es UTF-8 también salen las tablas, con lo que se pueda escribir."""
    with FaultyServer(one_of_each()) as server:
        code, seen = in_terminal(command, BACKEND_URL=server.url, PYTHONIOENCODING="ascii")

    assert code in {0, 1}
    assert "fallo interno" not in seen
    assert "Traceback" not in seen
    assert {"start": "1 iniciado(s), 1 fallido(s)", "pending": "Retraso", "check": "BACKEND_URL"}[command] in seen
