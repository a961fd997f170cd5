"""Un backend que contesta cualquier cosa: qué promete el programa en cada caso.

Lo que vale con cualquier avería lo comprueba `endure`; la tabla para quien usa el programa está en
`docs/fiabilidad.md`.
"""

import gzip
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from estado_eventos.domain.transitions import FINISH, START
from tests.support.faults import Drip, Fault, FaultyServer, Raw, Reaction, Request, Rule, answer
from tests.support.inside import endure
from tests.support.program import PROGRAM, check_adds_up, environment
from tests.support.terminal_session import in_terminal

pytestmark = pytest.mark.slow

YES = answer(200, '{"success": true}')
OK_HEAD = b"HTTP/1.1 200 OK\r\n"
DIGITS = "9" * 10_000_000


def listing(*ids: int | str, **rest: Any) -> Raw:
    """Una lista con esos eventos y lo demás que se diga."""
    return answer(200, json.dumps({"results": [{"id": event_id} for event_id in ids], **rest}))


def results(report: dict[str, Any]) -> dict[str, str]:
    """Cómo acabó cada evento de inicio."""
    return {str(event["id"]): event["result"] for event in report["transitions"]["start"]["events"]}


NOES: dict[str, tuple[Reaction, str]] = {
    "400": (answer(400, '{"error": "No se puede iniciar"}'), "No se puede iniciar"),
    "429": (answer(429, '{"detail": "calma"}', Retry_After="0"), "HTTP 429: calma"),
    "404": (answer(404, '{"error": "Evento no encontrado"}'), "Evento no encontrado"),
    "500": (answer(500, "<h1>Server Error</h1>"), "HTTP 500"),
    "409": (answer(409), "HTTP 409"),
    "502": (answer(502, "<html>Bad Gateway</html>"), "HTTP 502"),
    "redirige": (answer(307, Location="http://192.0.2.1/"), "HTTP 307"),
    "503": (answer(503, Retry_After="0"), "HTTP 503"),
    "success-false": (answer(200, '{"success": false, "error": "todavía no"}'), "todavía no"),
    "504": (answer(504), "HTTP 504"),
    "sin-success": (answer(200, '{"ok": true}'), "sin «success»"),
    "corta": (Fault.RESET, "el servidor cortó la conexión"),
    "success-texto": (answer(200, '{"success": "true"}'), "sin «success»"),
    "html": (answer(200, "<html>Entre</html>"), "HTML"),
    "vacia": (answer(200), "vacía"),
    "null": (answer(200, "null"), "sin «success»"),
    "lista": (answer(200, "[true]"), "sin «success»"),
    "anidada": (answer(200, '{"success":' * 5_000), "JSON"),
    "utf8": (answer(200, b'{"success": \xff}'), "JSON"),
    "cifras": (answer(200, '{"success": ' + "9" * 60_000 + "}"), "sin «success»"),
    "gzip": (answer(200, gzip.compress(b'{"success": true}'), Content_Encoding="gzip"), "comprimida"),
    "sin-fin": (Drip(OK_HEAD + b"\r\n", b"x" * 65536, 0), "64 KiB"),
    "204": (answer(204), "HTTP 204"),
}
"""Lo que un backend puede contestar a un evento sin decir que sí, y las palabras que quedan en el informe."""


@pytest.fixture(scope="module")
def refusals() -> tuple[int, dict[str, dict[str, Any]]]:
    """Una sola pasada en la que a cada evento se le contesta un «no» distinto, y uno bueno entre ellos.

    Los que acaban en `-ido` solo salen en la primera lista. Vuelven el código y cada evento del informe.
    """
    stuck = ["bueno", *NOES]
    gone = [f"{name}-ido" for name in NOES]

    def rule(request: Request) -> Reaction:
        if request.method == "GET":
            return listing(*stuck, *gone) if request.nth == 1 else listing(*stuck)
        name = request.path.split("/")[-3].removesuffix("-ido")
        return YES if name == "bueno" else NOES[name][0]

    with FaultyServer(rule) as server:
        completed = endure(server, MAX_CONCURRENCY=1, seconds=30)
    assert server.count("POST") == 1 + len(gone) + 4 * len(NOES)
    return completed.code, {event["id"]: event for event in completed.report["transitions"]["start"]["events"]}


