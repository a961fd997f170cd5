"""La red estropeada de todas las maneras: qué promete el programa en cada una.

Lo que vale con cualquier avería lo comprueba `endure`; cada prueba añade lo suyo. La tabla para quien usa el programa
está en `docs/fiabilidad.md`.
"""

import random
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from estado_eventos.domain.transitions import FINISH, START
from tests.support.faults import (
    Drip,
    Fault,
    FaultyServer,
    Late,
    Raw,
    Reaction,
    Request,
    Rule,
    Spoiled,
    answer,
    check_no_blind_repeats,
)
from tests.support.inside import endure, run_inside
from tests.support.reference.contract import EventId
from tests.support.reference.server import ReferenceBackend


def moved_once(backend: ReferenceBackend, ids: list[EventId]) -> bool:
    """Si en la base de datos cambió de estado cada uno de esos eventos, una vez, y ningún otro."""
    return sorted(str(change.event_id) for change in backend.history()) == sorted(map(str, ids))


def spoil_header(replacement: bytes) -> Spoiled:
    """La respuesta del backend con otra cabecera en lugar de `Content-Length`."""

    def change(data: bytes) -> bytes:
        head, blank, body = data.partition(b"\r\n\r\n")
        kept = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
        return b"\r\n".join([*kept, replacement]) + blank + body

    return Spoiled(change)


def test_the_table_for_users_names_real_tests() -> None:
    """Cada prueba que nombra `docs/fiabilidad.md` existe."""
    here = Path(__file__).parent
    table = (here.parent / "docs" / "fiabilidad.md").read_text()
    tests = {path.name: path.read_text() for path in here.rglob("test_*.py")}
    for module, name in re.findall(r"`(?:([\w/]+\.py)::)?(test_\w+)`", table):
        assert any(f"def {name}(" in text for file, text in tests.items() if not module or file == module), name


def test_a_blind_repeat_is_noticed() -> None:
    """Lo que comprueba `endure` distingue un POST repetido a ciegas del que la lista pide, y del que sigue a un 401."""

    def asked(method: str, path: str, signed: str = "a", reaction: Reaction = None) -> Request:
        return Request(method, path, {"authorization": signed}, b"", 1, "", reaction)

    post, other = asked("POST", START.action_path(7)), asked("POST", FINISH.action_path(7))
    read, lost = asked("GET", START.list_path), asked("GET", START.list_path, reaction=Fault.CUT)

    check_no_blind_repeats([read, post, other, read, post, asked("POST", START.action_path(7), "b")])
    for between in ([], [lost], [asked("GET", FINISH.list_path)]):
        with pytest.raises(AssertionError, match="a ciegas"):
            check_no_blind_repeats([read, post, *between, post])


