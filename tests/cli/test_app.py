"""Los mandatos: la ayuda, los códigos de salida y que ningún fallo llega como un volcado de pila."""

import json
import os
from pathlib import Path

import pytest

from estado_eventos.cli.app import main
from tests.support.faults import FaultyServer
from tests.support.inside import run_inside
from tests.support.program import run
from tests.support.reactions import answer


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
    assert "No hay eventos pendientes de inicio" in capsys.readouterr().err


def test_a_bug_is_70_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Un fallo del programa es 70, una línea y ningún volcado de pila, salvo con LOG_LEVEL=DEBUG."""

    def broken(*_: object, **__: object) -> object:
        raise ZeroDivisionError

    with FaultyServer(lambda _: answer(200, "[]")) as server, monkeypatch.context() as patch:
        patch.setattr(json, "loads", broken)
        completed = run_inside("start", "--json", BACKEND_URL=server.url)
        detailed = run_inside("start", BACKEND_URL=server.url, LOG_LEVEL="DEBUG")

    assert completed.code == 70
    assert "ZeroDivisionError" in completed.report["error"]
    assert "LOG_LEVEL=DEBUG" in completed.report["error"]
    assert "Traceback" not in completed.stderr
    assert "Traceback" in detailed.stderr