@pytest.mark.parametrize("name", NOES)
def test_a_no_is_settled_by_the_list(refusals: tuple[int, dict[str, dict[str, Any]]], name: str) -> None:
    """Lo que no es un sí lo decide la lista siguiente: si ya no está, está hecho; si está, cuatro intentos y falla."""
    code, events = refusals

    assert code == 1
    assert events["bueno"]["result"] == "done"
    assert (events[f"{name}-ido"]["result"], events[f"{name}-ido"]["error"]) == ("already_done", None)
    assert (events[name]["result"], events[name]["attempts"]) == ("failed", 4)
    assert NOES[name][1] in events[name]["error"]


def test_an_event_that_is_not_permitted_is_77() -> None:
    """Un 401 o un 403 al pedir un evento, con la lista bien: 77, y los demás se hacen."""

    def rule(request: Request) -> Reaction:
        if request.method == "GET":
            return listing(1, 2, 3)
        return {START.action_path(1): answer(401), START.action_path(2): answer(403)}.get(request.path, YES)

    with FaultyServer(rule) as server:
        completed = endure(server, BACKEND_JWT_TOKEN="abc", seconds=2)

    assert completed.code == 77
    assert results(completed.report) == {"1": "failed", "2": "failed", "3": "done"}


def test_a_fresh_token_that_is_refused_is_not_asked_for_again() -> None:
    """Si el backend rechaza también el token recién dado, no se inicia sesión por cada evento: 77."""

    def rule(request: Request) -> Reaction:
        if request.path == "/auth/login/":
            claims = {"iat": int(time.time()), "exp": int(time.time()) + 1800, "jti": request.nth}
            return answer(200, json.dumps({"token": jwt.encode(claims, "clave" * 8, "HS256")}))
        return listing(*range(100)) if request.method == "GET" else answer(401)

    with FaultyServer(rule) as server:
        completed = endure(server, BACKEND_EMAIL="a", BACKEND_PASSWORD="b", seconds=2)

    assert completed.code == 77
    assert "ni el token recién dado" in completed.report["error"]
    assert server.count("POST", "/login/") <= 1 + server.count("GET")


@pytest.mark.parametrize(
    ("method", "value", "at_least"),
    [
        ("POST", "1", 1.0),
        ("GET", lambda: format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True), 0.5),
        ("GET", "-5", 0.0),
        ("POST", "pronto", 0.0),
    ],
    ids=["segundos", "fecha", "negativo", "palabras"],
)
def test_retry_after_is_waited_for(method: str, value: str | Callable[[], str], at_least: float) -> None:
    """Un 429 con `Retry-After` se repite cuando el backend dice; si no se entiende, cuando toque: 0."""

    def rule(request: Request) -> Reaction:
        if request.method == method and request.nth == 1:
            return answer(429, Retry_After=value if isinstance(value, str) else value())
        return listing(1) if request.method == "GET" else YES

    with FaultyServer(rule) as server:
        completed = endure(server)

    assert completed.code == 0
    assert server.count("POST") == (2 if method == "POST" else 1)
    assert completed.report["duration_seconds"] >= at_least


