"""Los tokens que hay antes de hablar con nadie: de dónde salen y cuánto les queda."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.diagnosis import diagnose, diagnose_apart
from tests.support.faults import FaultyServer
from tests.support.inside import account, run_inside
from tests.support.reactions import Request, answer
from tests.support.reference.server import ReferenceBackend


def test_an_expired_token_is_named(backend: ReferenceBackend) -> None:
    """Un token caducado: 77, desde cuándo, y cómo no volver a pensar en él."""
    diagnosis = diagnose(BACKEND_URL=backend.url, BACKEND_JWT_TOKEN=backend.token(-60))

    assert (diagnosis.code, diagnosis.errors) == (77, ["list"])
    assert "caducó el" in diagnosis.one("list")["message"]
    assert "BACKEND_EMAIL y BACKEND_PASSWORD" in diagnosis.one("list")["cure"]


def test_a_static_token_is_a_warning_about_its_life(backend: ReferenceBackend, tmp_path: Path) -> None:
    """De un token sin cuenta se dice de dónde sale, cuánto le queda y que nadie lo renueva."""
    (tmp_path / ".env").write_text(f"BACKEND_URL={backend.url}\nBACKEND_JWT_TOKEN={backend.token(1200)}\n")
    (tmp_path / ".env").chmod(0o600)

    diagnosis = diagnose_apart(cwd=tmp_path)

    assert diagnosis.code == 0
    assert diagnosis.one("token")["message"].startswith("BACKEND_JWT_TOKEN (.env): le quedan ")
    assert "nadie lo renueva" in diagnosis.one("token")["message"]


@pytest.mark.slow
@pytest.mark.parametrize("cached", [False, True])
def test_the_role_comes_from_the_login(backend: ReferenceBackend, tmp_path: Path, *, cached: bool) -> None:
    """El rol, que los tokens no llevan, es el que dijo el inicio de sesión, también el de un token guardado."""
    backend.add_user("alumna@example.com", "clave-de-alumna", "student")
    her = {"BACKEND_EMAIL": "alumna@example.com", "BACKEND_PASSWORD": "clave-de-alumna"}
    env = account(backend) | her | {"TOKEN_CACHE_FILE": tmp_path / "token"}
    if cached:
        run_inside("run-once", **env)

    diagnosis = diagnose(**env)

    assert diagnosis.code == 77
    assert "rol student" in diagnosis.one("list")["message"]
    assert "rol student" in diagnosis.one("login")["message"]
    assert [", rol student" in finding["message"] for finding in diagnosis.about("token")] == [True] * cached


def test_the_role_of_a_static_token_is_not_known(backend: ReferenceBackend) -> None:
    """De un token puesto a mano no se sabe el rol, y no se inventa: se dice el que hace falta."""
    diagnosis = diagnose(BACKEND_URL=backend.url, BACKEND_JWT_TOKEN=backend.token(role="docente"))

    assert diagnosis.code == 77
    assert "es de rol" not in diagnosis.one("list")["message"]
    assert "admin o superadmin" in diagnosis.one("list")["cure"]


@pytest.mark.parametrize("role", ["clave-secreta", "{token}", "a\x1b[31m" * 99, 7, ["admin"]])
def test_a_role_repeats_no_secret_and_no_terminal_order(role: object) -> None:
    """Lo que el backend llama rol tampoco enseña la contraseña ni el token, ni da órdenes al terminal."""
    token = "eyJhbGciOiJIUzI1NiJ9.e30.firma-de-prueba"
    role = role.format(token=token) if isinstance(role, str) else role

    def rule(request: Request) -> Any:
        if request.path == "/auth/login/":
            return answer(200, json.dumps({"token": token, "user": {"role": role}}))
        return answer(403)

    with FaultyServer(rule) as server:
        env = {"BACKEND_URL": server.url, "BACKEND_EMAIL": "alguien@example.com", "BACKEND_PASSWORD": "clave-secreta"}
        diagnosis = diagnose(**env)
        shown = run_inside("token", **env)

    assert diagnosis.code == 77
    assert not any(secret in diagnosis.text + shown.stderr for secret in ("clave-secreta", token))
    assert all(line.isprintable() for line in shown.stderr.splitlines())


def test_the_cached_token_is_looked_at(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Del token guardado se dice cuánto le queda; si el archivo no es de fiar, se avisa. No se cambia."""
    cache = tmp_path / "token"
    env = account(backend, TOKEN_CACHE_FILE=cache)
    run_inside("run-once", **env)
    before = cache.read_bytes()

    fine = diagnose(**env).one("token")
    cache.chmod(0o644)
    exposed = diagnose(**env).one("token")

    assert (fine["level"], exposed["level"]) == ("ok", "warning")
    assert f"TOKEN_CACHE_FILE ({cache}): le quedan " in fine["message"]
    assert "0600" in exposed["message"]
    assert cache.read_bytes() == before


def test_a_directory_for_the_token_is_never_to_be_deleted(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Si TOKEN_CACHE_FILE es un directorio no se manda borrarlo: se dice el archivo que vale, y con él se guarda."""
    env = account(backend, TOKEN_CACHE_FILE=tmp_path)

    finding = diagnose(**env).one("token")
    cured = run_inside("run-once", **(env | {"TOKEN_CACHE_FILE": tmp_path / "token"}))

    assert "rm " not in finding["cure"]
    assert "bórrelo" not in finding["cure"].lower()
    assert f"TOKEN_CACHE_FILE={tmp_path}/token" in finding["cure"]
    assert (cured.code, (tmp_path / "token").exists()) == (0, True)


def test_what_is_in_the_place_of_the_token_decides_the_cure(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Lo que otros leen se cierra, lo que no se entiende se borra si no guarda otra cosa, y un enlace se evita."""
    open_one, odd, link = tmp_path / "abierto", tmp_path / "raro", tmp_path / "enlace"
    open_one.write_text("{}")
    open_one.chmod(0o644)
    odd.write_text("mis apuntes")
    odd.chmod(0o600)
    link.symlink_to(odd)

    cures = [diagnose(**account(backend, TOKEN_CACHE_FILE=path)).one("token")["cure"] for path in (open_one, odd, link)]

    assert cures[0] == f"chmod 600 {open_one}"
    assert "no guarda otra cosa" in cures[1]
    assert "que no sea un enlace" in cures[2]
