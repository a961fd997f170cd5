"""El diagnóstico: que cada avería salga con su causa y su cura, con el código de una pasada y sin tocar nada."""

import json
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from estado_eventos.check.findings import Level
from estado_eventos.check.probe import skew
from estado_eventos.check.settings import values
from estado_eventos.config.envfile import differences
from estado_eventos.config.sources import load
from estado_eventos.domain.transitions import FINISH, START
from tests.support.faults import Drip, Fault, FaultyServer, Request, answer
from tests.support.program import PROGRAM, Completed, environment, run
from tests.support.reference.server import ReferenceBackend
from tests.support.terminal_session import in_terminal

pytestmark = pytest.mark.slow

LOGIN = "/auth/login/"
LISTS = {START.list_path, FINISH.list_path}
HANG_RESOLVER = """
import socket, time
socket.getaddrinfo = lambda *_, **__: time.sleep(30)
"""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Lo que dijo `check --json`."""

    code: int
    findings: list[dict[str, Any]]
    text: str

    def about(self, topic: str) -> list[dict[str, Any]]:
        """Los hallazgos de un tema."""
        return [finding for finding in self.findings if finding["topic"] == topic]

    def one(self, topic: str) -> dict[str, Any]:
        """El único hallazgo de un tema."""
        (finding,) = self.about(topic)
        return finding

    @property
    def errors(self) -> list[str]:
        """Los temas de los errores."""
        return [finding["topic"] for finding in self.findings if finding["level"] == "error"]


def diagnose(*arguments: str, cwd: Path | str = "/", **env: Any) -> Diagnosis:
    """Ejecuta `check --json` y comprueba lo que vale siempre: la forma, el código y una cura por problema."""
    completed = run("check", "--json", *arguments, env=env, cwd=cwd)
    content = json.loads(completed.stdout)
    assert list(content) == ["schema", "exit_code", "findings"]
    assert (content["schema"], content["exit_code"], completed.stderr) == (1, completed.code, "")
    for finding in content["findings"]:
        assert list(finding) == ["level", "topic", "message", "cure"]
        assert finding["level"] in {"ok", "warning", "error"}
        assert (finding["cure"] is None) == (finding["level"] == "ok"), finding
    diagnosis = Diagnosis(completed.code, content["findings"], completed.stdout)
    assert bool(diagnosis.errors) == bool(completed.code)
    return diagnosis


def with_account(backend: ReferenceBackend, **variables: Any) -> dict[str, Any]:
    """La configuración con cuenta."""
    account = {"BACKEND_EMAIL": backend.email, "BACKEND_PASSWORD": backend.password}
    return {"BACKEND_URL": backend.url, **account, **variables}


def asked(backend: ReferenceBackend) -> list[tuple[str, str]]:
    """Lo que se pidió al backend."""
    return [(request.method, request.path) for request in backend.requests()]


@contextmanager
def nobody() -> Iterator[str]:
    """Una URL donde no escucha nadie."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    yield f"http://127.0.0.1:{port}"


