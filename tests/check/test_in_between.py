"""Lo que contesta quien está en medio: se dice quién es, y no se culpa a la cuenta ni al rol."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from tests.support.diagnosis import diagnose
from tests.support.faults import FaultyServer
from tests.support.inside import account, run_inside
from tests.support.program import run
from tests.support.reactions import Fault, Raw, Reaction, Request, answer
from tests.support.reference.server import ReferenceBackend
from tests.support.tls import certified

DJANGO = "<!doctype html><title>Bad Request (400)</title><h1>Bad Request (400)</h1>"
NGINX = "<center><h1>400 Bad Request</h1></center><center>The plain HTTP request was sent to HTTPS port</center>"
GO = "Client sent an HTTP request to an HTTPS server.\n"
APACHE = "Reason: You're speaking plain HTTP to an SSL-enabled server port."
WAF = "<html><body>Access denied | cdn.example used a firewall to restrict access</body></html>"
PORTAL = '<html><form action="/entrar"><input name="u"><input type="password" name="p"></form></html>'


@dataclass
class Gate:
    """Una regla: contesta siempre lo mismo hasta que se cura; después pasa las peticiones al backend."""

    reply: Reaction
    open: bool = False

    def __call__(self, _: Request) -> Reaction:
        """Lo que toca."""
        return None if self.open else self.reply


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reply", "code", "said", "cure"),
    [
        (answer(400, DJANGO), 76, "no es la API", "ALLOWED_HOSTS"),
        (answer(400), 76, "no es la API", "ALLOWED_HOSTS"),
        (answer(400, NGINX), 76, "se habla https", "https://"),
        (answer(400, GO), 76, "se habla https", "https://"),
        (answer(400, APACHE), 76, "se habla https", "https://"),
        (answer(401, WAF, WWW_Authenticate='Basic realm="zona"'), 77, "un proxy", "que el proxy deje pasar"),
        (answer(401, "", WWW_Authenticate="Negotiate"), 77, "un proxy", "que el proxy deje pasar"),
        (answer(403, WAF), 77, "una página, no la API", "cortafuegos"),
        (answer(403, PORTAL), 77, "una página para entrar", "portal"),
        (answer(302, Location="https://sso.example/login?next=/"), 76, "redirige", "portal"),
        (answer(302, Location="http://10.0.0.1/hotspot"), 76, "redirige", "portal"),
        (answer(200, PORTAL), 76, "una página HTML", "portal"),
        (answer(511, PORTAL), 69, "HTTP 511", ""),
    ],
)
def test_who_is_in_between_is_named(backend: ReferenceBackend, reply: Raw, code: int, said: str, cure: str) -> None:
    """Un proxy, un cortafuegos, un portal o Django, si no quiere ese nombre: se nombra, y la cuenta no tiene culpa.

    La pasada acaba con el mismo código y, en cuanto deja de estorbar, con 0.
    """
    gate = Gate(reply)
    with FaultyServer(gate, upstream=backend.url) as server:
        env = account(backend, server.url)
        diagnosis = diagnose(**env)
        before = run_inside("run-once", PASS_TIMEOUT=3, **env)
        gate.open = True
        after = run_inside("run-once", **env)

    said_all = " ".join(f"{one['message']} → {one['cure']}" for one in diagnosis.findings if one["level"] == "error")
    assert (diagnosis.code, before.code, after.code) == (code, code, 0)
    assert said in said_all
    assert cure in said_all
    for blamed in ("Compruebe BACKEND_PASSWORD", "admin o superadmin", "es de rol"):
        assert blamed not in said_all + before.stderr


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, Path]:
    """Una autoridad de certificación privada y el archivo con su certificado."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return authority, tmp_path / "ca.pem"


@pytest.fixture
def secure(authority: tuple[trustme.CA, Path], backend: ReferenceBackend) -> Iterator[FaultyServer]:
    """El backend detrás de https."""
    context = certified(authority[0], "127.0.0.1")
    with FaultyServer(tls=context, upstream=backend.url) as server:
        yield server


