"""El programa que contesta por HTTP: por sockets de verdad, con clientes buenos, lentos y groseros."""

import contextlib
import http.client
import re
import shutil
import socket
import struct
import subprocess
import threading
from pathlib import Path

import httpx
import pytest

from estado_eventos import __version__
from estado_eventos.monitoring.endpoint import MAX_METRICS_BYTES
from tests.support.endpoint import HEALTH, Activation, Reply, a_report, received
from tests.support.faults import FaultyServer
from tests.support.inside import run_inside
from tests.support.program import environment
from tests.support.reactions import answer

INFO = {
    "service": "Estado de Eventos",
    "version": __version__,
    "status": "running",
    "scheduler_interval_seconds": 60,
}


def test_the_old_service_answers(backend_secrets: dict[str, str], report_file: Path, metrics_file: Path) -> None:
    """Por un socket de verdad contesta como el servicio antiguo, sin secretos, sin registro y con 0."""
    metrics_file.write_bytes(b"# x\n" * (MAX_METRICS_BYTES // 4))
    report_file.write_text(a_report())
    env = {"REPORT_FILE": report_file, "METRICS_FILE": metrics_file, **backend_secrets}

    with Activation(env) as server:
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
    assert set(server.endings) == {(0, "")}


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
    with Activation() as server:

        def curl(*arguments: str) -> str:
            command = ["curl", "--silent", "--show-error", "--noproxy", "*", "--write-out", "\n%{http_code}"]
            return subprocess.check_output([*command, *arguments], text=True, env=environment())

        assert curl(server.url).endswith("}\n200")
        assert "Content-Length: " in curl("--head", f"{server.url}/health")
        assert curl("--data", "x" * 100_000, f"{server.url}/health").endswith("}\n405")

    assert set(server.endings) == {(0, "")}


def test_the_client_gets_the_whole_answer() -> None:
    """Quien manda mucho más de lo que se lee recibe la respuesta entera: nada la borra de camino."""
    big = 600_000
    with Activation() as server:
        posted = server.exchange(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % big + b"x" * big)
        piped = server.exchange(HEALTH * 1000)
        garbage = server.exchange(b"\x16\x03\x01" + bytes(big))
        endless = server.exchange(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * (big // 6))

    statuses = [Reply.read(data).status for data in (posted, piped, garbage, endless)]
    assert statuses == [405, 503, 400, 431]
    assert set(server.endings) == {(0, "")}


def test_nobody_keeps_it_reading() -> None:
    """A quien no para de mandar se le corta."""
    with Activation() as server, pytest.raises(ConnectionError):
        server.exchange(HEALTH + bytes(64 << 20))

    assert set(server.endings) == {(0, "")}


def test_rude_clients_leave_no_trace() -> None:
    """Quien cuelga sin decir nada, a medias o de mala manera no deja ni un error ni una línea en el registro."""
    with Activation() as server:
        server.connect().close()
        with server.connect() as half:
            half.sendall(b"GET / HT")
            half.shutdown(socket.SHUT_WR)
            assert Reply.read(b"".join(received(half))).status == 400
        for data in (b"", HEALTH, HEALTH[:9]):
            with server.connect() as rude:
                rude.sendall(data)
                rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    assert set(server.endings) == {(0, "")}


@pytest.mark.slow
def test_nobody_holds_a_connection(metrics_file: Path) -> None:
    """A quien calla, gotea, no lee la respuesta o no cuelga se le cuelga a los cinco segundos, y el proceso acaba."""
    metrics_file.write_bytes(b"#" * MAX_METRICS_BYTES)

    with Activation({"METRICS_FILE": metrics_file}) as server, contextlib.ExitStack() as stack:
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
        assert silent.recv(1) == b""

    assert set(server.endings) == {(0, "")}


def test_a_broken_report_is_one_warning(report_file: Path) -> None:
    """Un informe que no se puede leer es un 503 y una línea en el registro."""
    report_file.write_text("{")

    with Activation({"REPORT_FILE": report_file}) as server:
        assert Reply.read(server.exchange(HEALTH)).status == 503

    ((code, said),) = server.endings
    assert code == 0
    assert re.fullmatch(r"\S+ \S+ - WARNING - REPORT_FILE: no se puede leer: no es un informe\n", said)


def test_what_the_last_pass_left_is_read_at_each_request(tmp_path: Path) -> None:
    """Otro intervalo y otros archivos se ven tras la pasada siguiente, en el mismo proceso y sin instalar nada."""
    state = {"STATE_DIRECTORY": tmp_path}
    with FaultyServer(lambda _: answer(200, "[]")) as backend, Activation(state) as server:
        before = Reply.read(server.exchange(HEALTH))
        for interval, name in ((60, "uno"), (600, "otro")):
            metrics = tmp_path / f"{name}.prom"
            env = {
                "BACKEND_URL": backend.url,
                "REPORT_FILE": tmp_path / f"{name}.json",
                "METRICS_FILE": metrics,
                **state,
            }
            assert run_inside("run-once", SCHEDULER_INTERVAL_SECONDS=interval, **env).code == 0
            info, health, served = (
                Reply.read(server.exchange(b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % path))
                for path in (b"", b"health", b"metrics")
            )

            assert info.json["scheduler_interval_seconds"] == interval
            assert health.json == {"status": "ok"}
            assert served.body == metrics.read_bytes()

    assert before.status == 503


@pytest.mark.slow
def test_health_tells_a_dead_backend(report_file: Path) -> None:
    """Con el backend parado `/health` pasa a 503 y dice por qué; cuando vuelve, a 200."""
    with Activation({"REPORT_FILE": report_file}) as server:
        with FaultyServer(lambda _: answer(200, "[]")) as backend:
            env = {"BACKEND_URL": backend.url, "PASS_TIMEOUT": 2, "REPORT_FILE": report_file}
            run_inside("run-once", **env)
            alive = Reply.read(server.exchange(HEALTH))
        run_inside("run-once", **env)
        dead = Reply.read(server.exchange(HEALTH))

    assert (alive.status, alive.json) == (200, {"status": "ok"})
    assert dead.status == 503
    assert "la última pasada falló con 69, UNAVAILABLE: " in dead.json["detail"]