@pytest.mark.parametrize("value", ["9" * 300, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_an_absurd_retry_after_is_not_waited_for(value: str) -> None:
    """Si lo que hay que esperar no cabe en la pasada, no se espera: se mira la lista otra vez y se acaba."""
    with FaultyServer(
        lambda request: listing(1) if request.method == "GET" else answer(503, Retry_After=value)
    ) as server:
        completed = endure(server)

    assert completed.code == 1
    assert [request.method for request in server.requests] == ["GET", "POST", "GET"]


@pytest.mark.parametrize(("statuses", "times"), [((500, 502), 1), ((503, 504), 2)])
def test_a_list_that_fails_for_a_while_is_read_in_the_end(statuses: tuple[int, int], times: int) -> None:
    """Una lista que falla una vez, o dos, se lee a la siguiente, dentro de la pasada: 0 y un POST por evento."""
    status_of = dict(zip((START.list_path, FINISH.list_path), statuses, strict=True))

    def rule(request: Request) -> Reaction:
        if request.method == "POST":
            return YES
        return answer(status_of[request.path]) if request.nth <= times else listing(7)

    with FaultyServer(rule) as server:
        completed = endure(server, "run-once")

    assert completed.code == 0
    assert server.count("POST") == 2
    assert {part["rounds"] for part in completed.report["transitions"].values()} == {times + 1}


def test_a_list_that_always_fails_is_69() -> None:
    """Una lista que no deja de fallar: cuatro lecturas, 69 y ningún POST."""
    replies = [answer(status) for status in (503, 500, 504, 502)]

    with FaultyServer(lambda request: replies[request.nth - 1]) as server:
        completed = endure(server, "run-once")

    assert completed.code == 69
    assert (server.count("GET"), server.count("POST")) == (8, 0)
    assert "HTTP 502" in completed.report["error"]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (answer(400, '{"error": "no así"}'), "HTTP 400: no así"),
        (answer(409), "HTTP 409"),
        (answer(204), "HTTP 204"),
        (answer(304), "HTTP 304"),
        (answer(200, '{"success": false}'), "no una lista"),
        (answer(200, '{"results": null}'), "no una lista"),
        (answer(200, '"[]"'), "no una lista"),
        (answer(200, "NaN"), "no una lista"),
        (answer(200, DIGITS), "no una lista"),
        (answer(200, "[]]"), "JSON"),
        (answer(200, '[{"id": 5}'), "JSON"),
        (answer(200, b'[{"id": "\xff"}]'), "JSON"),
        (answer(200, '[{"id": 5, "x": ' + "[" * 100_000 + "]" * 100_000 + "}]"), "JSON"),
        (answer(200, " " * 1000), "vacía"),
        (answer(200, "[]", Transfer_Encoding="gzip"), "HTTP"),
    ],
)
def test_a_list_that_makes_no_sense_is_76(reply: Raw, words: str) -> None:
    """Lo que no es una lista no se adivina: una frase que lo nombra, ningún POST y 76 (69 si no es ni HTTP)."""
    with FaultyServer(lambda _: reply) as server:
        completed = endure(server, seconds=1)

    assert completed.code == (69 if words == "HTTP" else 76)
    assert words in completed.report["error"]
    assert completed.report["transitions"]["start"]["pending"] == 0
    assert server.count("POST") == 0


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('[{"id": 5}, {"id": 5}, {"id": "5"}]', {"5": "done"}),
        ("\ufeff[]", {}),
        ('[{"id": 5}, NaN, Infinity]', {"5": "done", "None": "failed"}),
        (f'[{{"id": {DIGITS}}}, {{"id": 5}}]', {"5": "done", "9" * 64: "failed"}),
        (f'[{{"id": 1.{DIGITS}}}, {{"id": 5}}]', {"5": "done", "None": "failed"}),
        (f'[{{"id": 1e{DIGITS}}}, {{"id": 5}}]', {"5": "done", "None": "failed"}),
        (f'[{{"id": 5, "start_date": {DIGITS}}}]', {"5": "done"}),
        ('[{"id": 5, "start_date": "9999-12-31T23:59:59-23:59"}]', {"5": "done"}),
        ('[{"id": 5, "start_date": "0001-01-01T00:00:00+23:59"}]', {"5": "done"}),
        ('[[{"id": 6}], {"id": 5}]', {"5": "done", "None": "failed"}),
        ('{"results": [{"id": 5}], "results": [{"id": 6}]}', {"6": "done"}),
    ],
)
def test_an_odd_list_loses_nothing_that_makes_sense(body: str, found: dict[str, str]) -> None:
    """Lo que sí se entiende de una lista rara se hace, una vez; lo demás falla con su motivo."""
    with FaultyServer(lambda request: answer(200, body) if request.method == "GET" else YES) as server:
        completed = endure(server)

    assert completed.code == int("failed" in found.values())
    assert results(completed.report) == found
    assert server.count("POST") == sum(result == "done" for result in found.values())


def test_a_list_that_never_shrinks_is_not_asked_twice() -> None:
    """Si el backend dice que sí a todo y la lista no mengua, a cada evento se le pide una vez por pasada: 0."""
    with FaultyServer(lambda request: listing(*range(30)) if request.method == "GET" else YES) as server:
        completed = endure(server)

    assert completed.code == 0
    assert (server.count("GET"), server.count("POST")) == (1, 30)


def test_a_list_that_grows_forever_ends() -> None:
    """Una lista que en cada lectura trae más se acaba con la pasada: 1 por el que no se deja, y los demás una vez."""

    def rule(request: Request) -> Reaction:
        if request.method == "GET":
            return listing(*range(request.nth * 10))
        return answer(400) if request.path == START.action_path(0) else YES

    with FaultyServer(rule) as server:
        completed = endure(server)

    part = completed.report["transitions"]["start"]
    assert completed.code == 1
    assert (part["rounds"], part["done"], part["failed"]) == (4, 39, 1)
    assert server.count("POST") == 39 + 4