def test_a_good_set_up_has_no_problems(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Con todo bien: 0, ningún aviso, cada lista con lo que tiene y ni un evento tocado."""
    backend.add_events(due_start=2, due_finish=1)
    scheduled = machine(tmp_path, system="estado-eventos.timer enabled active")

    diagnosis = diagnose(**with_account(backend), **scheduled)

    assert diagnosis.code == 0
    assert {finding["level"] for finding in diagnosis.findings} == {"ok"}
    lists = [finding["message"] for finding in diagnosis.about("list")]
    assert lists == [
        "Lista de inicio: se lee, 2 evento(s) pendiente(s)",
        "Lista de finalización: se lee, 1 evento(s) pendiente(s)",
    ]
    assert "rol admin" in diagnosis.one("login")["message"]
    assert backend.history() == []


def test_it_only_reads_but_for_one_login(backend: ReferenceBackend) -> None:
    """Todo lo que pide son las dos listas y, una vez, el inicio de sesión."""
    backend.add_events(due_start=2)

    diagnose(**with_account(backend))

    assert asked(backend)[0] == ("POST", LOGIN)
    assert sorted(asked(backend)[1:]) == sorted(("GET", path) for path in LISTS)


@pytest.mark.parametrize("reply", [answer(401), answer(503), answer(404), Fault.CUT])
def test_a_failing_login_is_tried_once(reply: Any) -> None:
    """Aunque el inicio de sesión falle, y sea por lo que sea, no se repite."""
    with FaultyServer(lambda request: reply if request.path == LOGIN else answer(401)) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, BACKEND_EMAIL="alguien", BACKEND_PASSWORD="secreta")

    assert server.count("POST") == 1
    assert diagnosis.errors == ["login"]
    assert {finding["level"] for finding in diagnosis.about("list")} == {"ok"}


def test_a_wrong_password_is_named(backend: ReferenceBackend) -> None:
    """Una contraseña que ya no vale: 77 y la variable que hay que mirar."""
    diagnosis = diagnose(**with_account(backend, BACKEND_PASSWORD="cambiada"))

    assert diagnosis.code == 77
    assert "BACKEND_PASSWORD" in diagnosis.one("login")["cure"]


def test_a_wrong_password_with_a_token_that_still_works_is_a_warning(backend: ReferenceBackend) -> None:
    """Si el token que hay aún vale, la pasada sale bien: avisa de lo que pasará cuando caduque y acaba con 0."""
    env = with_account(backend, BACKEND_PASSWORD="cambiada", BACKEND_JWT_TOKEN=backend.token())

    diagnosis = diagnose(**env)

    assert diagnosis.code == 0
    assert diagnosis.one("login")["level"] == "warning"
    assert "aún vale" in diagnosis.one("login")["message"]


def test_a_token_that_is_refused_gives_way_to_the_account(backend: ReferenceBackend) -> None:
    """Un token de otro backend no estorba si la cuenta vale: las listas se leen con el nuevo, como en una pasada."""
    env = with_account(backend, BACKEND_JWT_TOKEN="de-otro-backend")

    assert diagnose(**env).code == run("run-once", env=env).code == 0


def test_a_missing_prefix_is_found(backend: ReferenceBackend) -> None:
    """Con la API bajo `/events` y `/auth/` en la raíz: 76 y las dos variables que hay que poner."""
    backend.configure(prefix="/events")

    diagnosis = diagnose(**with_account(backend))
    finding = diagnosis.one("list")

    assert (diagnosis.code, finding["level"]) == (76, "error")
    assert "HTTP 404" in finding["message"]
    cure = {"BACKEND_URL": f"{backend.url}/events", "AUTH_URL": backend.url}
    assert all(f"{name}={value}" in finding["cure"] for name, value in cure.items())
    assert diagnose(**with_account(backend, **cure)).code == 0


@pytest.mark.parametrize(
    ("prefix", "given", "right"),
    [
        ("/events", "", "/events"),
        ("/events", "/api/events-status/pending-start", "/events"),
        ("/events", "/eventos", "/events"),
        ("", "/api/events-status", ""),
        ("", "/api/events-status/7/start", ""),
        ("", "/events", ""),
        ("/x/events", "/x", "/x/events"),
        ("/x", "/x/api", "/x"),
    ],
)
def test_the_right_url_is_suggested(backend: ReferenceBackend, prefix: str, given: str, right: str) -> None:
    """Un prefijo que falta, que sobra o una ruta pegada entera: siempre se dice la `BACKEND_URL` buena."""
    backend.configure(prefix=prefix)

    diagnosis = diagnose(BACKEND_URL=backend.url + given)

    assert diagnosis.code == 76
    assert f"BACKEND_URL={backend.url}{right} " in diagnosis.one("list")["cure"]


def test_a_missing_auth_url_is_found(backend: ReferenceBackend) -> None:
    """Con el prefijo bien y `/auth/` en la raíz: 76, la `AUTH_URL` que falta, y las listas están ahí."""
    backend.configure(prefix="/events")

    diagnosis = diagnose(**with_account(backend, BACKEND_URL=f"{backend.url}/events"))

    assert diagnosis.code == 76
    assert diagnosis.one("login")["cure"] == f"Ponga AUTH_URL={backend.url}"
    assert "pide credenciales" in diagnosis.one("list")["message"]


def test_no_auth_url_is_suggested_that_does_not_answer() -> None:
    """Si el inicio de sesión no está en ninguna parte, se dice qué variable comprobar y nada más."""

    def rule(request: Request) -> Any:
        if request.method == "GET" and request.path == LOGIN:
            return Fault.CUT
        return answer(401 if request.path.startswith("/x/api") else 404)

    with FaultyServer(rule) as server:
        diagnosis = diagnose(BACKEND_URL=f"{server.url}/x", BACKEND_EMAIL="alguien", BACKEND_PASSWORD="secreta")

    assert (diagnosis.code, diagnosis.errors) == (76, ["login"])
    assert diagnosis.one("login")["cure"] == "Compruebe AUTH_URL"


def test_nothing_is_suggested_that_does_not_answer() -> None:
    """Si la API no está en ninguna parte, se dice qué comprobar y no se inventa ninguna dirección."""
    with FaultyServer(lambda _: answer(200, "<html>Portada</html>")) as server:
        diagnosis = diagnose(BACKEND_URL=server.url)

    assert diagnosis.code == 76
    assert "página HTML" in diagnosis.one("list")["message"]
    assert diagnosis.one("list")["cure"] == "Compruebe BACKEND_URL"
    assert len(server.requests) < 10


def test_a_redirection_names_the_final_url_and_gets_no_token(backend: ReferenceBackend) -> None:
    """Si la lista redirige a otro puerto del servidor, se dice cuál; a él no se le manda el token."""
    final = FaultyServer(lambda _: answer(401))
    with final, FaultyServer(lambda request: answer(301, Location=final.url + request.path)) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, BACKEND_JWT_TOKEN=backend.token())

    assert diagnosis.code == 76
    assert f"BACKEND_URL={final.url} " in diagnosis.one("list")["cure"]
    assert final.requests
    assert all("authorization" not in request.headers for request in final.requests)


def test_an_expired_token_is_named(backend: ReferenceBackend) -> None:
    """Un token caducado: 77, desde cuándo, y cómo no volver a pensar en él."""
    diagnosis = diagnose(BACKEND_URL=backend.url, BACKEND_JWT_TOKEN=backend.token(-60))

    assert (diagnosis.code, diagnosis.errors) == (77, ["list"])
    assert "caducó el" in diagnosis.one("list")["message"]
    assert "BACKEND_EMAIL y BACKEND_PASSWORD" in diagnosis.one("list")["cure"]


def test_a_wrong_role_is_named(backend: ReferenceBackend) -> None:
    """Un usuario sin el rol: 77, el rol que tiene y el que hace falta."""
    backend.add_user("alumna@example.com", "clave-de-alumna", "student")

    diagnosis = diagnose(
        BACKEND_URL=backend.url, BACKEND_EMAIL="alumna@example.com", BACKEND_PASSWORD="clave-de-alumna"
    )

    assert (diagnosis.code, diagnosis.errors) == (77, ["list"])
    assert "rol student" in diagnosis.one("list")["message"]
    assert "admin o superadmin" in diagnosis.one("list")["cure"]


def test_missing_credentials_are_named(backend: ReferenceBackend) -> None:
    """Sin credenciales ante un backend que las pide: 77 y las variables que faltan."""
    diagnosis = diagnose(BACKEND_URL=backend.url)

    assert diagnosis.code == 77
    assert "BACKEND_EMAIL y BACKEND_PASSWORD" in diagnosis.one("list")["cure"]


def test_a_static_token_is_a_warning_about_its_life(backend: ReferenceBackend, tmp_path: Path) -> None:
    """De un token sin cuenta se dice de dónde sale, cuánto le queda y que nadie lo renueva."""
    (tmp_path / ".env").write_text(f"BACKEND_URL={backend.url}\nBACKEND_JWT_TOKEN={backend.token(1200)}\n")
    (tmp_path / ".env").chmod(0o600)

    diagnosis = diagnose(cwd=tmp_path)

    assert diagnosis.code == 0
    assert diagnosis.one("token")["message"].startswith("BACKEND_JWT_TOKEN (.env): le quedan ")
    assert "nadie lo renueva" in diagnosis.one("token")["message"]


def test_the_cached_token_is_looked_at(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Del token guardado se dice cuánto le queda; si el archivo no es de fiar, se avisa. No se cambia."""
    cache = tmp_path / "token"
    env = with_account(backend, TOKEN_CACHE_FILE=cache)
    run("run-once", env=env)
    before = cache.read_bytes()

    fine = diagnose(**env).one("token")
    cache.chmod(0o644)
    exposed = diagnose(**env).one("token")

    assert (fine["level"], exposed["level"]) == ("ok", "warning")
    assert f"TOKEN_CACHE_FILE ({cache}): le quedan " in fine["message"]
    assert "0600" in exposed["message"]
    assert cache.read_bytes() == before


def test_a_backend_that_is_down_is_named(backend: ReferenceBackend) -> None:
    """Con el backend parado: 69, que rehúsa la conexión, y no se mira más allá."""
    with nobody() as url:
        diagnosis = diagnose(**with_account(backend, BACKEND_URL=url))

    assert (diagnosis.code, diagnosis.errors) == (69, ["tcp"])
    assert "conexión rehusada" in diagnosis.one("tcp")["message"]
    assert "está en marcha" in diagnosis.one("tcp")["cure"]
    assert diagnosis.about("list") == diagnosis.about("login") == []


def test_every_address_of_a_name_is_tried() -> None:
    """De un nombre con varias direcciones vale la que conteste, aunque no sea la primera."""
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        diagnosis = diagnose(BACKEND_URL=server.url.replace("127.0.0.1", "localhost"))

    assert diagnosis.code == 0
    assert "127.0.0.1" in diagnosis.one("dns")["message"]


def test_a_name_that_does_not_resolve_is_named() -> None:
    """Un nombre que no existe: 69, el nombre y el mandato con que se comprueba."""
    diagnosis = diagnose(BACKEND_URL="https://no-existe.invalid")

    assert (diagnosis.code, diagnosis.errors) == (69, ["dns"])
    assert "«no-existe.invalid»" in diagnosis.one("dns")["message"]
    assert "getent hosts no-existe.invalid" in diagnosis.one("dns")["cure"]


def test_a_hanging_resolver_does_not_outlast_the_deadline(tmp_path: Path) -> None:
    """Aunque resolver el nombre se cuelgue 30 s, acaba con su límite y dice que fue el DNS."""
    (tmp_path / "sitecustomize.py").write_text(HANG_RESOLVER)
    began = time.monotonic()

    diagnosis = diagnose(BACKEND_URL="http://cuelga.example", PASS_TIMEOUT=1, PYTHONPATH=tmp_path)

    assert (diagnosis.code, diagnosis.errors) == (69, ["dns"])
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "fault", [Fault.STALL, Drip(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n")]
)
def test_it_ends_with_the_deadline_whatever_the_backend_does(fault: Any) -> None:
    """Ante un backend que acepta y no contesta, o gotea, acaba con su límite, 69 y lo que sí se supo."""
    began = time.monotonic()
    with FaultyServer(lambda _: fault) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, PASS_TIMEOUT=1)

    assert (diagnosis.code, diagnosis.errors) == (69, ["timeout"])
    assert diagnosis.one("tcp")["level"] == "ok"
    assert "PASS_TIMEOUT" in diagnosis.one("timeout")["message"]
    assert time.monotonic() - began < 10


def test_a_port_that_never_answers_is_named() -> None:
    """Un puerto que no acaba de aceptar la conexión: 69, cuánto se esperó, y acaba con su límite."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as stack:
        # Con la cola llena, el núcleo no contesta a quien llama.
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)  # noqa: FBT003  Así es su API.
            waiting.connect_ex(full.getsockname())
        diagnosis = diagnose(BACKEND_URL=f"http://127.0.0.1:{full.getsockname()[1]}", HTTP_TIMEOUT=0.5)

    assert (diagnosis.code, diagnosis.errors) == (69, ["tcp"])
    assert "no responde en 0.5 s" in diagnosis.one("tcp")["message"]


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


@pytest.mark.parametrize(("days", "level"), [(300, "ok"), (14, "ok"), (13, "warning"), (0, "warning")])
def test_the_days_a_certificate_has_left(authority: tuple[trustme.CA, Path], days: int, level: str) -> None:
    """Del certificado se dicen los días que le quedan, y con menos de catorce es un aviso: la pasada aún sale bien."""
    with serve_tls(authority[0], "127.0.0.1", days=days) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, SSL_CERT_FILE=authority[1])

    assert diagnosis.code == 0
    assert diagnosis.one("tls")["level"] == level
    assert f" {days} días" in diagnosis.one("tls")["message"]


def test_an_expired_certificate_is_named(authority: tuple[trustme.CA, Path]) -> None:
    """Un certificado caducado: 69, y que hay que renovarlo."""
    with serve_tls(authority[0], "127.0.0.1", days=-1) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, SSL_CERT_FILE=authority[1])

    assert (diagnosis.code, diagnosis.errors) == (69, ["tls"])
    assert "está caducado" in diagnosis.one("tls")["message"]
    assert "Renuévelo" in diagnosis.one("tls")["cure"]


def test_a_certificate_of_tomorrow_blames_the_clock(authority: tuple[trustme.CA, Path]) -> None:
    """Un certificado que aún no vale: 69, y que se mire el reloj."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    authority[0].issue_cert("127.0.0.1", not_before=tomorrow).configure_cert(context)
    with FaultyServer(lambda _: answer(200, "[]"), tls=context) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, SSL_CERT_FILE=authority[1])

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
        diagnosis = diagnose(BACKEND_URL=server.url, SSL_CERT_FILE=authority[1])

    assert (diagnosis.code, diagnosis.errors) == (69, ["tls"])
    assert "no es para «127.0.0.1», sino para uno.example, dos.example" in diagnosis.one("tls")["message"]
    assert "BACKEND_URL" in diagnosis.one("tls")["cure"]
    assert server.requests == []


