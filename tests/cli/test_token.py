"""El mandato `token`: pedir uno sin enseñar nada más, o decir cuánto le queda al que hay."""

import os
import pty
import select
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.faults import FaultyServer
from tests.support.inside import account, addresses, run_inside
from tests.support.program import PROGRAM, Completed, environment
from tests.support.reactions import answer
from tests.support.reference import tokens
from tests.support.reference.server import ReferenceBackend


def test_token_prints_a_token_and_nothing_else(backend: ReferenceBackend) -> None:
    """`token` escribe en la salida un token que sirve, y en stderr hasta cuándo y su rol."""
    completed = run_inside("token", **account(backend))

    assert completed.code == 0
    assert tokens.read(completed.stdout.strip(), datetime.now(UTC)).email == backend.email
    assert completed.stdout == completed.stdout.strip() + "\n"
    assert "le quedan 30 min" in completed.stderr or "le quedan 29 min" in completed.stderr
    assert "rol admin" in completed.stderr
    used = run_inside("run-once", BACKEND_URL=backend.url, BACKEND_JWT_TOKEN=completed.stdout.strip())
    assert used.code == 0


def test_token_asks_in_a_terminal_without_echo(backend: ReferenceBackend) -> None:
    """Sin cuenta, `token` la pregunta por stderr sin enseñar la contraseña, y la salida es solo el token."""
    master, slave = pty.openpty()
    with subprocess.Popen(
        [*PROGRAM, "token"],
        env=environment(**addresses(backend)),
        cwd="/",
        stdin=slave,
        stderr=slave,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        os.close(slave)
        seen = b""
        # La pregunta sale cuando ya se lee sin eco; lo que se teclee antes se tira.
        for question, reply in (("Correo: ", backend.email), ("Contraseña: ", backend.password)):
            while question not in seen.decode(errors="replace") and select.select([master], [], [], 30)[0]:
                seen += os.read(master, 4096)
            os.write(master, f"{reply}\n".encode())
        assert process.stdout is not None
        printed = process.stdout.read().decode()
    try:
        while chunk := os.read(master, 4096):
            seen += chunk
    except OSError:
        os.close(master)

    assert process.returncode == 0
    assert tokens.read(printed.removesuffix("\n"), datetime.now(UTC)).email == backend.email
    assert backend.password not in seen.decode()


@pytest.mark.parametrize(("reply", "code"), [(answer(401), 77), (answer(503), 69), (answer(404), 76)])
def test_token_failing_is_one_line_and_a_code(reply: Any, code: int) -> None:
    """Si no se puede iniciar sesión, `token` lo dice en una línea y no escribe nada en la salida."""
    with FaultyServer(lambda _: reply) as server:
        completed = run_inside("token", BACKEND_URL=server.url, BACKEND_EMAIL="a", BACKEND_PASSWORD="b")

    assert (completed.code, completed.stdout) == (code, "")
    assert len(completed.stderr.splitlines()) == 1


def test_token_without_account_nor_terminal_is_78() -> None:
    """Sin cuenta ni terminal donde preguntar: 78 y lo que falta."""
    completed = run_inside("token")

    assert completed.code == 78
    assert "BACKEND_EMAIL y BACKEND_PASSWORD" in completed.stderr


def test_token_check_says_where_it_comes_from_and_how_long_it_lives(backend: ReferenceBackend, tmp_path: Path) -> None:
    """`token --check` dice de dónde sale cada token y cuánto le queda, sin enseñarlo ni hablar con nadie."""
    cache = tmp_path / "token"
    run_inside("run-once", **account(backend, TOKEN_CACHE_FILE=cache))
    secret = backend.token(600)
    before = len(backend.requests())

    def checked(**env: object) -> Completed:
        return run_inside("token", "--check", **{"BACKEND_URL": backend.url, **env})

    static = checked(BACKEND_JWT_TOKEN=secret)
    cached = checked(**account(backend, TOKEN_CACHE_FILE=cache))
    expired = checked(BACKEND_JWT_TOKEN=backend.token(-60))
    nothing = checked()

    assert static.stdout.startswith("BACKEND_JWT_TOKEN (entorno): le quedan ")
    assert f"TOKEN_CACHE_FILE ({cache}): le quedan " in cached.stdout
    assert "se renueva solo" in cached.stdout
    assert "caducó el" in expired.stdout
    assert (static.code, cached.code, expired.code, nothing.code) == (0, 0, 77, 78)
    assert secret not in static.stdout + static.stderr
    assert len(backend.requests()) == before