def _endless(request: Request) -> Reaction:
    number = int(request.path.partition("?page=")[2] or 1)
    return listing(number, next=f"?page={number + 1}")


def _stalls(request: Request) -> Reaction:
    return Fault.STALL if "?page=2" in request.path else listing(1, next="?page=2")


def _drips(request: Request) -> Reaction:
    return Drip(OK_HEAD + b"\r\n[", b" ") if "?page=2" in request.path else listing(1, next="?page=2")


@pytest.mark.parametrize("pages", [_endless, _stalls, _drips])
def test_pages_that_never_end_do_not_starve_what_was_read(pages: Rule) -> None:
    """Si las páginas no se acaban, o una no llega, los eventos ya leídos se mueven igual; 69 y se dice."""
    with FaultyServer(lambda request: YES if request.method == "POST" else pages(request)) as server:
        completed = endure(server, seconds=1)

    assert completed.code == 69
    assert results(completed.report)["1"] == "done"
    assert "páginas no acaban de llegar" in completed.report["error"]


@pytest.mark.parametrize(
    ("following", "words"),
    [
        ("", "no se acaban nunca"),
        ("#1", "no se acaban nunca"),
        (7, "no es una URL"),
        ({"page": 2}, "no es una URL"),
        ("http://[::1", "no es una URL"),
        ("?page=\x1b2", "no es una URL"),
        ("http://\ud800/", "no es una URL"),
        ("//otro.ejemplo/", "en otro servidor"),
        ("https://{host}/", "en otro servidor"),
        ("http://u:p@{other}/", "en otro servidor"),
        ("http://localhost:{port}/", "en otro servidor"),
        ("ftp://{host}/", "en otro servidor"),
    ],
)
def test_a_next_that_cannot_be_followed_is_not(following: object, words: str) -> None:
    """Una página siguiente que es la misma, no es una URL o está en otro sitio no se pide; lo leído se hace: 76."""

    def rule(request: Request) -> Reaction:
        if request.method == "POST":
            return YES
        target = following or START.list_path
        if isinstance(target, str):
            host = server.url.removeprefix("http://")
            names = {"host": host, "port": host.partition(":")[2], "other": other.url.removeprefix("http://")}
            for name, value in names.items():
                target = target.replace(f"{{{name}}}", value)
        return listing(1, next=target)

    with FaultyServer(lambda _: answer(200, "[]")) as other, FaultyServer(rule) as server:
        completed = endure(server, BACKEND_JWT_TOKEN="abc")

    assert completed.code == 76
    assert words in completed.report["error"]
    assert results(completed.report) == {"1": "done"}
    assert other.requests == []
    assert server.count("GET") <= 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    """Ni una lista ni un evento siguen una redirección, y el token no llega al otro servidor: 76 y a dónde iba."""
    with FaultyServer(lambda _: answer(200, "[]")) as other:

        def rule(request: Request) -> Reaction:
            if request.path == FINISH.list_path:
                return listing(1)
            elsewhere = answer(status, '{"success": true, "results": []}', Location=f"{other.url}/x?correo=a@b")
            return elsewhere if request.nth == 1 else YES

        with FaultyServer(rule) as server:
            completed = endure(server, "run-once", BACKEND_JWT_TOKEN="abc")

    (event,) = completed.report["transitions"]["finish"]["events"]
    assert completed.code == 76
    assert f"HTTP {status}: redirige a «{other.url}/x?correo=a@b»" in completed.report["error"]
    assert (event["result"], event["attempts"]) == ("done", 2)
    assert other.requests == []


@pytest.mark.parametrize("location", ["", "http://[", "http://\x1b[2J/", "http://ñ\ud7ff/", "//", ":", "http://a:b:c/"])
def test_a_redirect_to_nowhere_is_76(location: str) -> None:
    """Una redirección a algo que no es una URL es también una redirección: 76, a la primera y en una línea limpia."""
    with FaultyServer(lambda _: answer(302, Location=location)) as server:
        completed = endure(server)

    assert completed.code == 76
    assert "HTTP 302: redirige" in completed.report["error"]
    assert len(server.requests) == 1