def test_a_server_that_answers_only_once_is_still_explained(authority: tuple[trustme.CA, Path]) -> None:
    """Si no se puede volver a conectar para ver de quién es el certificado, se dice lo que se sabe."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority[0].issue_cert("otro.example").configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve_once() -> None:
        connection, _ = listener.accept()
        listener.close()
        with suppress(OSError):
            context.wrap_socket(connection, server_side=True).close()

    url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    with ThreadPoolExecutor(1) as pool:
        served = pool.submit(serve_once)
        diagnosis = diagnose(BACKEND_URL=url, SSL_CERT_FILE=authority[1])
        served.result()

    assert diagnosis.one("tls")["message"].endswith("no es para «127.0.0.1»")


def test_a_server_that_never_ends_its_greeting_is_named() -> None:
    """Si no acaba de negociar TLS: 69, cuánto se esperó, y acaba con su límite."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        diagnosis = diagnose(BACKEND_URL=f"https://127.0.0.1:{silent.getsockname()[1]}", HTTP_TIMEOUT=0.5)

    assert (diagnosis.code, diagnosis.errors) == (69, ["tls"])
    assert "no acaba de negociar en 0.5 s" in diagnosis.one("tls")["message"]


def test_https_to_a_port_without_tls_is_named(backend: ReferenceBackend) -> None:
    """Pedir https donde se habla http: 69, y que se mire el puerto."""
    diagnosis = diagnose(BACKEND_URL=backend.url.replace("http:", "https:"))

    assert (diagnosis.code, diagnosis.errors) == (69, ["tls"])
    assert "falló TLS" in diagnosis.one("tls")["message"]
    assert "se habla https y no http (BACKEND_URL)" in diagnosis.one("tls")["cure"]