_NOTHING_APPLIED: dict[str, Reaction] = {
    "se corta sin contestar": Fault.CUT,
    "se corta con RST": Fault.RESET,
}
_APPLIED: dict[str, Reaction] = {
    "se corta sin contestar, ya aplicado": Fault.CUT_AFTER_APPLYING,
    "se corta con RST, ya aplicado": Spoiled(lambda _: b"", Fault.RESET),
    "no contesta, ya aplicado": Spoiled(lambda _: b"", Fault.STALL),
    "cuerpo truncado": Spoiled(lambda data: data[:-3]),
    "cabecera truncada": Spoiled(lambda data: data[:40]),
    "Content-Length de más": spoil_header(b"Content-Length: 9999"),
    "Content-Length negativo": spoil_header(b"Content-Length: -1"),
    "dos Content-Length distintos": spoil_header(b"Content-Length: 2\r\nContent-Length: 3"),
    "trozos mal escritos": spoil_header(b"Transfer-Encoding: chunked"),
    "no es HTTP": Spoiled(lambda _: b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
}


@pytest.mark.parametrize("fault", [*_NOTHING_APPLIED, *_APPLIED])
def test_one_fault_is_healed_in_the_same_pass(backend: ReferenceBackend, fault: str) -> None:
    """Una avería al leer una lista y otra al pedir un evento se curan solas: 0, y cada evento movido una vez."""
    ids = backend.add_events(due_start=3, due_finish=3)
    spoiled = {START.list_path, FINISH.action_path(ids[4])}
    reaction = (_NOTHING_APPLIED | _APPLIED)[fault]

    def once(request: Request) -> Reaction:
        return reaction if request.path in spoiled and request.nth == 1 else None

    with FaultyServer(once, backend.url) as server:
        completed = endure(server, "run-once", BACKEND_JWT_TOKEN=backend.token(), HTTP_TIMEOUT=1)

    assert completed.code == 0
    assert moved_once(backend, ids)
    started, finished = (completed.report["transitions"][transition.name] for transition in (START, FINISH))
    assert (started["done"], started["rounds"]) == (3, 2)
    assert (finished["done"], finished["already_done"]) == ((2, 1) if fault in _APPLIED else (3, 0))
    assert server.count("POST") == (6 if fault in _APPLIED else 7)


_NO_ANSWER = pytest.mark.parametrize(
    "reaction",
    [Fault.STALL, Drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n[", b" ")],
    ids=["no contesta", "gotea"],
)


def _once_on(event_id: EventId, reaction: Reaction) -> Rule:
    return lambda request: reaction if request.path == START.action_path(event_id) and request.nth == 1 else None


@_NO_ANSWER
def test_an_event_without_answer_waits_for_its_time(backend: ReferenceBackend, reaction: Reaction) -> None:
    """A quien no contestó a tiempo se le deja el doble de tiempo antes de pedírselo otra vez: 0, movido una vez."""
    ids = backend.add_events(due_start=3)

    with FaultyServer(_once_on(ids[1], reaction), backend.url) as server:
        completed = endure(server, BACKEND_JWT_TOKEN=backend.token(), HTTP_TIMEOUT=1, seconds=20)

    assert completed.code == 0
    assert completed.report["duration_seconds"] >= 3
    assert server.count("POST") == 4
    assert moved_once(backend, ids)


@_NO_ANSWER
def test_an_event_without_answer_is_left_for_the_next_pass(backend: ReferenceBackend, reaction: Reaction) -> None:
    """Si ese tiempo no cabe en la pasada, quizá sigue en ello: no se le pide otra vez, y la siguiente lo arregla."""
    ids = backend.add_events(due_start=3)

    with FaultyServer(_once_on(ids[1], reaction), backend.url) as server:
        first = endure(server, BACKEND_JWT_TOKEN=backend.token(), HTTP_TIMEOUT=3, seconds=8)
        asked = server.count("POST")
        second = endure(server, BACKEND_JWT_TOKEN=backend.token(), HTTP_TIMEOUT=3)

    assert (first.code, second.code) == (1, 0)
    assert asked == 3
    assert [event["result"] for event in first.report["transitions"]["start"]["events"]] == ["done", "failed", "done"]
    assert moved_once(backend, ids)


def test_a_backend_slower_than_the_timeout_moves_nothing_twice(backend: ReferenceBackend) -> None:
    """Si aplicar un cambio lleva más que `HTTP_TIMEOUT`, no se pide encima otra vez: cada evento se mueve una vez."""
    backend.configure(race_ms=1500)
    ids = backend.add_events(due_start=3)

    with FaultyServer(upstream=backend.url) as server:
        completed = endure(server, BACKEND_JWT_TOKEN=backend.token(), HTTP_TIMEOUT=1, seconds=20)

    assert completed.code == 0
    assert {event["result"] for event in completed.report["transitions"]["start"]["events"]} == {"already_done"}
    assert server.count("POST") == 3
    assert moved_once(backend, ids)


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
        completed = endure(server, "run-once", seconds=1)

    assert completed.code == 69
    assert words in completed.report["error"]
    assert completed.report["transitions"]["start"]["pending"] == 0


@contextmanager
def _tls_server(folder: Path, **validity: Any) -> Iterator[tuple[FaultyServer, Path]]:
    """Un servidor https con un certificado de una autoridad privada, y el archivo que la hace conocida."""
    authority = trustme.CA()
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", **validity).configure_cert(context)
    with FaultyServer(lambda _: answer(200, "[]"), tls=context) as server:
        yield server, path


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    """Un certificado caducado no vale, aunque sea de una autoridad conocida: 69, y el token no sale."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    with _tls_server(tmp_path, not_after=yesterday) as (server, authority):
        completed = endure(server, seconds=1, SSL_CERT_FILE=authority, BACKEND_JWT_TOKEN="abc")

    assert completed.code == 69
    assert "el certificado TLS no vale" in completed.report["error"]
    assert "expired" in completed.report["error"]
    assert server.requests == []


def test_https_on_a_plain_port_is_named_as_such() -> None:
    """Una `https://` donde se habla http: 69, y se dice que falla TLS."""
    with FaultyServer(greeting=lambda _: answer(400)) as server:
        completed = endure(server, seconds=1, BACKEND_URL=server.url.replace("http:", "https:"))

    assert completed.code == 69
    assert "falló TLS" in completed.report["error"]


def test_five_hundred_events_over_a_bad_line(backend: ReferenceBackend) -> None:
    """Con 100 ± 50 ms de latencia y un 5 % de cortes al azar, 500 eventos: todos movidos, ninguno dos veces."""
    ids = backend.add_events(due_start=500)
    numbers = {START.action_path(event_id): number for number, event_id in enumerate(ids)}

    def bad_line(request: Request) -> Reaction:
        dice = random.Random(f"{numbers.get(request.path)} {request.nth}")  # noqa: S311  Siempre los mismos cortes.
        latency, luck = dice.uniform(0.05, 0.15), dice.random()
        if luck < 0.025:
            return Late(latency, Fault.RESET)
        return Late(latency, Spoiled(lambda _: b"", Fault.RESET) if luck < 0.05 else None)

    with FaultyServer(bad_line, backend.url) as server:
        completed = endure(server, seconds=40, BACKEND_JWT_TOKEN=backend.token(), MAX_CONCURRENCY=64)

    cut = sum(isinstance(request.reaction, Late) and request.reaction.then is not None for request in server.requests)
    assert completed.code == 0
    assert cut > 10
    assert moved_once(backend, ids)
    assert completed.report["transitions"]["start"]["already_done"] > 0
