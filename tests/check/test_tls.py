"""TLS hasta el backend: el certificado, quién lo firma, y quien no acaba de negociar."""

import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from tests.support.diagnosis import diagnose, diagnose_apart
from tests.support.faults import FaultyServer
from tests.support.inside import account
from tests.support.reactions import answer
from tests.support.reference.server import ReferenceBackend
from tests.support.tls import certified


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, Path]:
    """Una autoridad de certificación privada y el archivo con su certificado."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return authority, tmp_path / "ca.pem"


def serve_tls(authority: trustme.CA, *names: str, days: float = 300) -> FaultyServer:
    """Un backend con https cuyo certificado vale `days` días más."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    now = datetime.now(UTC)
    certificate = authority.issue_cert(
        *names, not_before=now - timedelta(days=90), not_after=now + timedelta(days=days, minutes=1)
    )
    certificate.configure_cert(context)
    return FaultyServer(lambda _: answer(200, "[]"), tls=context)


@pytest.mark.slow
@pytest.mark.parametrize(("days", "level"), [(300, "ok"), (14, "ok"), (13, "warning"), (0, "warning")])
def test_the_days_a_certificate_has_left(authority: tuple[trustme.CA, Path], days: int, level: str) -> None:
    """Del certificado se dicen los días que le quedan, y con menos de catorce es un aviso: la pasada aún sale bien."""
    with serve_tls(authority[0], "127.0.0.1", days=days) as server:
        diagnosis = diagnose_apart(BACKEND_URL=server.url, SSL_CERT_FILE=authority[1])

    assert diagnosis.code == 0
    assert diagnosis.one("tls")["level"] == level
    assert f" {days} días" in diagnosis.one("tls")["message"]


def test_an_expired_certificate_is_named(authority: tuple[trustme.CA, Path]) -> None:
    """Un certificado caducado: 69, y que hay que renovarlo."""
    with serve_tls(authority[0], "127.0.0.1", days=-1) as server:
        diagnosis = diagnose_apart(BACKEND_URL=server.url, SSL_CERT_FILE=authority[1])

    assert (diagnosis.code, diagnosis.errors) == (69, ["tls"])
    assert "está caducado" in diagnosis.one("tls")["message"]
    assert "Renuévelo" in diagnosis.one("tls")["cure"]


def test_a_certificate_of_tomorrow_blames_the_clock(authority: tuple[trustme.CA, Path]) -> None:
    """Un certificado que aún no vale: 69, y que se mire el reloj."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    authority[0].issue_cert("127.0.0.1", not_before=tomorrow).configure_cert(context)
    with FaultyServer(lambda _: answer(200, "[]"), tls=context) as server:
        diagnosis = diagnose_apart(BACKEND_URL=server.url, SSL_CERT_FILE=authority[1])

    assert diagnosis.code == 69
    assert "timedatectl" in diagnosis.one("tls")["cure"]


def test_an_unknown_authority_is_named(authority: tuple[trustme.CA, Path], backend: ReferenceBackend) -> None:
    """Una autoridad desconocida: 69, cómo instalarla, y el token no sale de aquí."""
    with serve_tls(authority[0], "127.0.0.1") as server:
        diagnosis = diagnose(BACKEND_URL=server.url, BACKEND_JWT_TOKEN=backend.token())

    assert (diagnosis.code, diagnosis.errors) == (69, ["tls"])
    assert "update-ca-certificates" in diagnosis.one("tls")["cure"]
    assert server.requests == []


def test_a_certificate_for_another_host_says_whose_it_is(authority: tuple[trustme.CA, Path]) -> None:
    """Un certificado de otro nombre: 69, y para qué nombres es."""
    with serve_tls(authority[0], "uno.example", "dos.example") as server:
        diagnosis = diagnose_apart(BACKEND_URL=server.url, SSL_CERT_FILE=authority[1])

    assert (diagnosis.code, diagnosis.errors) == (69, ["tls"])
    assert "no es para «127.0.0.1», sino para uno.example, dos.example" in diagnosis.one("tls")["message"]
    assert "BACKEND_URL" in diagnosis.one("tls")["cure"]
    assert server.requests == []


def test_a_server_that_answers_only_once_is_still_explained(authority: tuple[trustme.CA, Path]) -> None:
    """Si no se puede volver a conectar para ver de quién es el certificado, se dice lo que se sabe."""
    context = certified(authority[0], "otro.example")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve_once() -> None:
        connection, _ = listener.accept()
        listener.close()
        with suppress(OSError):
            context.wrap_socket(connection, server_side=True).close()

    url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    with ThreadPoolExecutor(1) as pool:
        served = pool.submit(serve_once)
        diagnosis = diagnose_apart(BACKEND_URL=url, SSL_CERT_FILE=authority[1])
        served.result()

    assert diagnosis.one("tls")["message"].endswith("no es para «127.0.0.1»")


def test_a_server_that_never_ends_its_greeting_is_named() -> None:
    """Si no acaba de negociar TLS: 69, cuánto se esperó, y acaba con su límite."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        diagnosis = diagnose(BACKEND_URL=f"https://127.0.0.1:{silent.getsockname()[1]}", HTTP_TIMEOUT=0.5)

    assert (diagnosis.code, diagnosis.errors) == (69, ["tls"])
    assert "no acaba de negociar en 0.5 s" in diagnosis.one("tls")["message"]


@pytest.mark.slow
def test_https_to_a_port_without_tls_is_named(backend: ReferenceBackend) -> None:
    """Pedir https donde se habla http: 69, y que se mire el puerto."""
    diagnosis = diagnose(BACKEND_URL=backend.url.replace("http:", "https:"))

    assert (diagnosis.code, diagnosis.errors) == (69, ["tls"])
    assert "falló TLS" in diagnosis.one("tls")["message"]
    assert "se habla https y no http (BACKEND_URL)" in diagnosis.one("tls")["cure"]


@pytest.mark.slow
def test_a_missing_intermediate_certificate_is_cured_on_the_server(
    authority: tuple[trustme.CA, Path], backend: ReferenceBackend
) -> None:
    """Si el servidor no manda el certificado intermedio: 69 y fullchain.pem; con la cadena entera, 0."""
    certificate = authority[0].create_child_ca().issue_cert("127.0.0.1")
    leaf, *rest = certificate.cert_chain_pems
    codes = []
    for chain in ([leaf], [leaf, *rest]):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        path = authority[1].with_name("servidor.pem")
        path.write_bytes(certificate.private_key_pem.bytes() + b"".join(pem.bytes() for pem in chain))
        context.load_cert_chain(path)
        with FaultyServer(tls=context, upstream=backend.url) as server:
            diagnosis = diagnose_apart(**account(backend, server.url, SSL_CERT_FILE=authority[1]))
        codes.append(diagnosis.code)
        if diagnosis.code:
            assert "fullchain.pem" in diagnosis.one("tls")["cure"]

    assert codes == [69, 0]
