"""Las tablas de un terminal."""

import os
import re
from typing import Any

import pytest

from tests.support.faults import FaultyServer
from tests.support.reactions import Request, answer
from tests.support.reference.server import ReferenceBackend
from tests.support.terminal_session import in_terminal


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("columns", "name", "date"),
    [
        (100, "7", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"),
        (60, "7", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"),
        (80, "0d8f4f6e-8c62-4d70-9b53-1f3a2b4c5d6e", r" \d\d-\d\d \d\d:\d\d "),
        (60, "0d8f4f6e-8c62-4d70-9b53-1f3a2b4c5d6e", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"),
        (40, "a" * 64, r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"),
    ],
)
def test_a_narrow_terminal_never_cuts_an_id(columns: int, name: str, date: str) -> None:
    """En un terminal estrecho se abrevia la fecha antes que nada, y el id sale siempre entero, para pegarlo."""
    body = f'[{{"id": "{name}", "start_date": "2026-01-01T10:00:00Z"}}]'

    def rule(request: Request) -> Any:
        return answer(200, body if "start" in request.path else "[]")

    with FaultyServer(rule) as server:
        _, seen = in_terminal("pending", BACKEND_URL=server.url, COLUMNS=columns)

    assert seen.count(name) >= 1
    assert re.search(date, re.sub(r"\x1b\[[0-9;]*m", "", seen))
