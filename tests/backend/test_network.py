"""La red: TLS, nombres que no se resuelven, orígenes y errores en palabras."""

import ssl
from pathlib import Path

import httpx
import pytest
import trustme

from estado_eventos.backend.network import explain_transport, is_address, same_origin
from tests.support.faults import FaultyServer, answer
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


def _caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (_caused(RuntimeError("fuera"), ConnectionRefusedError(111, "x")), "conexión rehusada"),
        (ExceptionGroup("varios", [ConnectionResetError(104, "x")]), "el servidor cortó la conexión"),
        (ssl.SSLError("sin razón"), "falló TLS"),
        (OSError(24, "Too many open files"), "no puede abrir más archivos (ulimit -n)"),
        (OSError(105, "No buffer space available"), "No buffer space available"),
        (RuntimeError(), "RuntimeError"),
        (ValueError("a\x1b[2Jb"), "a [2Jb"),
    ],
)
def test_transport_errors_in_words(error: BaseException, words: str) -> None:
    """El error de red se explica por su causa más honda, en una línea limpia."""
    assert words in explain_transport(error)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.es/x", "https://a.es:443/y?z", True),
        ("http://a.es", "http://A.ES:80/", True),
        ("http://a.es", "https://a.es", False),
        ("http://a.es", "http://a.es:8000", False),
        ("https://a.es", "https://a.es.malo.es", False),
        ("http://a.es", "http://u:p@a.es/", True),
    ],
)
def test_an_origin_is_scheme_host_and_port(one: str, other: str, same: bool) -> None:  # noqa: FBT001
    """Dos URL son del mismo origen si coinciden esquema, servidor y puerto, dicho o por omisión."""
    assert same_origin(httpx.URL(one), httpx.URL(other)) is same


def test_an_address_needs_no_resolver() -> None:
    """Una dirección IPv4 o IPv6 lo es; un nombre, por mucho que se le parezca, no."""
    assert [is_address(host) for host in ("127.0.0.1", "::1", "localhost", "1.2.3", "1.2.3.4.es")] == [
        True,
        True,
        False,
        False,
        False,
    ]
