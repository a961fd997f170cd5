"""Una cuenta rota no deja los exámenes sin mover si el backend no pide nada; pero se dice, y el código es el suyo."""

import socket

import pytest

from tests.support.faults import FaultyServer
from tests.support.inside import account, endure
from tests.support.reactions import Fault, Reaction, Request, answer
from tests.support.reference.contract import LOGIN
from tests.support.reference.server import ReferenceBackend


@pytest.fixture
def opened(backend: ReferenceBackend) -> ReferenceBackend:
    """Un backend que no pide token, con dos eventos por iniciar."""
    backend.configure(require_token=False)
    backend.add_events(due_start=2)
    return backend


def unsigned(server: FaultyServer) -> bool:
    """Si todo lo que no es `/auth/` fue sin firmar."""
    return all("authorization" not in request.headers for request in server.requests if "/auth/" not in request.path)


def test_a_wrong_password_does_not_stop_an_open_backend(opened: ReferenceBackend) -> None:
    """Con la contraseña cambiada y un backend que no pide nada, todo se mueve; acaba en 77 y dice qué mirar."""
    opened.set_password("otra distinta")

    with FaultyServer(upstream=opened.url) as server:
        completed = endure(server, **account(opened, server.url))

    assert set(opened.states().values()) == {"en_progreso"}
    assert completed.code == 77
    assert "Compruebe BACKEND_PASSWORD" in completed.report["error"]
    assert completed.report["transitions"]["start"]["done"] == 2
    assert server.count("POST", LOGIN) == 1
    assert unsigned(server)


def test_a_wrong_password_and_a_backend_that_asks(backend: ReferenceBackend) -> None:
    """Con la contraseña cambiada y un backend que pide token: 77, un solo intento y ningún evento pedido."""
    backend.add_events(due_start=2)
    backend.set_password("otra distinta")

    with FaultyServer(upstream=backend.url) as server:
        completed = endure(server, "run-once", **account(backend, server.url))

    assert completed.code == 77
    assert "Compruebe BACKEND_PASSWORD" in completed.report["error"]
    assert [request.path for request in server.requests if request.method == "POST"] == [LOGIN]
    assert server.count("GET") == 2


@pytest.mark.parametrize("reply", [answer(503, "{}"), answer(200, "<html>"), Fault.CUT, Fault.STALL], ids=str)
def test_a_login_that_does_not_work_does_not_stop_an_open_backend(opened: ReferenceBackend, reply: Reaction) -> None:
    """Si no se puede iniciar sesión y el backend no pide nada, todo se mueve, y el código dice que no se pudo."""

    def rule(request: Request) -> Reaction:
        return reply if request.path == LOGIN else None

    with FaultyServer(rule, upstream=opened.url) as server:
        completed = endure(server, seconds=10, **account(opened, server.url, HTTP_TIMEOUT=1))

    assert set(opened.states().values()) == {"en_progreso"}
    assert completed.code in {69, 76}
    assert completed.report["error"]
    assert completed.report["transitions"]["start"]["done"] == 2
    assert server.count("POST", LOGIN) == 1
    assert unsigned(server)


def test_an_auth_url_that_is_not_there_does_not_stop_an_open_backend(opened: ReferenceBackend) -> None:
    """Si en AUTH_URL no escucha nadie y el backend no pide nada, todo se mueve."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"

    with FaultyServer(upstream=opened.url) as server:
        completed = endure(server, **account(opened, server.url, AUTH_URL=nobody))

    assert set(opened.states().values()) == {"en_progreso"}
    assert completed.code == 69
    assert "AUTH_URL" in completed.report["error"]


def test_a_token_that_died_with_its_account_does_not_stop_an_open_backend(opened: ReferenceBackend) -> None:
    """Un token caducado y una cuenta que ya no vale: se sigue sin firmar."""
    opened.set_password("otra distinta")

    with FaultyServer(upstream=opened.url) as server:
        dead = opened.token(-60)
        completed = endure(server, **account(opened, server.url, BACKEND_JWT_TOKEN=dead))

    assert set(opened.states().values()) == {"en_progreso"}
    assert completed.code == 77
    assert unsigned(server)


@pytest.mark.parametrize("reply", [Fault.CUT, answer(503, "{}")], ids=str)
def test_a_refused_token_and_a_login_that_stumbles_once(backend: ReferenceBackend, reply: Reaction) -> None:
    """Si el backend rechaza el token y el inicio de sesión tropieza, la ronda siguiente lo repite y se acaba."""
    backend.add_events(due_start=2)

    def rule(request: Request) -> Reaction:
        return reply if request.path == LOGIN and request.nth == 1 else None

    with FaultyServer(rule, upstream=backend.url) as server:
        # Vale hasta dentro de media hora, según él mismo, pero no lo firmó este backend.
        foreign = f"{backend.token().rsplit('.', 1)[0]}.AAAA"
        completed = endure(server, seconds=20, **account(backend, server.url, BACKEND_JWT_TOKEN=foreign))

    assert completed.code == 0
    assert set(backend.states().values()) == {"en_progreso"}
    assert server.count("POST", LOGIN) == 2
