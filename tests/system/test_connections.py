"""Conexiones que no llegan, no valen o llevan de más: TLS, agujeros negros y servidores que no hablan HTTP."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.support.faults import FaultyServer
from tests.support.inside import endure, run_inside
from tests.support.passes import moved_once
from tests.support.reactions import Drip, Fault, Raw, Reaction, Request, Spoiled, answer
from tests.support.reference.server import ReferenceBackend
from tests.support.tls import certified


def test_a_content_length_too_short_costs_no_event(backend: ReferenceBackend) -> None:
    """Si `Content-Length` se queda corto, lo que sobra de una respuesta no se toma por otra: 0, cada uno una vez."""
    ids = backend.add_events(due_start=6)

    def short(request: Request) -> Reaction:
        whole = b'{"success": true}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]'
        reply = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" + whole
        return Spoiled(lambda _: reply, Fault.STALL) if request.method == "POST" and request.nth == 1 else None

    with FaultyServer(short, backend.url) as server:
        completed = endure(server, BACKEND_JWT_TOKEN=backend.token(), MAX_CONCURRENCY=1)

    assert completed.code == 0
    assert completed.report["transitions"]["start"]["already_done"] == 6
    assert moved_once(backend, ids)


@pytest.mark.slow
def test_two_answers_for_one_request_are_not_two(backend: ReferenceBackend) -> None:
    """Si un intermediario contesta dos veces, la segunda no vale como respuesta al evento siguiente."""
    backend.add_events(due_start=1, broken_start=1)
    yes = answer(200, '{"success": true}', Connection="keep-alive").data

    def twice(request: Request) -> Reaction:
        first = request.method == "POST" and server.count("POST") == 1
        return Spoiled(lambda data: data + yes, Fault.STALL) if first else None

    with FaultyServer(twice, backend.url) as server:
        completed = endure(server, BACKEND_JWT_TOKEN=backend.token(), MAX_CONCURRENCY=1)

    assert completed.code == 1
    assert [event["result"] for event in completed.report["transitions"]["start"]["events"]] == ["done", "failed"]


def test_connections_reset_before_anything_is_read(backend: ReferenceBackend) -> None:
    """Que la primera conexión de cada transición se corte sin leer nada no se nota: 0 y todo movido."""
    ids = backend.add_events(due_start=3, due_finish=3)

    with FaultyServer(upstream=backend.url, greeting=lambda nth: Fault.RESET if nth <= 2 else None) as server:
        completed = endure(server, "run-once", BACKEND_JWT_TOKEN=backend.token())

    assert completed.code == 0
    assert moved_once(backend, ids)
    assert server.count("POST") == 6


def test_a_server_that_closes_without_notice_loses_no_event(backend: ReferenceBackend) -> None:
    """Aunque el servidor cierre tras cada respuesta sin avisar, ningún evento se queda sin hacer, ni el primero."""
    ids = backend.add_events(due_start=40)

    with FaultyServer(lambda _: Spoiled(), backend.url) as server:
        completed = endure(server, BACKEND_JWT_TOKEN=backend.token(), MAX_CONCURRENCY=1)

    assert completed.code == 0
    assert moved_once(backend, ids)
    assert server.count("POST") == 40


def _listener(stack: ExitStack) -> str:
    """Un puerto cuya cola de espera está llena: el núcleo no contesta a quien intenta conectar."""
    listener = stack.enter_context(socket.socket())
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    for _ in range(2):
        waiting = stack.enter_context(socket.socket())
        waiting.settimeout(0)
        waiting.connect_ex(listener.getsockname())
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_black_hole_does_not_outlast_the_deadline() -> None:
    """Si nadie contesta ni al conectar, la pasada acaba a su hora: 69 y se dice que no llegó."""
    with ExitStack() as stack:
        url = _listener(stack)
        completed = run_inside("run-once", "--json", BACKEND_URL=url, PASS_TIMEOUT=1)

    assert completed.code == 69
    assert completed.report["duration_seconds"] < 1.5
    assert "no llegó; se acabó el tiempo de la pasada (1 s)" in completed.report["error"]


def test_a_black_hole_is_given_up_and_tried_again() -> None:
    """Con un `HTTP_TIMEOUT` corto, cada intento de conectar se abandona y se repite dentro de la pasada: 69."""
    with ExitStack() as stack:
        url = _listener(stack)
        completed = run_inside("start", "--json", BACKEND_URL=url, HTTP_TIMEOUT=0.1, PASS_TIMEOUT=1.5)

    assert completed.code == 69
    assert completed.report["requests"] >= 2
    assert "no contestó en 0.1 s" in completed.report["error"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("greeting", "words"),
    [
        (Fault.RESET, "el servidor cortó la conexión"),
        (Fault.CUT, "el servidor cortó la conexión"),
        (Raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "lo que contesta no es HTTP"),
        (Raw(b"HTTP/1.1 200 OK\r\nX-Mitad: "), "el servidor cortó la conexión"),
        (Drip(b"HTTP/1.1 200 OK\r\n", b"X-Larga: " + b"x" * 50_000 + b"\r\n", 0), "lo que contesta no es HTTP"),
    ],
    ids=["RST", "cierra", "SSH", "a medias", "cabeceras sin fin"],
)
def test_a_server_that_never_works_is_69_and_says_why(greeting: Fault | Drip | Raw, words: str) -> None:
    """Si nada de lo que contesta sirve, 69, una frase en español que dice qué pasa y ningún POST."""
    with FaultyServer(greeting=lambda _: greeting) as server:
        completed = endure(server, "run-once", seconds=2)

    assert completed.code == 69
    assert words in completed.report["error"]
    assert completed.report["transitions"]["start"]["pending"] == 0


@contextmanager
def _tls_server(folder: Path, **validity: Any) -> Iterator[tuple[FaultyServer, Path]]:
    """Un servidor https con un certificado de una autoridad privada, y el archivo que la hace conocida."""
    authority = trustme.CA()
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    context = certified(authority, "127.0.0.1", **validity)
    with FaultyServer(lambda _: answer(200, "[]"), tls=context) as server:
        yield server, path


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    """Un certificado caducado no vale, aunque sea de una autoridad conocida: 69, y el token no sale."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    with _tls_server(tmp_path, not_after=yesterday) as (server, authority):
        completed = endure(server, seconds=2, SSL_CERT_FILE=authority, BACKEND_JWT_TOKEN="abc.def.ghi")

    assert completed.code == 69
    assert "el certificado TLS no vale" in completed.report["error"]
    assert "expired" in completed.report["error"]
    assert server.requests == []


def test_https_on_a_plain_port_is_named_as_such() -> None:
    """Una `https://` donde se habla http: 69, y se dice que falla TLS."""
    with FaultyServer(greeting=lambda _: answer(400)) as server:
        completed = endure(server, seconds=2, BACKEND_URL=server.url.replace("http:", "https:"))

    assert completed.code == 69
    assert "falló TLS" in completed.report["error"]
