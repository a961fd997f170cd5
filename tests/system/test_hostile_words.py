"""Palabras del backend que quieren ser órdenes: se quedan en palabras."""

import json
import re

import pytest

from estado_eventos.domain.transitions import FINISH, START
from tests.support.faults import FaultyServer
from tests.support.inside import endure
from tests.support.passes import texts
from tests.support.reactions import Raw, Reaction, Request, Rule, answer
from tests.support.terminal_session import in_terminal

HOSTILE = (
    "\x1b[2J\x1b]0;título\x07\x9b31m[red]rojo[/red] \x00\r\n2025-01-01 00:00:00 - INFO - falso\u2028\u202eoculto\ud800"
)


def _hostile() -> Rule:
    """Un backend que mete esas palabras en todas partes."""
    asked: set[str] = set()

    def rule(request: Request) -> Reaction:
        if request.path == FINISH.list_path:
            reason = HOSTILE.encode("latin-1", "replace").replace(b"\r\n", b" ").replace(b"\x00", b"")
            body = json.dumps({"detail": HOSTILE}).encode()
            headers = b"".join(
                name + b": " + reason + b"\r\n" for name in (b"Server", b"Location", b"Set-Cookie", b"Date")
            )
            return Raw(b"HTTP/1.1 403 " + reason + b"\r\n" + headers + b"\r\n" + body)
        if request.method == "GET":
            items = [{"id": 9, "start_date": HOSTILE}, {"id": HOSTILE, "start_date": f"2026-01-01{HOSTILE[0]}10:00:00"}]
            moved = {"id": 8, "start_date": "2026-01-01\x1b10:00:00"}
            return answer(200, json.dumps(items if asked else [*items, moved]))
        if request.path == START.action_path(8):
            asked.add(request.path)
            return answer(200, json.dumps({"success": True, "status": HOSTILE}))
        return answer(400, json.dumps({"error": HOSTILE}))

    return rule


@pytest.mark.slow
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_hostile_words_stay_words(log_format: str) -> None:
    """Ni en el registro ni en el informe sale una orden de terminal, ni el backend puede escribir una línea suya."""
    with FaultyServer(_hostile()) as server:
        completed = endure(server, "run-once", LOG_FORMAT=log_format, seconds=3)

    lines = completed.stderr.splitlines()
    if log_format == "json":
        assert all({"@timestamp", "log.level", "message"} <= json.loads(line).keys() for line in lines)
        assert all(text.isprintable() for line in lines for text in texts(json.loads(line)))
    else:
        assert all(re.match(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d - (INFO|WARNING|ERROR) - ", line) for line in lines)
    assert not any(line.startswith("2025-01-01 00:00:00") for line in lines)
    assert "[red]rojo[/red]" in completed.stderr
    assert all(text.isprintable() for text in texts(completed.report))
    assert completed.code == 77


@pytest.mark.slow
@pytest.mark.parametrize("command", ["run-once", "pending"])
def test_hostile_words_do_nothing_to_a_terminal(command: str) -> None:
    """En un terminal, con sus colores, tampoco: ni borra la pantalla, ni cambia el título, ni pinta lo que quiera."""
    with FaultyServer(_hostile()) as server:
        code, seen = in_terminal(command, BACKEND_URL=server.url, PASS_TIMEOUT=6)

    assert code == 77
    # Los colores, y lo que dibuja y borra la línea de la espera.
    plain = re.sub(r"\x1b\[([0-9;]*[mKA]|\?25[lh])|\r", "", seen)
    assert all(line.isprintable() for line in plain.split("\n"))
    assert "\x1b[31mrojo" not in seen
    assert not re.search(r"^2025-01-01 00:00:00", plain, re.MULTILINE)
