"""El token guardado entre pasadas: ahorra inicios de sesión, y borrarlo no cuesta más que uno."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.faults import FaultyServer
from tests.support.inside import account, run_inside
from tests.support.program import run, start, wait
from tests.support.reactions import answer
from tests.support.reference.contract import LOGIN, REFRESH
from tests.support.reference.server import ReferenceBackend


@pytest.mark.slow
def test_ten_passes_with_a_cache_log_in_once(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Con `TOKEN_CACHE_FILE`, diez pasadas inician sesión una vez; con la caché caliente son dos peticiones."""
    cache = tmp_path / "token"
    reports = [run("run-once", "--json", env=account(backend, TOKEN_CACHE_FILE=cache)).report for _ in range(10)]

    assert [report["requests"] for report in reports] == [3] + [2] * 9
    assert backend.asked(LOGIN) == 1
    assert backend.asked(REFRESH) == 0
    assert cache.stat().st_mode & 0o777 == 0o600


def test_deleting_the_cache_costs_one_login(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Borrar la caché cuesta un inicio de sesión y nada más."""
    cache = tmp_path / "token"
    env = account(backend, TOKEN_CACHE_FILE=cache)
    run("run-once", env=env)
    cache.unlink()

    assert run("run-once", env=env).code == 0
    assert backend.asked(LOGIN) == 2


def _symlink(path: Path) -> None:
    (path.parent / "ajeno").write_text("{}")
    path.symlink_to(path.parent / "ajeno")


def _foreign(path: Path) -> None:
    path.write_text("{}")
    path.chmod(0o600)
    os.chown(path, 65534, 65534)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.write_text("no es json") and path.chmod(0o600), "no se entiende"),
        (lambda path: path.write_text('{"token": 7}') and path.chmod(0o600), "no se entiende"),
        (lambda path: path.write_bytes(b"\xff" * 99) and path.chmod(0o600), "no se entiende"),
        (lambda path: path.write_text("[" * 50_000) and path.chmod(0o600), "no se entiende"),
        (lambda path: path.write_text("{}") and path.chmod(0o644), "0600"),
        (_symlink, "es un enlace"),
        (os.mkfifo, "no es un archivo normal"),
        pytest.param(
            _foreign, "otro usuario", marks=pytest.mark.skipif(os.geteuid() != 0, reason="hace falta ser root")
        ),
    ],
)
def test_a_bad_cache_is_ignored_and_replaced(
    backend: ReferenceBackend, tmp_path: Path, spoil: Callable[[Path], Any], reason: str
) -> None:
    """Una caché ilegible, corrupta, ajena o que es un enlace se ignora con un aviso y se sustituye."""
    cache = tmp_path / "token"
    spoil(cache)
    env = account(backend, TOKEN_CACHE_FILE=cache)

    first, second = run_inside("run-once", **env), run_inside("run-once", **env)

    warnings = [message for message in first.messages if message.startswith("WARNING - TOKEN_CACHE_FILE")]
    assert (first.code, second.code) == (0, 0)
    assert len(warnings) == 1
    assert reason in warnings[0]
    assert "WARNING" not in second.stderr
    assert backend.asked(LOGIN) == 1
    assert not cache.is_symlink()


@pytest.mark.slow
@pytest.mark.parametrize("token", ["", " ", "a b", "línea\nnueva", "ñ", "\x00", "x" * 20_000])
def test_a_token_that_no_header_can_carry_is_replaced(backend: ReferenceBackend, tmp_path: Path, token: str) -> None:
    """Un token guardado que no cabe en una cabecera no se usa: se pide otro, que lo sustituye."""
    cache = tmp_path / "token"
    run("run-once", env=account(backend, TOKEN_CACHE_FILE=cache))
    cache.write_text(json.dumps(json.loads(cache.read_text()) | {"token": token}))

    first, second = (run_inside("run-once", **account(backend, TOKEN_CACHE_FILE=cache)) for _ in range(2))

    assert (first.code, second.code) == (0, 0)
    assert "no se entiende" in first.stderr
    assert "WARNING" not in second.stderr
    assert backend.asked(LOGIN) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "warns"), [(0, False), (-1e9, False), (9e9, False), (1e300, True), (float("nan"), True), ("ayer", True)]
)
def test_any_moment_of_arrival_costs_one_login_at_most(
    backend: ReferenceBackend, tmp_path: Path, moment: object, *, warns: bool
) -> None:
    """Sea cual sea el momento guardado (otro reloj, otra versión, un disco roto), la pasada sale y se cura sola."""
    cache = tmp_path / "token"
    env = account(backend, TOKEN_CACHE_FILE=cache)
    run_inside("run-once", **env)
    entry = json.loads(cache.read_text())
    older = {name: entry[name] for name in ("backend", "account", "token")}
    for changed in (entry | {"received_at": moment, "issued_at": moment}, older | {"received_at": moment}):
        cache.write_text(json.dumps(changed))
        logins = backend.asked(LOGIN)

        first, second = (run_inside("run-once", **env) for _ in range(2))

        assert (first.code, second.code) == (0, 0)
        assert ("no se entiende" in first.stderr) == warns
        assert "WARNING" not in second.stderr
        assert backend.asked(LOGIN) <= logins + 1


def test_a_cache_that_cannot_be_written_is_one_warning(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Si la caché no se puede escribir, se avisa y la pasada se hace igual."""
    for cache in (tmp_path / "no" / "existe", tmp_path, Path("/proc/token")):
        completed = run("run-once", env=account(backend, TOKEN_CACHE_FILE=cache))

        assert completed.code == 0
        assert sum("no se puede guardar" in message for message in completed.messages) == 1


def test_a_cache_of_another_backend_or_account_is_not_used(backend: ReferenceBackend, tmp_path: Path) -> None:
    """El token de una cuenta no se manda con otra, ni a otro backend."""
    cache = tmp_path / "token"
    run("run-once", env=account(backend, TOKEN_CACHE_FILE=cache))
    token = json.loads(cache.read_text())["token"]
    with FaultyServer(lambda request: answer(403) if request.path == LOGIN else answer(200, "[]")) as other:
        completed = run("run-once", env=account(backend, other.url, TOKEN_CACHE_FILE=cache))

    assert completed.code == 77
    assert all(token not in str(request) for request in other.requests)


@pytest.mark.slow
def test_two_processes_never_tear_the_cache(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Mientras varias pasadas escriben la caché, quien la lea ve siempre un objeto entero."""
    cache = tmp_path / "token"
    # Menos de dos intervalos: cada pasada lo renueva y escribe la caché.
    backend.configure(token_seconds=100)
    env = account(backend, TOKEN_CACHE_FILE=cache)
    seen = 0
    for _ in range(3):
        rivals = [start("run-once", env=env) for _ in range(3)]
        while any(rival.poll() is None for rival in rivals):
            if cache.exists():
                assert json.loads(cache.read_text())["token"]
                seen += 1
        assert [wait(rival).code for rival in rivals] == [0, 0, 0]

    assert seen > 0
    assert [path.name for path in tmp_path.iterdir()] == ["token"]
