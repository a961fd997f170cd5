"""El camino hasta el backend: nombres, puertos, otros servidores y proxies."""

import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.diagnosis import diagnose, diagnose_apart, nobody
from tests.support.faults import FaultyServer
from tests.support.inside import account
from tests.support.reactions import answer
from tests.support.reference.server import ReferenceBackend

TWO_ADDRESSES = """
import socket
real = socket.getaddrinfo
def two(host, *rest, **options):
    if host not in ("dos.example", b"dos.example"):
        return real(host, *rest, **options)
    return [found for address in ("127.0.0.2", "127.0.0.1") for found in real(address, *rest, **options)]
socket.getaddrinfo = two
"""
HANG_RESOLVER = """
import socket, time
socket.getaddrinfo = lambda *_, **__: time.sleep(30)
"""


def test_every_address_of_a_name_is_tried(tmp_path: Path) -> None:
    """De un nombre con varias direcciones vale la que conteste, aunque no sea la primera."""
    (tmp_path / "sitecustomize.py").write_text(TWO_ADDRESSES)
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        url = server.url.replace("127.0.0.1", "dos.example")
        diagnosis = diagnose_apart(BACKEND_URL=url, PYTHONPATH=tmp_path)

    assert diagnosis.code == 0
    assert "127.0.0.2, 127.0.0.1" in diagnosis.one("dns")["message"]


@pytest.mark.parametrize(("host", "warned"), [("admin.example", True), ("localhost", False), ("127.0.0.1", False)])
def test_credentials_in_clear_are_a_warning(host: str, warned: bool) -> None:  # noqa: FBT001
    """Por http y hacia otra máquina, se avisa de que la contraseña va en claro; hacia esta, no."""
    with FaultyServer(lambda _: answer(200, "[]")) as road:
        diagnosis = diagnose(BACKEND_URL=f"http://{host}", BACKEND_JWT_TOKEN="abcdef", BACKEND_PROXY=road.url)

    found = [finding for finding in diagnosis.findings if finding["topic"] == "clear"]
    assert [finding["level"] for finding in found] == ["warning"] * warned
    assert all("https://" in finding["cure"] for finding in found)


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

    diagnosis = diagnose_apart(BACKEND_URL="http://cuelga.example", PASS_TIMEOUT=1, PYTHONPATH=tmp_path)

    assert (diagnosis.code, diagnosis.errors) == (69, ["dns"])
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


def test_another_auth_server_is_looked_at_too(backend: ReferenceBackend) -> None:
    """Si `AUTH_URL` es otro servidor y está parado: 69 y su nombre; con un token que vale, solo un aviso."""
    with nobody() as url:
        without = diagnose(**account(backend, AUTH_URL=url))
        with_token = diagnose(**account(backend, AUTH_URL=url, BACKEND_JWT_TOKEN=backend.token()))

    assert (without.code, without.errors) == (69, ["tcp"])
    assert "AUTH_URL" in without.about("tcp")[1]["cure"]
    assert with_token.code == 0
    assert with_token.about("tcp")[1]["level"] == "warning"


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
