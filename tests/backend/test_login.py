"""Iniciar sesión: con qué cuenta, cuántas veces, dónde, y qué pasa cuando no dejan."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.faults import FaultyServer
from tests.support.inside import account, addresses
from tests.support.program import run
from tests.support.reactions import Fault, Request, answer
from tests.support.reference.contract import LOGIN
from tests.support.reference.server import ReferenceBackend


@pytest.mark.slow
def test_without_a_token_it_logs_in_once(backend: ReferenceBackend) -> None:
    """Sin token, la pasada inicia sesión una vez para las dos listas y todos los eventos."""
    backend.add_events(due_start=10, due_finish=10)

    completed = run("run-once", "--json", env=account(backend))

    assert completed.code == 0
    assert backend.asked(LOGIN) == 1
    assert completed.report["requests"] == 25
    assert completed.report["token_expires_at"].endswith("Z")


def test_a_refused_login_is_tried_once(backend: ReferenceBackend) -> None:
    """Si cambian la contraseña: 77, un solo intento en toda la pasada, y la variable que hay que mirar."""
    backend.set_password("otra")

    completed = run("run-once", "--json", env=account(backend))

    assert completed.code == 77
    assert backend.asked(LOGIN) == 1
    # Y las dos listas, sin token: por si el backend no lo pide.
    assert len(backend.requests()) == 3
    assert "BACKEND_PASSWORD" in completed.report["error"]


def test_a_login_that_fails_for_now_is_tried_again(backend: ReferenceBackend) -> None:
    """Un 503 al iniciar sesión se cura en la misma pasada, como el de una lista."""
    backend.add_events(due_start=1)

    def busy_once(request: Request) -> Any:
        return answer(503) if request.path == LOGIN and request.nth == 1 else None

    with FaultyServer(busy_once, backend.url) as proxy:
        completed = run("run-once", "--json", env=account(backend, proxy.url))

    assert completed.code == 0
    assert proxy.count("POST", LOGIN) == 2


def test_auth_url_may_be_elsewhere_and_never_sees_a_token(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Con `AUTH_URL` en otro origen se inicia sesión allí, y allí no llega ningún token, ni para renovarlo."""
    with FaultyServer(lambda _: None, backend.url) as elsewhere:
        env = account(backend, AUTH_URL=elsewhere.url, TOKEN_CACHE_FILE=tmp_path / "token")
        backend.configure(token_seconds=100)
        codes = [run("run-once", env=env).code for _ in range(2)]

    assert codes == [0, 0]
    assert [request.path for request in elsewhere.requests] == [LOGIN, LOGIN]
    assert all("authorization" not in request.headers and b"eyJ" not in request.body for request in elsewhere.requests)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (answer(404), 76, "AUTH_URL"),
        (answer(200, "{}"), 76, "AUTH_URL"),
        (answer(200, '{"token": "a\\nb"}'), 76, "AUTH_URL"),
        (answer(200, '{"token": 7}'), 76, "AUTH_URL"),
        (answer(302, Location="http://otro.example/"), 76, "AUTH_URL"),
        (answer(403), 77, "BACKEND_PASSWORD"),
        (answer(503), 69, "iniciar sesión"),
        (Fault.CUT, 69, "AUTH_URL"),
    ],
)
def test_what_a_login_answers_decides_the_code(reply: Any, code: int, words: str) -> None:
    """Cada mala respuesta al inicio de sesión tiene su código y nombra lo que hay que mirar."""
    with FaultyServer(lambda request: reply if request.path == LOGIN else answer(200, "[]")) as server:
        env = {"BACKEND_URL": server.url, "BACKEND_EMAIL": "a", "BACKEND_PASSWORD": "b"}
        completed = run("start", "--json", env=env)

    assert completed.code == code
    assert words in completed.report["error"]


def test_a_role_that_is_not_enough_is_named(backend: ReferenceBackend) -> None:
    """Una cuenta sin el rol debido: 77 y lo que hay que ser."""
    backend.add_user("profe@example.com", "x", "docente")
    env = account(backend) | {"BACKEND_EMAIL": "profe@example.com", "BACKEND_PASSWORD": "x"}

    completed = run("run-once", "--json", env=env)

    assert completed.code == 77
    assert "admin o superadmin" in completed.report["error"]


def test_half_an_account_is_a_wrong_setting() -> None:
    """Correo sin contraseña, o al revés: 78 y el nombre de la que falta."""
    only_email = run("run-once", env={"BACKEND_EMAIL": "a"})
    only_password = run("run-once", env={"BACKEND_PASSWORD": "a"})

    assert (only_email.code, only_password.code) == (78, 78)
    assert "BACKEND_PASSWORD: falta" in only_email.stderr
    assert "BACKEND_EMAIL: falta" in only_password.stderr


def test_secrets_come_from_systemd_credentials(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Los secretos de `$CREDENTIALS_DIRECTORY` valen, con su salto de línea final o sin él."""
    (tmp_path / "BACKEND_PASSWORD").write_text(backend.password + "\n")
    (tmp_path / "BACKEND_EMAIL").write_text(backend.email)
    by_account = run("run-once", env=addresses(backend) | {"CREDENTIALS_DIRECTORY": tmp_path})
    for path in tmp_path.iterdir():
        path.unlink()
    (tmp_path / "BACKEND_JWT_TOKEN").write_text(backend.token() + "\r\n")
    by_token = run("run-once", env={"BACKEND_URL": backend.url, "CREDENTIALS_DIRECTORY": tmp_path})

    assert (by_account.code, by_token.code) == (0, 0)


def test_an_expired_static_token_does_not_matter_with_an_account(backend: ReferenceBackend) -> None:
    """Con cuenta, un `BACKEND_JWT_TOKEN` caducado no estorba: se inicia sesión."""
    completed = run("run-once", env=account(backend, BACKEND_JWT_TOKEN=backend.token(-60)))

    assert completed.code == 0
    assert backend.asked(LOGIN) == 1
