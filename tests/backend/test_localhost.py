"""`localhost` es 127.0.0.1: lo que otro usuario de la máquina ponga en `[::1]` no recibe nada."""

import socket
import ssl
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from tests.support.faults import FaultyServer
from tests.support.inside import account
from tests.support.program import run
from tests.support.reactions import answer
from tests.support.reference.server import ReferenceBackend
from tests.support.tls import certified


class Squatter:
    """Quien escucha en `[::1]`, en el puerto de otro, y cuenta quién llega."""

    def __init__(self, port: int) -> None:
        """Escucha ya."""
        self.visits = 0
        self._listener = socket.create_server(("::1", port), family=socket.AF_INET6)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            self.visits += 1
            connection.close()


@pytest.fixture(autouse=True)
def _needs_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("Sin IPv6 en esta máquina: nadie puede escuchar en [::1]")


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    """Un certificado para `localhost`, de la autoridad de `ca.pem`."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return certified(authority, "localhost")


def test_who_squats_on_the_other_localhost_gets_nothing(backend: ReferenceBackend) -> None:
    """Con `BACKEND_URL=http://localhost:…`, la contraseña va a 127.0.0.1 y a nadie más; también en `check`."""
    squatter = Squatter(urlsplit(backend.url).port or 0)
    env = account(backend)
    env |= {name: env[name].replace("127.0.0.1", "localhost") for name in ("BACKEND_URL", "AUTH_URL")}

    passed = run("run-once", env=env)
    run("check", env=env)

    assert passed.code == 0
    assert squatter.visits == 0
    assert backend.asked("/auth/login/") >= 1


def test_localhost_keeps_its_name_for_tls(tls: ssl.SSLContext, tmp_path: Path) -> None:
    """Por https, el certificado que se espera sigue siendo el de `localhost`, y el servidor ve ese nombre."""
    with FaultyServer(lambda _: answer(200, "[]"), tls=tls) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        completed = run("run-once", env={"BACKEND_URL": url, "SSL_CERT_FILE": tmp_path / "ca.pem"})

    assert completed.code == 0
    assert {request.headers["host"] for request in server.requests} == {url.removeprefix("https://")}