def test_another_auth_server_is_looked_at_too(backend: ReferenceBackend) -> None:
    """Si `AUTH_URL` es otro servidor y está parado: 69 y su nombre; con un token que vale, solo un aviso."""
    with nobody() as url:
        without = diagnose(**with_account(backend, AUTH_URL=url))
        with_token = diagnose(**with_account(backend, AUTH_URL=url, BACKEND_JWT_TOKEN=backend.token()))

    assert (without.code, without.errors) == (69, ["tcp"])
    assert "AUTH_URL" in without.about("tcp")[1]["cure"]
    assert with_token.code == 0
    assert with_token.about("tcp")[1]["level"] == "warning"


@pytest.mark.parametrize(
    ("seconds", "level", "words"),
    [
        (0, "ok", "coinciden"),
        (4, "ok", "coinciden"),
        (30, "warning", "adelantado"),
        (-30, "warning", "retrasos"),
        (-7200, "warning", "2 h atrasado"),
        (3600, "warning", "un token puede parecer caducado"),
    ],
)
def test_clocks_that_differ_are_a_warning(seconds: int, level: str, words: str) -> None:
    """Si el reloj del backend no va con el de aquí, se dice cuánto, hacia dónde y qué estropea; la pasada sale bien."""

    def rule(_: Request) -> Any:
        date = datetime.now(UTC) + timedelta(seconds=seconds)
        return answer(200, "[]", Date=format_datetime(date, usegmt=True))

    with FaultyServer(rule) as server:
        diagnosis = diagnose(BACKEND_URL=server.url)

    assert diagnosis.code == 0
    assert diagnosis.one("clock")["level"] == level
    assert words in diagnosis.one("clock")["message"]


def test_a_date_that_cannot_be_read_says_nothing_of_the_clock() -> None:
    """Sin `Date`, o con una que no se entiende, no se dice nada del reloj."""
    with FaultyServer(lambda _: answer(200, "[]", Date="ayer")) as server:
        assert diagnose(BACKEND_URL=server.url).about("clock") == []


def test_a_slow_answer_is_not_a_skewed_clock() -> None:
    """`Date` se escribe en algún momento entre el envío y la llegada: dentro de eso los relojes coinciden."""
    sent = datetime(2026, 1, 1, 10, 0, 0, tzinfo=UTC)
    received = sent + timedelta(seconds=20)

    assert skew("Thu, 01 Jan 2026 10:00:00 GMT", sent, received) == 0
    assert skew("Thu, 01 Jan 2026 10:00:20 GMT", sent, received) == 0
    assert skew("Thu, 01 Jan 2026 09:59:40 GMT", sent, received) == pytest.approx(-29.5)
    assert skew("Thu, 01 Jan 2026 10:00:40 -0000", sent, received) == pytest.approx(30.5)
    assert skew("Thu, 01 Jan 10000 10:00:30 GMT", sent, received) is None