@pytest.mark.slow
def test_http_to_an_https_port_names_the_url(
    backend: ReferenceBackend, authority: tuple[trustme.CA, Path], secure: FaultyServer
) -> None:
    """Hablar http a un puerto de https que corta: 69 y la URL buena; con ella, 0."""
    diagnosis = diagnose(**account(backend, secure.url.replace("https:", "http:")))
    cured = run("run-once", env=account(backend, secure.url, SSL_CERT_FILE=authority[1]))

    assert diagnosis.code == 69
    assert f"BACKEND_URL={secure.url}" in diagnosis.one("list")["cure"]
    assert f"BACKEND_URL={secure.url}" in diagnosis.one("login")["cure"]
    assert cured.code == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("greeting", "scheme", "topic", "cure"),
    [
        (Raw(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), "http", "list", "Ahí contesta SSH"),
        (Raw(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), "https", "tls", "Ahí contesta SSH"),
        (Raw(b"220 mail.example ESMTP\r\n"), "http", "list", "Ahí contesta correo o FTP"),
        (Fault.CUT, "http", "list", "¿Habla https ese puerto?, ¿es ese el puerto?"),
        (Fault.CUT, "https", "tls", "que es ese el puerto"),
    ],
)
def test_a_port_of_something_else_is_doubted(
    backend: ReferenceBackend, greeting: Raw | Fault, scheme: str, topic: str, cure: str
) -> None:
    """Un puerto que corta o donde contesta otra cosa: 69, y se duda del puerto, no del registro del backend."""
    with FaultyServer(greeting=lambda _: greeting) as server:
        diagnosis = diagnose(BACKEND_URL=server.url.replace("http", scheme, 1))

    assert (diagnosis.code, diagnosis.errors) == (69, [topic])
    assert cure in diagnosis.one(topic)["cure"]
    assert "registro del backend" not in diagnosis.text
    assert diagnose(**account(backend)).code == 0


@pytest.mark.parametrize("url", ["http://interno.example", "https://interno.example"])
def test_a_proxy_that_asks_for_a_user_is_named(backend: ReferenceBackend, url: str) -> None:
    """Un proxy que pide usuario, también para hacer un túnel: 77 y que sus credenciales van en BACKEND_PROXY."""
    with FaultyServer(lambda _: answer(407, WAF, Proxy_Authenticate='Basic realm="salida"')) as proxy:
        env = account(backend, url, BACKEND_PROXY=proxy.url)
        diagnosis = diagnose(**env)
        rehearsal = run_inside("run-once", **env)

    assert diagnosis.code == rehearsal.code == 77
    assert all("BACKEND_PROXY" in one["cure"] for one in diagnosis.findings if one["level"] == "error")
    assert "407" in diagnosis.one("list")["message"]


def test_a_proxy_with_its_user_is_used() -> None:
    """La cura del 407: con usuario y contraseña en BACKEND_PROXY el proxy deja pasar, y 0."""

    def rule(request: Request) -> Reaction:
        return answer(200, "[]") if "proxy-authorization" in request.headers else answer(407)

    with FaultyServer(rule) as proxy:
        url = proxy.url.replace("http://", "http://persona:clave-secreta@")
        cured = run_inside("run-once", BACKEND_URL="http://interno.example", BACKEND_PROXY=url)

    assert cured.code == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (answer(429, '{"error": "Request was throttled."}', Retry_After="900"), 69),
        (answer(403, '{"error": "Account locked: too many login attempts."}'), 77),
        (answer(403, "<html>Account locked: too many login attempts</html>"), 77),
        (answer(423, '{"error": "bloqueada"}'), 77),
        (answer(403, '{"error": "Usuario desactivado"}'), 77),
    ],
)
def test_a_locked_account_is_not_a_wrong_password(backend: ReferenceBackend, reply: Raw, code: int) -> None:
    """Una cuenta bloqueada se desbloquea o se espera: no se manda a nadie a cambiar la contraseña."""
    gate = Gate(reply)

    def rule(request: Request) -> Reaction:
        return gate(request) if request.path == "/auth/login/" else None

    with FaultyServer(rule, upstream=backend.url) as server:
        diagnosis = diagnose(**account(backend, server.url))
        gate.open = True
        cured = run_inside("run-once", **account(backend, server.url))

    assert (diagnosis.code, diagnosis.errors, cured.code) == (code, ["login"], 0)
    assert "bloqueada" in diagnosis.one("login")["cure"]
    assert "BACKEND_PASSWORD" not in diagnosis.one("login")["cure"]


def test_a_login_that_is_refused_by_django_is_not_77(backend: ReferenceBackend) -> None:
    """Un 400 de Django al iniciar sesión no es una contraseña mala: la pasada acaba con 76."""

    def rule(request: Request) -> Reaction:
        return answer(400, DJANGO) if request.path == "/auth/login/" else None

    with FaultyServer(rule, upstream=backend.url) as server:
        rehearsal = run_inside("run-once", **account(backend, server.url))

    assert rehearsal.code == 76
    assert "ALLOWED_HOSTS" in rehearsal.stderr


def test_an_auth_port_of_something_else_is_doubted(backend: ReferenceBackend) -> None:
    """Si el puerto que corta es el de AUTH_URL, se duda de ese, y no del registro del backend."""
    with FaultyServer(greeting=lambda _: Raw(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")) as server:
        diagnosis = diagnose(**account(backend, None, AUTH_URL=server.url))

    assert (diagnosis.code, diagnosis.errors) == (69, ["login"])
    assert "¿es ese el puerto de AUTH_URL?" in diagnosis.one("login")["cure"]
    assert diagnose(**account(backend)).code == 0
