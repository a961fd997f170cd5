"""La red: TLS, nombres que no se resuelven, orígenes y errores en palabras."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from estado_eventos.backend.network import explain_transport, is_address, same_origin, tls_context
from estado_eventos.config.settings import Settings
from tests.support.faults import FaultyServer
from tests.support.program import run
from tests.support.reactions import answer
from tests.support.tls import certified

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
    context = certified(authority, *names)
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


@pytest.mark.slow
def test_a_certificate_for_another_name_is_refused(authority: tuple[trustme.CA, Path]) -> None:
    """Un certificado de otro servidor no vale: 69."""
    with _serve_tls(authority[0], "otro.example") as server:
        completed = run("run-once", "--json", env={"BACKEND_URL": server.url, "SSL_CERT_FILE": authority[1]})

    assert completed.code == 69
    assert "el certificado TLS no vale" in completed.report["error"]


def test_a_name_that_is_only_in_the_subject_does_not_count(tmp_path: Path) -> None:
    """Un certificado sin nombres alternativos no vale, aunque su sujeto se llame como el servidor: 69."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "sin-san.pem"
    pem.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    with FaultyServer(lambda _: answer(200, "[]"), tls=context) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        completed = run("run-once", "--json", env={"BACKEND_URL": url, "SSL_CERT_FILE": pem})

    assert completed.code == 69
    assert "el certificado TLS no vale" in completed.report["error"]
    assert server.requests == []


def test_an_old_tls_is_not_spoken() -> None:
    """Por debajo de TLS 1.2 no se habla."""
    settings = Settings(backend_url="https://a.example")

    assert tls_context(settings).minimum_version >= ssl.TLSVersion.TLSv1_2


@pytest.mark.slow
def test_a_name_that_does_not_resolve_is_named_as_such() -> None:
    """Un nombre que no existe: 69 y se dice que no se resuelve."""
    completed = run("start", "--json", env={"BACKEND_URL": "http://no-existe.invalid", "PASS_TIMEOUT": 5})

    assert completed.code == 69
    assert "no se pudo resolver el nombre" in completed.report["error"]


@pytest.mark.slow
def test_a_hanging_resolver_does_not_outlast_the_deadline(tmp_path: Path) -> None:
    """Aunque resolver el nombre se cuelgue 30 s, el proceso acaba a su hora."""
    (tmp_path / "sitecustomize.py").write_text(_HANG_RESOLVER)
    env = {"BACKEND_URL": "http://cuelga.example", "PASS_TIMEOUT": 4, "PYTHONPATH": tmp_path}

    completed = run("run-once", "--json", env=env, timeout=20)

    assert completed.code == 69
    assert completed.report["duration_seconds"] < 8


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
