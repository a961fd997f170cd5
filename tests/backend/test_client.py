"""Las conexiones: TLS, nombres que no se resuelven y conexiones que se reutilizan."""

import ssl
from pathlib import Path

import pytest
import trustme

from tests.support.faults import FaultyServer, Obliging, Raw, Request, answer, keep_alive
from tests.support.program import run

_HANG_RESOLVER = """
import socket, time
socket.getaddrinfo = lambda *_, **__: time.sleep(30)
"""


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, Path]:
    """Una autoridad de certificación privada y el archivo con su certificado."""
    authority = trustme.CA()
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return authority, path


def _serve_tls(authority: trustme.CA, *names: str) -> FaultyServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return FaultyServer(lambda _: answer(200, "[]"), tls=context)


def test_a_private_authority_of_the_system_is_trusted(authority: tuple[trustme.CA, Path]) -> None:
    """Un certificado de una autoridad que el sistema conoce vale, aunque sea privada."""
    with _serve_tls(authority[0], "127.0.0.1") as server:
        completed = run("run-once", env={"BACKEND_URL": server.url, "SSL_CERT_FILE": authority[1]})

    assert completed.code == 0


def test_an_unknown_authority_is_refused(authority: tuple[trustme.CA, Path]) -> None:
    """Un certificado de una autoridad desconocida no vale, y se dice: 69."""
    with _serve_tls(authority[0], "127.0.0.1") as server:
        completed = run("run-once", "--json", env={"BACKEND_URL": server.url, "BACKEND_JWT_TOKEN": "abc"})

    assert completed.code == 69
    assert "el certificado TLS no vale" in completed.report["error"]
    assert server.requests == []


def test_a_certificate_for_another_name_is_refused(authority: tuple[trustme.CA, Path]) -> None:
    """Un certificado de otro servidor no vale: 69."""
    with _serve_tls(authority[0], "otro.example") as server:
        completed = run("run-once", "--json", env={"BACKEND_URL": server.url, "SSL_CERT_FILE": authority[1]})

    assert completed.code == 69
    assert "el certificado TLS no vale" in completed.report["error"]


def test_a_name_that_does_not_resolve_is_named_as_such() -> None:
    """Un nombre que no existe: 69 y se dice que no se resuelve."""
    completed = run("start", "--json", env={"BACKEND_URL": "http://no-existe.invalid"})

    assert completed.code == 69
    assert "no se pudo resolver el nombre" in completed.report["error"]


def test_a_hanging_resolver_does_not_outlast_the_deadline(tmp_path: Path) -> None:
    """Aunque resolver el nombre se cuelgue 30 s, el proceso acaba con su límite de 1 s."""
    (tmp_path / "sitecustomize.py").write_text(_HANG_RESOLVER)
    env = {"BACKEND_URL": "http://cuelga.example", "PASS_TIMEOUT": 1, "PYTHONPATH": tmp_path}

    completed = run("run-once", "--json", env=env, timeout=10)

    assert completed.code == 69
    assert completed.report["duration_seconds"] < 1.5


def test_a_worker_reuses_its_connection() -> None:
    """Con un solo trabajador, la lista y todos los eventos van por la misma conexión; la última mirada, por otra."""
    obliging = Obliging([{"id": 1}, {"id": 2}, {"id": 3}])

    with FaultyServer(lambda request: keep_alive(obliging(request))) as server:
        completed = run("start", env={"BACKEND_URL": server.url, "MAX_CONCURRENCY": 1})

    peers = [request.peer for request in server.requests]
    assert completed.code == 0
    assert len(peers) == 5
    assert len(set(peers[:4])) == 1
    assert peers[4] != peers[0]


def test_a_cookie_is_not_sent_back() -> None:
    """Lo que el backend quiera guardar en una cookie no se guarda: cada pasada empieza de cero."""
    obliging = Obliging([{"id": 1}])

    def rule(request: Request) -> Raw:
        head, _, rest = obliging(request).data.partition(b"\r\n")
        return Raw(head + b"\r\nSet-Cookie: sesion=1; Path=/\r\n" + rest)

    with FaultyServer(rule) as server:
        completed = run("start", env={"BACKEND_URL": server.url})

    assert completed.code == 0
    assert all("cookie" not in request.headers for request in server.requests)
