"""Las respuestas HTTP sin demonio: un proceso por conexión, con el socket por entrada y salida."""

import contextlib
import http.client
import io
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from estado_eventos import __version__
from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.report import Outcome, Report, Result, TransitionReport
from estado_eventos.domain.transitions import START, Event
from estado_eventos.monitoring.endpoint import MAX_METRICS_BYTES, MAX_REQUEST_BYTES, EndpointConfig, respond
from estado_eventos.output.streams import json_line
from tests.support.faults import FaultyServer, answer
from tests.support.program import PROGRAM, environment, run

HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
INFO = {
    "service": "Estado de Eventos",
    "version": __version__,
    "status": "running",
    "scheduler_interval_seconds": 60,
}


@dataclass(frozen=True, slots=True)
class Reply:
    """Una respuesta HTTP, leída con rigor."""

    status: int
    headers: Message
    body: bytes

    @classmethod
    def read(cls, data: bytes, *, with_body: bool = True) -> Self:
        """Lee la respuesta; falla si no es HTTP, si no dice cuánto ocupa o si lo que dice no es verdad."""
        head, separator, body = data.partition(b"\r\n\r\n")
        assert separator, data
        status_line, _, lines = head.partition(b"\r\n")
        match = re.fullmatch(rb"HTTP/1\.1 ([1-5]\d\d) [ -~]+", status_line)
        assert match, status_line
        headers = http.client.parse_headers(io.BytesIO(lines + b"\r\n\r\n"))
        assert int(headers["Content-Length"]) == len(body) if with_body else body == b""
        assert headers["Connection"] == "close"
        return cls(int(match[1]), headers, body)

    @property
    def json(self) -> Any:
        """El cuerpo, que es JSON."""
        assert self.headers["Content-Type"] == "application/json"
        return json.loads(self.body)


def ask(request: bytes, site: EndpointConfig | None = None) -> Reply:
    """Lo que se contesta a unos bytes, en este proceso."""
    return Reply.read(respond([request], site or EndpointConfig()), with_body=not request.startswith(b"HEAD"))


def get(path: str, site: EndpointConfig) -> Reply:
    """Lo que se contesta a un GET, en este proceso."""
    return ask(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), site)


def a_report(ago: float = 30, **changes: Any) -> str:
    """El informe, tal como se guarda, de una pasada que empezó hace `ago` segundos y duró diez."""
    started_at = datetime.now(UTC) - timedelta(seconds=ago)
    return json_line(
        replace(Report("id", "run-once", "http://x", started_at, duration_seconds=10), **changes).to_dict()
    )


@pytest.fixture
def report_file(tmp_path: Path) -> Path:
    """Dónde se busca el informe; aún no existe."""
    return tmp_path / "report.json"


@pytest.fixture
def metrics_file(tmp_path: Path) -> Path:
    """Dónde se buscan las métricas; aún no existe."""
    return tmp_path / "metrics.prom"


@pytest.fixture
def site(report_file: Path, metrics_file: Path) -> EndpointConfig:
    """Un sitio con esos archivos."""
    return EndpointConfig(60, report_file, metrics_file)


@dataclass
class Inetd:
    """Lo que hace systemd con `Accept=yes`: por cada conexión, un proceso con ella por entrada y salida."""

    env: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Escucha ya; el buffer de salida es pequeño, para que ninguna respuesta grande quepa de golpe."""
        self.processes: list[subprocess.Popen[bytes]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.address = self._listener.getsockname()
        self.url = f"http://127.0.0.1:{self.address[1]}"
        # La última conexión, la que lo para; las que llegaron antes se atienden.
        self._last = socket.socket()
        self._last.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        """Empieza a aceptar."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Deja de aceptar y espera a los procesos."""
        with self._last, self._listener:
            self._last.connect(self.address)
            self._thread.join()
        self.endings = [(process.wait(30), process.communicate()[1].decode()) for process in self.processes]

    def _accept(self) -> None:
        while True:
            connection, peer = self._listener.accept()
            with connection:
                if peer == self._last.getsockname():
                    return
                # Quien acepta sin bloquearse pasa así el socket.
                connection.settimeout(0)
                self.processes.append(
                    subprocess.Popen(
                        [*PROGRAM, "http"],
                        env=environment(**self.env),
                        cwd="/",
                        stdin=connection.fileno(),
                        stdout=connection.fileno(),
                        stderr=subprocess.PIPE,
                    )
                )

    def connect(self) -> socket.socket:
        """Una conexión nueva, con paciencia de sobra."""
        return socket.create_connection(self.address, timeout=30)

    def exchange(self, data: bytes) -> bytes:
        """Manda unos bytes sin colgar y devuelve todo lo que contesta hasta que cuelga él."""
        with self.connect() as connection:
            connection.sendall(data)
            return b"".join(received(connection))