def test_the_proxies_of_the_environment_matter_only_if_there_is_no_way(backend: ReferenceBackend) -> None:
    """Un proxy del entorno no se usa: se dice, y es un aviso con su cura si sin él no se llega. Su URL no se enseña."""
    env = {"HTTPS_PROXY": "http://yo:clave-del-proxy@proxy.example", "no_proxy": "x", "BACKEND_JWT_TOKEN": "abc"}
    reached = diagnose(BACKEND_URL=backend.url, **env)
    with nobody() as url:
        lost = diagnose(BACKEND_URL=url, **env)

    assert reached.one("proxy")["level"] == "ok"
    assert "BACKEND_PROXY" in lost.one("proxy")["cure"]
    assert "clave-del-proxy" not in reached.text + lost.text


def test_a_proxy_on_purpose_is_what_is_connected_to() -> None:
    """Con `BACKEND_PROXY` se mira el camino hasta el proxy, y las listas se piden por él."""
    with FaultyServer(lambda _: answer(200, "[]")) as proxy:
        diagnosis = diagnose(BACKEND_URL="http://interior.invalid", BACKEND_PROXY=proxy.url)
    with nobody() as url:
        down = diagnose(BACKEND_URL="http://interior.invalid", BACKEND_PROXY=url)

    assert diagnosis.code == 0
    assert proxy.url.removeprefix("http://") in diagnosis.one("tcp")["message"]
    assert down.code == 69
    assert "el proxy está en marcha y que BACKEND_PROXY" in down.one("tcp")["cure"]


def test_wrong_settings_are_findings() -> None:
    """Con la configuración mal: 78, y cada variable en su hallazgo."""
    diagnosis = diagnose(HTTP_TIMEOUT="mucho", MAX_CONCURRENCY="0", BACKEND_JWT_TOKEN="con espacios dentro")

    assert diagnosis.code == 78
    named = [finding["message"].split(" ")[0] for finding in diagnosis.findings]
    assert named == ["BACKEND_JWT_TOKEN", "HTTP_TIMEOUT", "MAX_CONCURRENCY"]
    assert "espacios dentro" not in diagnosis.text


def test_each_setting_says_where_it_comes_from(tmp_path: Path) -> None:
    """Cada variable puesta sale con su valor y su origen; las demás, juntas, como de fábrica."""
    (tmp_path / ".env").write_text("HTTP_TIMEOUT=0.5\nMAX_CONCURRENCY=3\nBACKEND_PASSWORD=secreta\nBACKEND_EMAIL=x\n")
    (tmp_path / ".env").chmod(0o600)
    with nobody() as url:
        diagnosis = diagnose("--log-level", "ERROR", cwd=tmp_path, BACKEND_URL=url, MAX_CONCURRENCY=4)

    messages = [finding["message"] for finding in diagnosis.about("settings")]
    assert f"BACKEND_URL={url} (entorno)" in messages
    assert "HTTP_TIMEOUT=0.5 (.env)" in messages
    assert "MAX_CONCURRENCY=4 (entorno)" in messages
    assert "LOG_LEVEL=ERROR (línea de mandatos)" in messages
    assert "BACKEND_PASSWORD: puesta (.env)" in messages
    assert messages[-1].startswith("De fábrica: SCHEDULER_INTERVAL_SECONDS=60, PASS_TIMEOUT=48, ")


def test_a_settings_file_that_anyone_can_read_is_a_warning(tmp_path: Path) -> None:
    """Un archivo con secretos que cualquiera puede leer: se dice cuáles y el `chmod` que lo cura."""
    path = tmp_path / "mi.env"
    path.write_text("BACKEND_EMAIL=x\nBACKEND_PASSWORD=secreta\n")
    path.chmod(0o644)
    (exposed,) = diagnose("--env-file", str(path)).about("settings_file")
    path.chmod(0o640)
    guarded = diagnose("--env-file", str(path)).about("settings_file")
    path.write_text("BACKEND_URL=http://127.0.0.1:9\n")
    path.chmod(0o644)
    without_secrets = diagnose("--env-file", str(path)).about("settings_file")

    assert "BACKEND_PASSWORD" in exposed["message"]
    assert exposed["cure"] == f"chmod o= {path}"
    assert guarded == without_secrets == []


def test_a_name_that_is_almost_a_setting_is_a_warning(tmp_path: Path) -> None:
    """Una variable mal escrita no se lee: se dice cuál será; las que no tienen que ver se callan."""
    (tmp_path / ".env").write_text("BACKEND_PASWORD=secreta\nBACKEND_EMAIL=\nDEBUG=1\n")

    (finding,) = diagnose(cwd=tmp_path).about("settings_file")

    assert "BACKEND_PASWORD" in finding["message"]
    assert "BACKEND_PASSWORD" in finding["cure"]


def test_a_missing_env_file_is_a_finding(tmp_path: Path) -> None:
    """Un `--env-file` que no existe: 78 y su nombre."""
    path = tmp_path / "no-está.env"

    diagnosis = diagnose("--env-file", str(path))

    assert diagnosis.code == 78
    assert str(path) in diagnosis.one("settings")["message"]


def test_a_file_this_account_cannot_read_is_a_warning(tmp_path: Path) -> None:
    """Un archivo de configuración que esta cuenta no puede leer se dice, y la cura es otra cuenta."""
    empty = tmp_path / "vacío.env"
    empty.touch()
    loaded = replace(load({}, empty), notices=(".env: no hay permiso para leerlo; no se ha tenido en cuenta.",))

    (finding,) = [finding for finding in values(loaded) if finding.topic == "settings_file"]

    assert finding.level is Level.WARNING
    assert finding.to_item().line.startswith(
        "! .env: no hay permiso para leerlo; no se ha tenido en cuenta → Ejecute check con"
    )


