"""El latido: a dónde va, qué lleva, y que un monitor que falla, calla o miente no estorba a la pasada."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
import trustme

from estado_eventos.domain.transitions import START
from tests.support.faults import FaultyServer
from tests.support.inside import run_inside
from tests.support.monitors import SECRET, denied, empty_lists, fails_with, ok, warnings
from tests.support.program import Completed, run
from tests.support.reactions import Drip, Fault, Raw, Request, Rule, answer
from tests.support.reference.server import ReferenceBackend
from tests.support.tls import certified


def beaten(rule: Rule, path: str = f"/{SECRET}", **variables: object) -> tuple[Completed, FaultyServer, float]:
    """Una pasada que sale bien con ese monitor: cómo acabó, el monitor y los segundos del primer latido al final."""
    arrivals: list[float] = []

    def timed(request: Request) -> Any:
        arrivals.append(time.monotonic())
        return rule(request)

    with FaultyServer(empty_lists) as server, FaultyServer(timed) as monitor:
        env = {"BACKEND_URL": server.url, "HEARTBEAT_URL": monitor.url + path, "LOG_LEVEL": "DEBUG"}
        completed = run_inside("run-once", **env | variables)
        ended = time.monotonic()
    return completed, monitor, ended - arrivals[0] if arrivals else 0.0


def _echo(request: Request) -> Raw:
    """Repite la línea de la petición, como un servidor de eco: ahí va la URL."""
    return Raw(f"{request.method} {request.path} HTTP/1.1\r\n\r\n".encode())


_OK_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (answer(404), "el monitor contestó HTTP 404"),
        (answer(500), "el monitor contestó HTTP 500"),
        (answer(302, Location="/otro"), "el monitor contestó HTTP 302"),
        (answer(200, "OK (not found)"), "el monitor no conoce esa dirección"),
        (answer(200, "OK (rate limited)"), "el monitor recibe demasiados latidos y no cuenta este"),
        (Fault.CUT, "el monitor cortó la conexión o no habla HTTP"),
        (Fault.RESET, "el servidor cortó la conexión"),
        (Raw(b"\x15\x03\x01" * 99), "el monitor cortó la conexión o no habla HTTP"),
        (Raw(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * (1 << 20)), "el monitor cortó la conexión o no habla HTTP"),
        (Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nOK"), "el monitor cortó la conexión o no habla HTTP"),
        (Fault.STALL, "no contesta; no se espera más"),
        (Drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), "no contesta; no se espera más"),
        (Drip(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"), "no contesta; no se espera más"),
        (Drip(_OK_HEAD + b"\r\n", b"O"), "no contesta; no se espera más"),
    ],
)
def test_a_monitor_that_does_not_hear_is_one_warning(reply: Any, reason: str) -> None:
    """Un monitor que falla, calla, gotea o miente es un aviso, y ni cambia el código ni retrasa el final más de 3 s."""
    completed, monitor, seconds = beaten(lambda _: reply)

    assert completed.code == 0
    assert warnings(completed) == [f"HEARTBEAT_URL: {reason}"]
    assert 1 <= len(monitor.requests) <= 2
    # De fábrica se le espera menos de 3 s; el resto es lo que tarde en arrancar una máquina ocupada.
    assert seconds < 8
    assert SECRET not in completed.stderr + completed.stdout
    assert "Traceback" not in completed.stderr


@pytest.mark.parametrize("reply", [answer(204), answer(202, "x" * (1 << 22)), Drip(_OK_HEAD + b"\r\n", b"O" * 2000)])
def test_any_2xx_is_heard(reply: Any) -> None:
    """Cualquier 2xx vale, y de lo que el monitor diga después se lee lo justo."""
    completed, monitor, _ = beaten(lambda _: reply)

    assert (completed.code, warnings(completed), len(monitor.requests)) == (0, [], 1)


def test_a_hiccup_of_the_network_is_retried_once() -> None:
    """Si la conexión se corta, el latido se repite una vez, con el mismo `rid`."""
    completed, monitor, _ = beaten(lambda request: Fault.CUT if request.nth == 1 else answer(200, "OK"))

    assert warnings(completed) == []
    assert len({(beat.path, beat.body) for beat in monitor.requests}) == 1
    assert len(monitor.requests) == 2


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"http://127.0.0.1:1/{SECRET}", "conexión rehusada"),
        (f"http://no-existe.invalid/{SECRET}", "no se pudo resolver el nombre del servidor"),
    ],
)
def test_a_monitor_that_is_not_there_is_one_warning(url: str, reason: str) -> None:
    """Un monitor al que no se llega es un aviso, que no dice su URL."""
    with FaultyServer(denied) as server:
        completed = run_inside("run-once", BACKEND_URL=server.url, HEARTBEAT_URL=url, LOG_LEVEL="DEBUG")

    assert completed.code == 77
    assert warnings(completed) == [f"HEARTBEAT_URL: {reason}"]
    assert SECRET not in completed.stderr + completed.stdout


@pytest.mark.slow
def test_a_hanging_resolver_delays_the_end_no_more_than_any_other(tmp_path: Path) -> None:
    """Aunque resolver el nombre del monitor se cuelgue 30 s, el proceso acaba a su tiempo."""
    (tmp_path / "sitecustomize.py").write_text(
        "import socket, time\n"
        "real = socket.getaddrinfo\n"
        "def slow(host, *rest, **options):\n"
        "    return time.sleep(30) if 'cuelga' in str(host) else real(host, *rest, **options)\n"
        "socket.getaddrinfo = slow\n"
    )
    with FaultyServer(empty_lists) as server:
        env = {"BACKEND_URL": server.url, "HEARTBEAT_URL": f"http://cuelga.example/{SECRET}", "PYTHONPATH": tmp_path}
        completed = run("run-once", env=env, timeout=10)

    assert completed.code == 0
    assert warnings(completed) == ["HEARTBEAT_URL: no contesta; no se espera más"]


def test_an_echo_does_not_reveal_the_url() -> None:
    """Si el monitor devuelve lo que se le manda, la URL no acaba en el registro, tampoco con DEBUG."""
    completed, _, _ = beaten(_echo)

    assert warnings(completed) == ["HEARTBEAT_URL: el monitor cortó la conexión o no habla HTTP"]
    assert SECRET not in completed.stderr + completed.stdout


@pytest.mark.parametrize(
    ("path", "good", "bad"),
    [
        (f"/{SECRET}", f"/{SECRET}?", f"/{SECRET}/76?"),
        (f"/{SECRET}/", f"/{SECRET}?", f"/{SECRET}/76?"),
        (f"/a%2Fb/{SECRET}?create=1&x#f", f"/a%2Fb/{SECRET}?create=1&x&", f"/a%2Fb/{SECRET}/76?create=1&x&"),
        ("", "/?", "/76?"),
    ],
)
def test_the_url_keeps_its_path_and_query(path: str, good: str, bad: str) -> None:
    """El código se añade a la ruta y `rid` a la consulta; lo demás de la URL queda como estaba."""
    for rule, expected in ((empty_lists, good), (fails_with(404), bad)):
        with FaultyServer(rule) as server, FaultyServer(ok) as monitor:
            run_inside("run-once", BACKEND_URL=server.url, HEARTBEAT_URL=monitor.url + path)

        (beat,) = monitor.requests
        assert beat.path.partition("rid=")[0] == expected


@pytest.mark.slow
def test_the_heartbeat_carries_no_names_and_no_foreign_secrets(backend: ReferenceBackend) -> None:
    """El latido lleva cuentas: ni eventos, ni palabras del backend, ni su token; y no usa los proxies del entorno."""
    backend.add_events(due_start=1, broken_start=1, public_ids=["examen-uno", "examen-dos"])
    token = backend.token()
    with FaultyServer(ok) as monitor, FaultyServer(ok) as proxy:
        proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), proxy.url)
        env = {"BACKEND_URL": backend.url, "BACKEND_JWT_TOKEN": token, "HEARTBEAT_URL": monitor.url}
        completed = run_inside("run-once", "--json", **env | proxies)

    (beat,) = monitor.requests
    body = beat.body.decode()
    assert completed.code == 1
    assert "Inicio: 1 iniciado(s), 1 fallido(s)" in body
    assert "examen" not in body
    assert completed.report["transitions"][START.name]["events"][1]["error"] not in body
    assert token not in str(beat)
    assert {"authorization", "cookie", "x-request-id"}.isdisjoint(beat.headers)
    assert proxy.requests == []


def test_a_password_in_the_url_is_for_the_monitor_alone() -> None:
    """Un usuario y una contraseña en la URL van al monitor como corresponde, y a ningún otro sitio."""
    with FaultyServer(empty_lists) as server, FaultyServer(lambda _: answer(401)) as monitor:
        url = monitor.url.replace("//", "//usuario:5ecreta@") + "/ping"
        completed = run_inside("run-once", BACKEND_URL=server.url, HEARTBEAT_URL=url, LOG_LEVEL="DEBUG")

    assert monitor.requests[0].headers["authorization"].startswith("Basic ")
    assert warnings(completed) == ["HEARTBEAT_URL: el monitor contestó HTTP 401"]
    assert "5ecreta" not in completed.stderr + completed.stdout


def test_a_redirect_is_not_followed() -> None:
    """Una redirección no lleva el latido a otro servidor."""
    with FaultyServer(ok) as elsewhere:
        completed, _, _ = beaten(lambda _: answer(307, Location=elsewhere.url))

    assert warnings(completed) == ["HEARTBEAT_URL: el monitor contestó HTTP 307"]
    assert elsewhere.requests == []


def test_the_rid_is_the_invocation_of_systemd_as_a_uuid() -> None:
    """Bajo systemd, `rid` es su INVOCATION_ID con los guiones de un UUID, que es lo que Healthchecks admite."""
    with FaultyServer(empty_lists) as server, FaultyServer(ok) as monitor:
        systemd = {"INVOCATION_ID": "0123456789abcdef0123456789abcdef", "SYSTEMD_EXEC_PID": os.getpid()}
        run_inside("run-once", "-q", BACKEND_URL=server.url, HEARTBEAT_URL=monitor.url, **systemd)

    assert monitor.requests[0].path == "/?rid=01234567-89ab-cdef-0123-456789abcdef"


@pytest.mark.slow
def test_https_trusts_the_authorities_of_the_system(tmp_path: Path) -> None:
    """Un monitor con https vale si su certificado es de una autoridad del sistema, aunque el backend sea http."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = certified(authority, "127.0.0.1")
    with FaultyServer(empty_lists) as server, FaultyServer(ok, tls=context) as monitor:
        env = {"BACKEND_URL": server.url, "HEARTBEAT_URL": f"{monitor.url}/{SECRET}"}
        trusted = run("run-once", env=env | {"SSL_CERT_FILE": tmp_path / "ca.pem"})
        unknown = run("run-once", env=env)

    assert (trusted.code, warnings(trusted), len(monitor.requests)) == (0, [], 1)
    assert unknown.code == 0
    (warning,) = warnings(unknown)
    assert warning.startswith("HEARTBEAT_URL: el certificado TLS no vale")


@pytest.mark.slow
def test_a_tls_that_never_answers_is_one_warning() -> None:
    """Un monitor que no habla TLS deja la conexión a medias, y tampoco retrasa el final."""
    with FaultyServer(empty_lists) as server, FaultyServer(ok) as monitor:
        url = monitor.url.replace("http:", "HTTPS:")
        completed = run("run-once", env={"BACKEND_URL": server.url, "HEARTBEAT_URL": url}, timeout=10)

    assert completed.code == 0
    assert warnings(completed) == ["HEARTBEAT_URL: no contesta; no se espera más"]