def received(connection: socket.socket) -> Iterator[bytes]:
    """Lo que llega hasta que el otro cuelga."""
    while chunk := connection.recv(65536):
        yield chunk


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET / HTTP/1.1", 200),
        ("GET / HTTP/1.0", 200),
        ("HEAD / HTTP/1.1", 200),
        ("GET /?a=b&c HTTP/1.1", 200),
        ("GET http://x HTTP/1.1", 200),
        ("GET http://x/health?y HTTP/1.1", 503),
        ("GET /%68ealth HTTP/1.1", 503),
        ("GET /health/ HTTP/1.1", 503),
        ("HEAD /health HTTP/1.1", 503),
        ("GET /metrics HTTP/1.1", 404),
        ("GET /nada HTTP/1.1", 404),
        ("GET //health HTTP/1.1", 404),
        ("GET /health%00 HTTP/1.1", 404),
        ("GET /%ff%2e%2e/health HTTP/1.1", 404),
        ("GET /../etc/passwd HTTP/1.1", 404),
        ("GET HTTP://[::1]:8001/health HTTP/1.1", 503),
        ("GET http://x//health HTTP/1.1", 404),
        ("GET ftp://x/health HTTP/1.1", 404),
        ("GET * HTTP/1.1", 404),
        ("POST / HTTP/1.1", 405),
        ("DELETE /health HTTP/1.1", 405),
        ("OPTIONS * HTTP/1.1", 405),
        ("CONNECT x:443 HTTP/1.1", 405),
        ("get / HTTP/1.1", 405),
        ("PRI * HTTP/2.0", 505),
        ("GET /", 400),
        ("GET / HTTP/1.1 x", 400),
        ("GET  / HTTP/1.1", 400),
        ("GET /á HTTP/1.1", 400),
        (" GET / HTTP/1.1", 400),
        ("GET / HTTP/1.1\r\nHost: y", 400),
        ("GET / HTTP/1.1\r\nsin dos puntos", 400),
        ("GET / HTTP/1.1\r\nContent-Length: -1", 400),
        ("GET / HTTP/1.1\r\nContent-Length: 5", 200),
        ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked", 200),
        ("GET / HTTP/1.1\r\nTransfer-Encoding: gzip", 501),
        ("GET / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5", 200),
        ("GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket", 200),
        ("", 400),
    ],
)
def test_every_request_gets_its_status(request_line: str, status: int) -> None:
    """Cada petición, buena o mala, recibe su código; si es un error, con su motivo en JSON."""
    reply = ask(f"{request_line}\r\nHost: x\r\n\r\n".encode())

    assert reply.status == status
    if status >= 400 and not request_line.startswith("HEAD"):
        assert reply.json["status"] == "error"
        assert reply.json["detail"]


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01", b"\x80", b"A\xff", b"SSH-2.0-x\r\n", b"PING\r\n", b"a b c d", b"GET / HTTP/x\n", b" "]
)
def test_garbage_is_answered_at_once(garbage: bytes) -> None:
    """A lo que ya no puede ser una petición se le contesta 400 sin esperar a que acabe."""
    chunks = iter([garbage, b"no se llega a pedir"])

    assert Reply.read(respond(chunks, EndpointConfig())).status == 400
    assert next(chunks) == b"no se llega a pedir"