_MEASURE = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, file=sys.stderr)
sys.exit(code)
"""


def _weigh(url: str, *arguments: str, **variables: object) -> tuple[int, int, dict[str, Any]]:
    """Ejecuta el programa y devuelve su código, su pico de memoria en MiB y su informe.

    Con un intermediario: un hijo directo heredaría el pico de este proceso.
    """
    finished = subprocess.run(
        [sys.executable, "-c", _MEASURE, *PROGRAM, *arguments, "--json"],
        env=environment(BACKEND_URL=url, **variables),
        cwd="/",
        check=False,
        capture_output=True,
        encoding="utf-8",
    )
    return finished.returncode, int(finished.stderr.splitlines()[-1]), json.loads(finished.stdout)


_ALMOST_32_MIB = (32 << 20) - 100
_FLOODS: dict[str, Callable[[], Drip | Raw]] = {
    "sin fin": lambda: Drip(OK_HEAD + b"\r\n", b"x" * 65536, 0),
    "bomba gzip": lambda: answer(200, gzip.compress(b"[" * (160 << 20), 1), Content_Encoding="gzip"),
    "11 millones de objetos": lambda: answer(200, b"[" + b"{}," * (_ALMOST_32_MIB // 3) + b"0]"),
}


@pytest.mark.parametrize("flood", _FLOODS)
def test_a_flood_does_not_fill_the_memory(flood: str) -> None:
    """Ni una bomba ni un cuerpo sin fin en las dos listas a la vez pasan de 150 MiB, y la pasada acaba a su hora."""
    reply = _FLOODS[flood]()
    with FaultyServer(lambda _: reply) as server:
        code, mebibytes, report = _weigh(server.url, "run-once", PASS_TIMEOUT=10)

    assert code == 76
    assert mebibytes <= 150
    assert report["duration_seconds"] < 10.5
    assert server.count("POST") == 0


@pytest.mark.parametrize(
    ("events", "code", "words"),
    [
        pytest.param(100_000, 75, "se acabó el tiempo de la pasada", id="cien mil"),
        pytest.param(110_000, 69, "se toman los 100000 primeros", id="más de cien mil"),
    ],
)
def test_a_list_of_too_many_events_is_taken_in_parts(events: int, code: int, words: str) -> None:
    """De una lista enorme se toman los 100 000 primeros; la pasada acaba a su hora, lo dice y no llena la memoria."""
    crowd = answer(200, json.dumps([{"id": number, "start_date": "2026-01-01T10:00:00Z"} for number in range(events)]))
    with FaultyServer(lambda request: crowd if request.method == "GET" else YES) as server:
        ended, mebibytes, report = _weigh(server.url, "start", PASS_TIMEOUT=6, LOG_LEVEL="WARNING")

    check_adds_up(report)
    assert ended == code
    assert words in report["error"]
    assert report["transitions"]["start"]["pending"] == 100_000
    assert report["transitions"]["start"]["done"] > 0
    assert mebibytes <= 200


HOSTILE = (
    "\x1b[2J\x1b]0;título\x07\x9b31m[red]rojo[/red] \x00\r\n2025-01-01 00:00:00 - INFO - falso\u2028\u202eoculto\ud800"
)


def _hostile(request: Request) -> Reaction:
    if request.path == FINISH.list_path:
        reason = HOSTILE.encode("latin-1", "replace").replace(b"\r\n", b" ").replace(b"\x00", b"")
        body = json.dumps({"detail": HOSTILE}).encode()
        headers = b"".join(name + b": " + reason + b"\r\n" for name in (b"Server", b"Location", b"Set-Cookie", b"Date"))
        return Raw(b"HTTP/1.1 403 " + reason + b"\r\n" + headers + b"\r\n" + body)
    if request.method == "GET":
        items = [{"id": 9, "start_date": HOSTILE}, {"id": HOSTILE, "start_date": f"2026-01-01{HOSTILE[0]}10:00:00"}]
        return answer(200, json.dumps([*items, {"id": 8, "start_date": "2026-01-01\x1b10:00:00"}]))
    if request.path == START.action_path(8):
        return answer(200, json.dumps({"success": True, "status": HOSTILE}))
    return answer(400, json.dumps({"error": HOSTILE}))


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        for value in content.values():
            yield from _texts(value)
    elif isinstance(content, list):
        for value in content:
            yield from _texts(value)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_hostile_words_stay_words(log_format: str) -> None:
    """Ni en el registro ni en el informe sale una orden de terminal, ni el backend puede escribir una línea suya."""
    with FaultyServer(_hostile) as server:
        completed = endure(server, "run-once", LOG_FORMAT=log_format, seconds=0.5)

    lines = completed.stderr.splitlines()
    if log_format == "json":
        assert all(set(json.loads(line)) == {"time", "level", "message"} for line in lines)
    else:
        assert all(re.match(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d - (INFO|WARNING|ERROR) - ", line) for line in lines)
    assert not any(line.startswith("2025-01-01 00:00:00") for line in lines)
    assert "[red]rojo[/red]" in completed.stderr
    assert all(text.isprintable() for text in _texts(completed.report))
    assert completed.code == 77


@pytest.mark.parametrize("command", ["run-once", "pending"])
def test_hostile_words_do_nothing_to_a_terminal(command: str) -> None:
    """En un terminal, con sus colores, tampoco: ni borra la pantalla, ni cambia el título, ni pinta lo que quiera."""
    with FaultyServer(_hostile) as server:
        code, seen = in_terminal(command, BACKEND_URL=server.url, PASS_TIMEOUT=0.6)

    assert code == 77
    plain = re.sub(r"\x1b\[[0-9;]*m|\r", "", seen)
    assert all(line.isprintable() for line in plain.split("\n"))
    assert "\x1b[31mrojo" not in seen
    assert not re.search(r"^2025-01-01 00:00:00", plain, re.MULTILINE)


def _pass_with(rule: Rule) -> None:
    """Una pasada en este proceso; comprueba lo que vale conteste lo que conteste el servidor."""
    with FaultyServer(rule) as server:
        completed = endure(server, "run-once", seconds=0.1, BACKEND_JWT_TOKEN="abc")
    assert all(text.isprintable() for text in _texts(completed.report))


PROPERTY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
HEADER_NAMES = (
    *("Location", "Retry-After", "Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding", "Upgrade"),
    *("Set-Cookie", "Set-Cookie2", "Connection", "Date", "WWW-Authenticate", "Link", "X"),
)
HEADER_TEXT = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=40)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(HEADER_NAMES),
        HEADER_TEXT
        | st.sampled_from(["gzip", "chunked", "close", "0", "2", "http://", "//x", "a=b; expires=0; path=/"]),
    ),
    max_size=5,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
ITEMS = st.lists(
    st.fixed_dictionaries({}, optional={"id": JSON | st.integers(1, 9), "start_date": JSON | st.datetimes().map(str)})
    | JSON,
    max_size=6,
)


@PROPERTY
@given(body=st.binary(max_size=200), reply=st.binary(max_size=60))
def test_any_bytes_are_a_list(body: bytes, reply: bytes) -> None:
    """Cualquier cuerpo en las listas y en los eventos: un código del contrato, sin volcados, y la suma cuadra."""
    _pass_with(lambda request: answer(200, body if request.method == "GET" else reply))


@PROPERTY
@given(items=ITEMS, following=st.none() | JSON | st.text(max_size=30), reply=JSON, status=st.integers(100, 599))
def test_any_json_is_a_list(items: list[Any], following: Any, reply: Any, status: int) -> None:
    """Cualquier JSON por elementos, por página siguiente y por respuesta a un evento: lo mismo."""
    page = answer(200, json.dumps({"results": items, "next": following}))

    _pass_with(lambda request: page if request.method == "GET" else answer(status, json.dumps(reply)))


@PROPERTY
@given(
    status=st.integers(100, 999),
    reason=HEADER_TEXT,
    headers=HEADERS,
    body=st.sampled_from([b"", b"[]", b'[{"id": 1}]']),
)
def test_any_headers_are_survived(status: int, reason: str, headers: list[tuple[str, str]], body: bytes) -> None:
    """Cualquier código, frase y cabeceras: lo mismo."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    reply = Raw(f"HTTP/1.1 {status} {reason}\r\n{lines}\r\n".encode("latin-1") + body)

    _pass_with(lambda _: reply)


@PROPERTY
@given(
    head=st.sampled_from(
        [b"", b"HTTP/1.1 ", OK_HEAD, OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n", OK_HEAD + b"\r\n"]
    ),
    rest=st.binary(max_size=200),
)
def test_any_bytes_are_an_answer(head: bytes, rest: bytes) -> None:
    """Cualquier ristra de bytes por respuesta, sea o no HTTP: lo mismo."""
    _pass_with(lambda _: Raw(head + rest))