@pytest.mark.parametrize(
    ("line", "cure"),
    [
        ("HTTP_TIMEOUT=5 # segundos", "comentario en su propia línea"),
        ('LOG_LEVEL="INFO"   # poco', "comentario en su propia línea"),
        ("export HTTP_TIMEOUT=5", "Quite «export»"),
        ("  'HTTP_TIMEOUT'=5", "lo que rodea al nombre"),
        (r"METRICS_FILE=/a\b", "sin comillas ni «\\»"),
        (r'METRICS_FILE="/a\$b"', "sin comillas ni «\\»"),
        (r"METRICS_FILE='/a\\b'", "sin comillas ni «\\»"),
        ('METRICS_FILE="/a\\tb"', "sin comillas ni «\\»"),
        ("METRICS_FILE=\"a\"'b'", None),
        ("METRICS_FILE=/a b", None),
        ("METRICS_FILE=/a#b", None),
        ("METRICS_FILE=/a$HOME/${b}", None),
        ("METRICS_FILE='/a # $b'", None),
        ('METRICS_FILE="/a # b"', None),
        ("METRICS_FILE = /a  ", None),
        ("# METRICS_FILE=/a # b", None),
        ("OTRA=1 # no es nuestra", None),
        ("METRICS_FILE=", None),
    ],
)
def test_lines_that_systemd_reads_otherwise(line: str, cure: str | None) -> None:
    """Lo que systemd y este programa leen distinto se dice con su línea y cómo escribirlo; lo demás, no."""
    found = list(differences(f"# uno\n\n{line}\nMAX_CONCURRENCY=3\n"))

    assert [difference.line for difference in found] == ([3] if cure else [])
    assert all(cure in difference.cure for difference in found if cure)


def test_a_byte_order_mark_hides_the_first_line_from_systemd() -> None:
    """La marca BOM del principio es parte del nombre para systemd."""
    (difference,) = differences("\ufeffBACKEND_URL=http://a.example\r\nHTTP_TIMEOUT=3\r\n")

    assert (difference.line, difference.name) == (1, "BACKEND_URL")
    assert "BOM" in difference.cure


@given(st.from_regex(r"[A-Za-z0-9_./:@%+,-]+", fullmatch=True))
def test_plain_values_are_read_alike(value: str) -> None:
    """Un valor sin comillas, espacios ni barras invertidas se lee igual en todas partes."""
    assert list(differences(f"BACKEND_URL={value}\n")) == []


@given(st.text())
def test_no_file_breaks_the_comparison(text: str) -> None:
    """Ningún archivo, por raro que sea, rompe la comparación."""
    list(differences(f"BACKEND_URL={text}\nHTTP_TIMEOUT='{text}"))


def test_a_line_of_the_file_that_differs_is_a_finding(tmp_path: Path) -> None:
    """El archivo que se lee se compara entero, y los valores no se enseñan."""
    (tmp_path / ".env").write_text("BACKEND_EMAIL=a\nBACKEND_PASSWORD=clave\\secreta\n")
    (tmp_path / ".env").chmod(0o600)

    diagnosis = diagnose(cwd=tmp_path)

    assert ".env, línea 2: BACKEND_PASSWORD" in diagnosis.one("settings_file")["message"]
    assert "secreta" not in diagnosis.text


def machine(directory: Path, *, crontab: str | None = None, **managers: str) -> dict[str, Any]:
    """El entorno con un systemd y un cron de mentira, que contestan como los de verdad.

    `system` y `user` son líneas «unidad estado-de-instalación estado»; el que no se da no está en marcha. `crontab` es
    lo que hay en él; `None`, que no hay cron.
    """
    directory = directory / "bin"
    directory.mkdir(exist_ok=True)
    tools = {"systemctl": "".join(_manager(directory, *item) for item in managers.items()) + "exit 1"}
    if crontab is not None:
        (directory / "crontab.txt").write_text(crontab)
        tools["crontab"] = f"cat {directory}/crontab.txt"
    for name, body in tools.items():
        (directory / name).write_text(f"#!/bin/sh\n{body}\n")
        (directory / name).chmod(0o755)
    return {"PATH": f"{directory}:/usr/bin:/bin", "HOME": directory}


def _manager(directory: Path, name: str, lines: str) -> str:
    """Lo que contesta un systemd a las dos preguntas que se le hacen."""
    units = [line.split() for line in lines.splitlines() if line.startswith("estado-eventos")]
    listed = "".join(f"{unit} {installed} enabled\n" for unit, installed, _ in units)
    if not any(unit == "estado-eventos.timer" for unit, *_ in units):
        units.append(["estado-eventos.timer", "", "inactive"])
    shown = [f"Id={unit}\nActiveState={state}\nUnitFileState={installed}\n" for unit, installed, state in units]
    (directory / f"{name}.listed").write_text(listed)
    (directory / f"{name}.shown").write_text("\n".join(shown))
    return f"""case "$*" in
    *--{name}*list-unit-files*) exec cat {directory}/{name}.listed ;;
    *--{name}*show*) exec cat {directory}/{name}.shown ;;
esac
"""


BLOCK = "MAILTO=yo\n# estado-eventos: comentario\n* * * * * /usr/local/bin/estado-eventos run-once --quiet\n"


RUNNING = "estado-eventos.timer enabled active"
STOPPED = "estado-eventos.timer disabled inactive"