@pytest.mark.parametrize("data", [b"GET / HTTP/1.0\n\n", b"GET / HTTP/1.1\r\nHost: x\r\nX: \xe1\x01\r\n\r\n"])
def test_a_request_can_come_in_drops(data: bytes) -> None:
    """Una petición que llega de byte en byte se contesta igual."""
    assert Reply.read(respond((bytes([byte]) for byte in data), EndpointConfig())).status == 200


def test_http_1_1_needs_a_host() -> None:
    """HTTP/1.1 sin Host es 400; en HTTP/1.0 no hace falta."""
    assert ask(b"GET / HTTP/1.1\r\n\r\n").status == 400
    assert ask(b"GET / HTTP/1.0\n\n").status == 200


@pytest.mark.parametrize("path", ["/", "/health", "/metrics", "/nada"])
def test_head_is_get_without_the_body(path: str, site: EndpointConfig, report_file: Path, metrics_file: Path) -> None:
    """HEAD contesta con las mismas cabeceras que GET, y sin cuerpo."""
    metrics_file.write_text("a 1\n")
    report_file.write_text(a_report())

    got = get(path, site)
    head = ask(f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), site)

    assert head.status == got.status
    del head.headers["Date"], got.headers["Date"]
    assert head.headers.items() == got.headers.items()
    assert head.body == b""
    assert got.body != b""


