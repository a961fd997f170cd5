"""Las tablas de un terminal."""

import os
from typing import Any

import pytest

from tests.support.faults import FaultyServer, Request, answer
from tests.support.reference.server import ReferenceBackend
from tests.support.terminal_session import in_terminal


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


def test_what_the_network_says_is_not_markup() -> None:
    """Un error con corchetes o escapes se ve tal cual en el terminal, sin colores ni órdenes."""

    def rule(request: Request) -> Any:
        return answer(200, '[{"id": "[red]x"}]') if request.method == "GET" else answer(200)

    with FaultyServer(rule) as server:
        code, seen = in_terminal("pending", BACKEND_URL=server.url)

    assert code == 1
    assert "[red]x" in seen