@pytest.mark.parametrize(
    ("managers", "crontab", "levels", "words"),
    [
        ({"system": RUNNING}, None, ["ok"], "está en marcha"),
        ({"system": "estado-eventos-aula2.timer enabled active"}, "", ["ok"], "estado-eventos-aula2.timer"),
        ({"user": RUNNING}, None, ["ok"], "está en marcha"),
        ({"system": "otro.timer enabled active"}, BLOCK, ["ok"], "crontab -l"),
        ({}, BLOCK, ["ok"], "Cron ejecuta"),
        ({}, None, ["ok"], "¿un contenedor?"),
        ({"system": STOPPED}, "", ["warning"], "sudo systemctl enable --now estado-eventos.timer"),
        ({"user": STOPPED}, "", ["warning"], "systemctl --user enable --now estado-eventos.timer"),
        ({"system": "estado-eventos.timer disabled active"}, "", ["warning"], "systemctl enable estado-eventos.timer"),
        ({"system": ""}, "# estado-eventos\n", ["warning"], "estado-eventos schedule install systemd"),
        ({}, "", ["warning"], "estado-eventos schedule install cron"),
        ({"system": RUNNING}, BLOCK, ["ok", "ok", "warning"], "estado-eventos schedule remove cron"),
    ],
)
def test_something_has_to_run_it_and_only_once(
    tmp_path: Path, managers: dict[str, str], crontab: str | None, levels: list[str], words: str
) -> None:
    """Que nada lo ejecute, que esté parado o que sea dos veces es un aviso con su mandato; el código no cambia."""
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, **machine(tmp_path, crontab=crontab, **managers))

    found = diagnosis.about("schedule")
    assert diagnosis.code == 0
    assert [finding["level"] for finding in found] == levels
    assert words in f"{found[-1]['message']} → {found[-1]['cure']}"


def test_a_systemd_that_hangs_does_not_hold_the_diagnosis(tmp_path: Path) -> None:
    """Si `systemctl` no contesta, se deja de esperar y lo demás se dice igual."""
    env = machine(tmp_path, crontab=BLOCK)
    (tmp_path / "bin" / "systemctl").write_text("#!/bin/sh\nexec sleep 60\n")
    began = time.monotonic()
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, PASS_TIMEOUT=1, **env)

    assert diagnosis.code == 0
    assert len(diagnosis.about("list")) == 2
    assert time.monotonic() - began < 30


def report(**changes: object) -> str:
    """Un informe como el que deja una pasada."""
    content = {"outcome": "ok", "exit_code": 0, "started_at": "2026-01-01T10:00:00.123Z", "error": None}
    return json.dumps({**content, **changes})


@pytest.mark.parametrize(
    ("text", "age", "level", "words"),
    [
        (report(), 30, "ok", " s, bien"),
        (report(), 170, "ok", "2 min"),
        (report(), 200, "warning", "toca cada 60 s"),
        (report(outcome="noperm", exit_code=77, error="HTTP 403: no"), 5, "warning", "con 77 (noperm): HTTP 403: no"),
        ("{", 5, "warning", "no se entiende"),
        (None, 0, "warning", "aún no hay informe"),
    ],
)
def test_how_the_last_pass_ended(tmp_path: Path, text: str | None, age: float, level: str, words: str) -> None:
    """Del último informe se dice cuándo acabó la pasada y cómo; si es viejo, falló o no está, es un aviso."""
    path = tmp_path / "informe.json"
    if text is not None:
        path.write_text(text)
        os.utime(path, (time.time() - age,) * 2)
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, REPORT_FILE=path)

    assert diagnosis.code == 0
    assert diagnosis.one("report")["level"] == level
    assert words in diagnosis.one("report")["message"]


def test_a_report_this_account_cannot_reach_is_a_warning() -> None:
    """Un informe al que no se llega se dice, y la cura es otra cuenta."""
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, REPORT_FILE="/dev/null/informe.json")

    assert "no puede leer" in diagnosis.one("report")["message"]


def test_the_report_of_the_installed_unit_is_found(tmp_path: Path) -> None:
    """Aunque `REPORT_FILE` solo esté en la unidad, se lee el informe de donde ella lo deja."""
    env = machine(tmp_path, user="estado-eventos.timer enabled active")
    state = tmp_path / "bin" / ".local" / "state" / "estado-eventos"
    state.mkdir(parents=True)
    (state / "report.json").write_text(report())
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, **env)

    assert diagnosis.one("report")["message"].startswith("La última pasada acabó hace")


def test_files_that_cannot_be_written_are_a_warning(tmp_path: Path) -> None:
    """Los archivos que la pasada no podría escribir se dicen por su variable."""
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, METRICS_FILE=tmp_path / "no" / "m.prom")

    assert diagnosis.code == 0
    (finding,) = [one for one in diagnosis.about("settings") if one["level"] == "warning"]
    assert "METRICS_FILE" in finding["message"]


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (answer(200, "[]"), 0),
        (answer(200, '[{"id": "../x"}]'), 0),
        (answer(401), 77),
        (answer(403), 77),
        (answer(404), 76),
        (answer(400), 76),
        (answer(302, Location="/entrar/?next=/api"), 76),
        (answer(404, Location="http://a:mal/"), 76),
        (answer(200, "<html>"), 76),
        (answer(200, "{}"), 76),
        (answer(200, "[]", Content_Encoding="gzip"), 76),
        (answer(500), 69),
        (answer(429, Retry_After="1"), 69),
        (Fault.CUT, 69),
        (Fault.RESET, 69),
    ],
)
def test_the_code_is_the_one_of_a_pass(reply: Any, code: int) -> None:
    """Conteste lo que conteste el backend, el código es el que daría una pasada por listas sin nada que hacer."""
    with FaultyServer(lambda _: reply) as server:
        diagnosis = diagnose(BACKEND_URL=server.url)
        rehearsal = run("run-once", "--dry-run", env={"BACKEND_URL": server.url})

    assert diagnosis.code == code
    assert rehearsal.code in {code, 1 if code == 0 else code}