def test_headers_are_prudent() -> None:
    """Nada se guarda en cachés ni se adivina su tipo, y el servidor dice su nombre y nada más."""
    headers = ask(b"POST / HTTP/1.0\r\n\r\n").headers

    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Server"] == "estado-eventos"
    assert headers["Allow"] == "GET, HEAD"
    assert abs(parsedate_to_datetime(headers["Date"]) - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_request_has_a_limit() -> None:
    """Una petición puede ocupar 16 KiB y ni uno más, llegue de golpe o a trozos."""
    frame = b"GET / HTTP/1.1\r\nHost: x\r\nX: %b\r\n\r\n"
    fits = frame % (b"a" * (MAX_REQUEST_BYTES - len(frame % b"")))
    exceeds = frame % (b"a" * (MAX_REQUEST_BYTES - len(frame % b"") + 1))

    assert ask(fits).status == 200
    assert ask(exceeds).status == 431
    assert ask(b"GET /" + b"a" * MAX_REQUEST_BYTES).status == 431
    assert (
        Reply.read(respond((exceeds[i : i + 100] for i in range(0, len(exceeds), 100)), EndpointConfig())).status == 431
    )


def test_only_what_is_needed_is_read() -> None:
    """Con la cabecera entera ya se contesta: el cuerpo y lo que venga detrás no se piden."""
    chunks = iter([HEALTH[:9], HEALTH[9:] + HEALTH, b"no se llega a pedir"])

    assert Reply.read(respond(chunks, EndpointConfig())).status == 503
    assert next(chunks) == b"no se llega a pedir"
    assert respond([], EndpointConfig()) == b""


@pytest.mark.parametrize("ago", [30, 180, -60])
def test_health_is_good(ago: float, site: EndpointConfig, report_file: Path) -> None:
    """Si la última pasada fue bien y acabó hace menos de tres intervalos, 200 y lo mismo que el servicio antiguo."""
    report_file.write_text(a_report(ago))

    reply = get("/health", site)

    assert (reply.status, reply.json) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"ago": 200}, r"la última pasada acabó hace 3 min \d+ s; tiene que haber una cada 1 min"),
        ({"ago": 9000, "problem_code": ExitCode.FAILED}, "la última pasada acabó hace 2 h 29 min; .*"),
        ({"ago": -7200}, "la última pasada acabó en el futuro, dentro de .*"),
        (
            {"problem": "no contesta", "problem_code": ExitCode.UNAVAILABLE},
            r"la última pasada falló \(unavailable, 69\): no contesta",
        ),
        (
            {"problem": "corte", "problem_code": ExitCode.TEMPFAIL},
            r"la última pasada falló \(tempfail, 75\): corte",
        ),
        ({"problem": "\x1b[2J\0\n á\ud800", "problem_code": ExitCode.NOPERM}, r".* \(noperm, 77\): \[2J á"),
        ({"problem": "x" * 9000, "problem_code": ExitCode.CONFIG}, ".*xxx…"),
    ],
)
def test_health_says_what_is_wrong(
    changes: dict[str, Any], detail: str, site: EndpointConfig, report_file: Path
) -> None:
    """Si la última pasada falló o es vieja, 503 y por qué, en una línea."""
    report_file.write_text(a_report(**changes), errors="surrogatepass")

    reply = get("/health", site)

    assert reply.status == 503
    assert reply.json.keys() == {"status", "detail"}
    assert reply.json["status"] == "error"
    assert re.fullmatch(detail, reply.json["detail"])
    assert reply.json["detail"].isprintable()
    assert len(reply.body) < 1000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"{}",
        b"[" * 60000,
        b"\xff\xfe\0",
        a_report()[:100].encode(),
        a_report().replace('Z"', '"', 1).encode(),
        a_report().replace(": 10,", ": 1e999,", 1).encode(),
        a_report().replace(": 10,", ": NaN,", 1).encode(),
        a_report().replace(": 10,", f": {chr(57) * 5000},", 1).encode(),
    ],
)
def test_what_is_no_report_is_bad_health(
    content: bytes, site: EndpointConfig, report_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Un archivo que no es un informe es un 503, y una sola línea en el registro."""
    report_file.write_bytes(content)

    reply = get("/health", site)

    assert reply.status == 503
    assert "no se puede leer" in reply.json["detail"]
    assert [record.getMessage() for record in caplog.records] == ["REPORT_FILE: no se puede leer: no es un informe"]


def test_health_before_the_first_pass(site: EndpointConfig) -> None:
    """Sin informe no se sabe si va bien: 503, y se dice si falta la variable o la pasada."""
    assert "todavía no hay ningún informe" in get("/health", site).json["detail"]
    assert "falta REPORT_FILE" in get("/health", EndpointConfig()).json["detail"]


def test_three_of_the_configured_intervals(site: EndpointConfig, report_file: Path) -> None:
    """Lo viejo se mide con el intervalo configurado."""
    report_file.write_text(a_report(ago=1000))

    assert get("/health", site).status == 503
    assert get("/health", replace(site, interval_seconds=400)).status == 200


def test_a_huge_report_is_not_read_whole(site: EndpointConfig, report_file: Path) -> None:
    """De un informe con cientos de miles de eventos se lee lo que va delante, y basta."""
    outcomes = tuple(Outcome(Event(number), Result.DONE) for number in range(300_000))
    report_file.write_text(a_report(transitions=(TransitionReport(START, outcomes),)))
    assert report_file.stat().st_size > 32 << 20

    assert get("/health", site).status == 200


def make_fifo(path: Path) -> None:
    """Un FIFO en el que nadie escribe."""
    os.mkfifo(path)


def make_link_to_a_fifo(path: Path) -> None:
    """Un enlace a un FIFO."""
    fifo = path.with_name(f"{path.name}.fifo")
    os.mkfifo(fifo)
    path.symlink_to(fifo)


@pytest.mark.parametrize(
    "make",
    [
        make_fifo,
        make_link_to_a_fifo,
        Path.mkdir,
        lambda path: path.symlink_to(path),
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to("/dev/tty"),
    ],
    ids=["fifo", "enlace a fifo", "directorio", "enlace a sí mismo", "dispositivo", "terminal"],
)
def test_what_is_no_file_does_not_hang(
    make: Callable[[Path], object],
    site: EndpointConfig,
    caplog: pytest.LogCaptureFixture,
    report_file: Path,
    metrics_file: Path,
) -> None:
    """Lo que no es un archivo normal no deja a nadie esperando: es un error que dice el registro."""
    make(report_file)
    make(metrics_file)

    assert get("/health", site).status == 503
    assert get("/metrics", site).status == 500
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["REPORT_FILE", "METRICS_FILE"]


def test_a_link_to_a_file_is_followed(site: EndpointConfig, tmp_path: Path, report_file: Path) -> None:
    """Un enlace a un informe vale como el informe."""
    report_file.symlink_to(tmp_path / "otro.json")
    report_file.write_text(a_report())

    assert get("/health", site).status == 200


def test_metrics_are_served_as_they_are(site: EndpointConfig, metrics_file: Path) -> None:
    """`/metrics` es el archivo tal cual, con el tipo de Prometheus; sin archivo es 404 y si no cabe, 500."""
    assert get("/metrics", site).status == 404
    assert get("/metrics", EndpointConfig()).status == 404

    metrics_file.write_bytes(b"a 1\nb\xff 2\n")
    reply = get("/metrics", site)
    assert (reply.status, reply.body) == (200, b"a 1\nb\xff 2\n")
    assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"

    metrics_file.write_bytes(b"#" * MAX_METRICS_BYTES)
    assert get("/metrics", site).status == 200
    metrics_file.write_bytes(b"#" * (MAX_METRICS_BYTES + 1))
    assert get("/metrics", site).status == 500


METHODS = st.sampled_from([b"GET", b"HEAD", b"POST", b"CONNECT", b"OPTIONS", b"get", b"", b"\x16\x03"])
TARGETS = st.one_of(
    st.sampled_from([b"/", b"/health", b"/metrics", b"*", b"http://x/health", b"//", b"http://[", b"/%", b"?"]),
    st.binary(max_size=40),
)
VERSIONS = st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/11", b""])
HEADERS = st.lists(
    st.one_of(
        st.sampled_from(
            [
                b"Host: x",
                b"Host: x",
                b"Content-Length: 3",
                b"Content-Length: 99999999999999999999999",
                b"Transfer-Encoding: chunked",
                b"Transfer-Encoding: x",
                b"Expect: 100-continue",
                b"Connection: keep-alive, close, upgrade",
                b" fold",
                b"Upgrade: h2c",
            ]
        ),
        st.binary(max_size=30),
        st.integers(0, 20000).map(lambda size: b"X: " + b"a" * size),
    ),
    max_size=6,
)
ENDS = st.sampled_from([b"\r\n", b"\n", b"\r", b""])


@st.composite
def almost_requests(draw: st.DrawFn) -> bytes:
    """Algo que se parece a una petición, con cualquier parte estropeada."""
    end = draw(ENDS)
    line = b" ".join([draw(METHODS), draw(TARGETS), draw(VERSIONS)])
    return end.join([line, *draw(HEADERS), b"", b""]) + draw(st.binary(max_size=50))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.one_of(almost_requests(), st.binary(max_size=200)), size=st.integers(1, 20000))
def test_whatever_comes_the_answer_is_http(data: bytes, size: int, site: EndpointConfig) -> None:
    """A cualesquiera bytes, partidos de cualquier manera, se contesta una respuesta HTTP o nada, y corta."""
    chunks = [data[start : start + size] for start in range(0, len(data), size)]

    reply = respond(chunks, site)

    if data:
        # Un HEAD que no se entiende no es un HEAD: lleva cuerpo.
        read = Reply.read(reply, with_body=not data.startswith(b"HEAD ") or b'"error"' in reply)
        assert read.status in {200, 400, 404, 405, 431, 501, 503, 505}
    else:
        assert reply == b""
    assert len(reply) < 2000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.datetimes().map(str),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
KEYS = ("started_at", "duration_seconds", "outcome", "exit_code", "error", "transitions")


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.one_of(st.dictionaries(st.sampled_from(KEYS), JSON), JSON),
    cut=st.integers(0, 400),
    noise=st.binary(max_size=10),
)
def test_whatever_the_report_says_health_answers(
    changes: Any, cut: int, noise: bytes, site: EndpointConfig, report_file: Path
) -> None:
    """Un informe de otra forma, cortado o estropeado no rompe nada: `/health` es 200 o 503."""
    report = json.loads(a_report())
    text = json.dumps(report | changes if isinstance(changes, dict) else changes)
    report_file.write_bytes(text[:cut].encode() + noise + text[cut:].encode())

    reply = get("/health", site)

    assert reply.status in {200, 503}
    assert len(reply.body) < 3000


def test_the_old_service_answers(backend_secrets: dict[str, str], report_file: Path, metrics_file: Path) -> None:
    """Por un socket de verdad contesta como el servicio antiguo, sin secretos, sin registro y con 0."""
    metrics_file.write_bytes(b"# x\n" * (MAX_METRICS_BYTES // 4))
    report_file.write_text(a_report())
    env = {"REPORT_FILE": report_file, "METRICS_FILE": metrics_file, **backend_secrets}

    with Inetd(env) as server:
        with httpx.Client(base_url=server.url, trust_env=False) as client:
            info, health, metrics = client.get("/"), client.get("/health"), client.get("/metrics")
            head, nothing = client.head("/health"), client.post("/nada", json={})
        plain = http.client.HTTPConnection(*server.address)
        plain.request("GET", "/health")
        assert plain.getresponse().read() == b'{"status": "ok"}'
        plain.close()

    assert info.json() == INFO
    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    assert metrics.content == metrics_file.read_bytes()
    assert (head.status_code, head.content) == (200, b"")
    assert nothing.status_code == 405
    said = "".join(f"{answer.headers}{answer.text}" for answer in (info, health, head, nothing))
    assert [secret for secret in backend_secrets.values() if secret in said] == []
    assert server.endings == [(0, "")] * 6


@pytest.fixture
def backend_secrets() -> dict[str, str]:
    """Una configuración cuyos valores no tienen que salir por HTTP."""
    return {
        "BACKEND_URL": "http://backend-interno.invalid",
        "BACKEND_EMAIL": "correo-secreto@x.invalid",
        "BACKEND_PASSWORD": "clave-secreta",
        "HEARTBEAT_URL": "http://latido-secreto.invalid/",
    }


@pytest.mark.skipif(not shutil.which("curl"), reason="no hay curl")
def test_curl_understands_it() -> None:
    """`curl` recibe la respuesta entera, también a un HEAD y a un POST cuyo cuerpo nadie lee."""
    with Inetd() as server:

        def curl(*arguments: str) -> str:
            command = ["curl", "--silent", "--show-error", "--noproxy", "*", "--write-out", "\n%{http_code}"]
            return subprocess.check_output([*command, *arguments], text=True, env=environment())

        assert curl(server.url).endswith("}\n200")
        assert "Content-Length: " in curl("--head", f"{server.url}/health")
        assert curl("--data", "x" * 100_000, f"{server.url}/health").endswith("}\n405")

    assert server.endings == [(0, "")] * 3


def test_the_client_gets_the_whole_answer() -> None:
    """Quien manda mucho más de lo que se lee recibe la respuesta entera: nada la borra de camino."""
    big = 600_000
    with Inetd() as server:
        posted = server.exchange(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % big + b"x" * big)
        piped = server.exchange(HEALTH * 1000)
        garbage = server.exchange(b"\x16\x03\x01" + bytes(big))
        endless = server.exchange(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * (big // 6))

    statuses = [Reply.read(data).status for data in (posted, piped, garbage, endless)]
    assert statuses == [405, 503, 400, 431]
    assert server.endings == [(0, "")] * 4


def test_nobody_keeps_it_reading() -> None:
    """A quien no para de mandar se le corta."""
    with Inetd() as server, pytest.raises(ConnectionError):
        server.exchange(HEALTH + bytes(64 << 20))

    assert server.endings == [(0, "")]


def test_rude_clients_leave_no_trace() -> None:
    """Quien cuelga sin decir nada, a medias o de mala manera no deja ni un error ni una línea en el registro."""
    with Inetd() as server:
        server.connect().close()
        with server.connect() as half:
            half.sendall(b"GET / HT")
            half.shutdown(socket.SHUT_WR)
            assert Reply.read(b"".join(received(half))).status == 400
        for data in (b"", HEALTH, HEALTH[:9]):
            with server.connect() as rude:
                rude.sendall(data)
                rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    assert server.endings == [(0, "")] * 5


def test_nobody_holds_a_process(metrics_file: Path) -> None:
    """Quien calla, gotea, no lee la respuesta o no cuelga se queda sin proceso a los cinco segundos."""
    metrics_file.write_bytes(b"#" * MAX_METRICS_BYTES)

    with Inetd({"METRICS_FILE": metrics_file}) as server, contextlib.ExitStack() as stack:
        silent, dripping, deaf, clinging = (stack.enter_context(server.connect()) for _ in range(4))
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        clinging.sendall(HEALTH)
        assert Reply.read(b"".join(received(clinging))).status == 503
        drop = threading.Event()
        with contextlib.suppress(OSError):
            dripping.sendall(b"GET / HTTP/1.1\r\n")
            while not drop.wait(0.1):
                dripping.sendall(b"X: y\r\n")
        codes = [process.wait(30) for process in server.processes]
        assert silent.recv(1) == b""

    assert codes == [0] * 4
    assert server.endings == [(0, "")] * 4


def test_pipes_are_good_too() -> None:
    """Con tuberías en vez de un socket contesta lo mismo."""
    done = subprocess.run(
        [*PROGRAM, "http"], input=HEALTH, env=environment(), cwd="/", capture_output=True, check=True, timeout=60
    )

    assert Reply.read(done.stdout).status == 503
    assert done.stderr == b""


def test_a_broken_report_is_one_warning(report_file: Path) -> None:
    """Un informe que no se puede leer es un 503 y una línea en el registro."""
    report_file.write_text("{")

    with Inetd({"REPORT_FILE": report_file}) as server:
        assert Reply.read(server.exchange(HEALTH)).status == 503

    ((code, said),) = server.endings
    assert code == 0
    assert re.fullmatch(r"\S+ \S+ - WARNING - REPORT_FILE: no se puede leer: no es un informe\n", said)


def test_a_wrong_setting_is_answered_too() -> None:
    """Con la configuración mal se contesta 503 sin decir cuál; el registro sí lo dice, y acaba con 78."""
    with Inetd({"HTTP_TIMEOUT": "mucho"}) as server:
        reply = Reply.read(server.exchange(HEALTH))

    assert reply.status == 503
    assert reply.json["detail"] == "la configuración no vale; el registro dice por qué"
    ((code, said),) = server.endings
    assert code == 78
    assert "HTTP_TIMEOUT" in said


def test_health_tells_a_dead_backend(report_file: Path) -> None:
    """Con el backend parado `/health` pasa a 503 y dice por qué; cuando vuelve, a 200."""
    with Inetd({"REPORT_FILE": report_file}) as server:
        with FaultyServer(lambda _: answer(200, "[]")) as backend:
            env = {"BACKEND_URL": backend.url, "PASS_TIMEOUT": 4, "REPORT_FILE": report_file}
            run("run-once", env=env)
            alive = Reply.read(server.exchange(HEALTH))
        run("run-once", env=env)
        dead = Reply.read(server.exchange(HEALTH))

    assert (alive.status, alive.json) == (200, {"status": "ok"})
    assert dead.status == 503
    assert "la última pasada falló (unavailable, 69): " in dead.json["detail"]


def test_it_imports_nothing_heavy() -> None:
    """El módulo, que se importa en cada petición, no carga ni httpx, ni pydantic, ni typer, ni asyncio."""
    code = "import sys, estado_eventos.httpd; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment())

    assert not {"httpx", "pydantic", "pydantic_settings", "typer", "rich", "asyncio", "ssl"} & set(done.stdout.split())
