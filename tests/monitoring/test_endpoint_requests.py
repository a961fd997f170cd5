"""Las peticiones HTTP: cada una, buena o mala, recibe su código, y ninguna hace leer de más."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from estado_eventos.monitoring.endpoint import MAX_REQUEST_BYTES
from estado_eventos.monitoring.handover import EndpointConfig
from tests.support.endpoint import HEALTH, Reply, a_report, ask, get, respond


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