def test_an_incomplete_list_has_the_code_of_its_problem() -> None:
    """Si falla una página que no es la primera, la lista está incompleta y se dice con su código."""

    def rule(request: Request) -> Any:
        return answer(503) if "page" in request.path else answer(200, '{"results": [], "next": "?page=2"}')

    with FaultyServer(rule) as server:
        diagnosis = diagnose(BACKEND_URL=server.url)

    assert (diagnosis.code, diagnosis.errors) == (69, ["list"])


def test_lists_that_fail_differently_are_two_findings() -> None:
    """Si cada lista falla por lo suyo, cada una tiene su hallazgo; si es por lo mismo, comparten uno."""

    def rule(request: Request) -> Any:
        return answer(500 if request.path == START.list_path else 502)

    with FaultyServer(rule) as server:
        different = diagnose(BACKEND_URL=server.url)
    with FaultyServer(lambda _: answer(500)) as server:
        same = diagnose(BACKEND_URL=server.url)

    assert [START.noun in one["message"] for one in different.about("list")] == [True, False]
    assert f"Listas de {START.noun} y {FINISH.noun}: HTTP 500" in same.one("list")["message"]


def test_no_secret_is_ever_shown(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Ni el token, ni la cuenta, ni las URL con contraseña salen en ninguna parte, tampoco si el backend los repite."""
    token, password = backend.token(), "la-contraseña-secreta"
    (tmp_path / ".env").write_text(f"export BACKEND_PASSWORD={password}\nHEARTBEAT_URL=http://hc.example/id-secreto\n")

    def indiscreet(request: Request) -> Any:
        said = f"{request.headers.get('authorization')} {request.body.decode()} \x1b[31m"
        return answer(403, json.dumps({"error": said}))

    with FaultyServer(indiscreet) as server:
        env = {
            "BACKEND_URL": server.url,
            "BACKEND_JWT_TOKEN": token,
            "BACKEND_EMAIL": "persona-secreta@example.com",
            "TOKEN_CACHE_FILE": tmp_path / "token",
        }
        outputs = [
            run("check", *arguments, env=env, cwd=tmp_path)
            for arguments in ((), ("--json",), ("--log-level", "DEBUG"), ("--log-format", "json"))
        ]

    assert {completed.code for completed in outputs} == {77}
    for completed in outputs:
        said = completed.stdout + completed.stderr
        for secret in (token, password, "persona-secreta", "id-secreto", "\x1b"):
            assert secret not in said


def test_the_text_is_one_line_per_finding(backend: ReferenceBackend, tmp_path: Path) -> None:
    """En una tubería, cada hallazgo es una línea con su signo, su cura detrás y, al final, el resumen."""
    (tmp_path / ".env").write_text(f"BACKEND_URL={backend.url}\nBACKEND_JWT_TOKEN={backend.token(-60)}\n")

    completed = run("check", cwd=tmp_path, env=machine(tmp_path))
    *lines, verdict = completed.stdout.splitlines()

    assert all(line[:2] in {"✓ ", "! ", "✗ "} for line in lines)
    assert all((" → " in line) == (line[0] != "✓") for line in lines)
    assert "\x1b" not in completed.stdout
    assert verdict == "1 error(es) y 2 aviso(s): una pasada acabaría ahora con 77 (NOPERM)."


def test_a_settings_pipe_is_not_read_twice(tmp_path: Path) -> None:
    """Si la configuración llega por una tubería, el diagnóstico no se queda esperando a que vuelva a llegar."""
    pipe = tmp_path / "tubería.env"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(pipe.write_text, "HTTP_TIMEOUT=mucho\n")
        diagnosis = diagnose("--env-file", str(pipe))
        written.result()

    assert diagnosis.code == 78


def test_the_verdict_without_errors(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Sin errores, la última línea cuenta los avisos o dice que todo está en orden."""
    env = with_account(backend)
    fine = run("check", env={**env, **machine(tmp_path, system=RUNNING)})
    warned = run("check", env={**env, "REPORT_FILE": tmp_path / "no-está", **machine(tmp_path, system=STOPPED)})

    assert (fine.code, fine.stdout.splitlines()[-1]) == (0, "Todo en orden.")
    assert (warned.code, warned.stdout.splitlines()[-1]) == (0, "Sin errores, 2 aviso(s).")


@pytest.mark.parametrize("variables", [{"TERM": "xterm"}, {"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_shows_the_cure_under_the_problem(variables: dict[str, str]) -> None:
    """En un terminal, el problema va en color y la cura debajo; `NO_COLOR` y un terminal sin él se respetan."""
    with nobody() as url:
        code, shown = in_terminal("check", BACKEND_URL=url, COLUMNS=200, **variables)
    lines = [line.rstrip() for line in shown.splitlines()]
    (found,) = [index for index, line in enumerate(lines) if "conexión rehusada" in line]

    assert code == 69
    assert "→ Compruebe que el backend está en marcha" in lines[found + 1]
    assert ("\x1b[31m" in shown) == (variables == {"TERM": "xterm"})


def test_nobody_reading_is_not_an_error(backend: ReferenceBackend) -> None:
    """Si nadie lee lo que escribe, el código sigue siendo el suyo."""
    finished = subprocess.run(
        ["/bin/sh", "-c", f"{' '.join(PROGRAM)} check >/dev/full"],
        env=environment(BACKEND_URL=backend.url),
        check=False,
        capture_output=True,
        text=True,
    )

    assert Completed(finished.returncode, finished.stdout, finished.stderr) == Completed(77, "", "")
