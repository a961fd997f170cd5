"""`GET /health` sin demonio: el socket de systemd de verdad, con curl y con un cliente que manda basura."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.e2e import wheelhouse
from tests.e2e.container import Container
from tests.support.faults import FaultyServer
from tests.support.reference.server import ReferenceBackend
from tests.support.tls import certified

SETTINGS = "/etc/estado-eventos/estado-eventos.env"
SERVICE = "estado-eventos.service"
API = "estado-eventos-api.service"
OLD_TEMPLATE = "/etc/systemd/system/estado-eventos-api@.service"
PROGRAM = "/opt/estado-eventos/bin/estado-eventos"
HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def port() -> int:
    """Un puerto que nadie usa."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
        return number


@pytest.fixture(scope="module")
def machine(wheels: dict[str, Path], backend_server: ReferenceBackend, port: int) -> Iterator[Container]:
    """Un Debian con el temporizador y el socket instalados."""
    with Container(wheels) as running:
        wheelhouse.configure(running)
        wheelhouse.install_in(running, "/opt/estado-eventos")
        settings = f"BACKEND_URL={backend_server.url}\nBACKEND_JWT_TOKEN={backend_server.token()}\n"
        running.put(
            SETTINGS, f"{settings}HOST=127.0.0.1\nPORT={port}\nMETRICS_FILE=/var/lib/estado-eventos/metrics.prom\n"
        )
        running.run([PROGRAM, "schedule", "install", "systemd", "--api", "--interval", "3600"], timeout=120)
        yield running
        running.run([PROGRAM, "schedule", "remove", "systemd"])
        assert "estado-eventos" not in running.run(["systemctl", "list-unit-files", "--no-pager"]).stdout


def fetch(machine: Container, port: int, path: str) -> tuple[int, str]:
    """Lo que curl recibe: el código y el cuerpo."""
    answer = machine.run(["curl", "-s", "-w", "\n%{http_code}", f"http://127.0.0.1:{port}{path}"]).stdout
    body, _, status = answer.rpartition("\n")
    return int(status), body


def ask(port: int, source: str) -> bytes:
    """Lo que se contesta a `GET /health` pedido desde esa dirección; nada, si cuelga sin contestar."""
    address = ("127.0.0.1", port)
    with (
        contextlib.suppress(ConnectionError),
        socket.create_connection(address, timeout=30, source_address=(source, 0)) as client,
    ):
        client.sendall(HEALTH)
        return client.makefile("rb").read()
    return b""


def main_pid(machine: Container) -> str:
    """El proceso que contesta; «0» si no hay ninguno."""
    return machine.run(["systemctl", "show", "--value", "--property=MainPID", API]).stdout.strip()


def make_a_pass(machine: Container, *, check: bool = True) -> None:
    """Una pasada ahora mismo, aunque acabe de haber varias: systemd arranca lo mismo cinco veces en 10 s, y no más."""
    machine.run(["systemctl", "reset-failed", SERVICE], check=False)
    machine.run(["systemctl", "start", SERVICE], check=check)


def test_health_follows_the_passes(machine: Container, backend: ReferenceBackend, port: int) -> None:
    """`/health` es 200 tras una pasada buena, 503 con el motivo tras una mala, y 200 otra vez al curarse."""
    settings = machine.read(SETTINGS)
    make_a_pass(machine)
    well = fetch(machine, port, "/health")
    # A quien no tiene un certificado que valga no se le espera; a quien no contesta, hasta el límite.
    context = certified(trustme.CA(), "127.0.0.1")
    with FaultyServer(tls=context) as stranger:
        machine.put(SETTINGS, settings.replace(backend.url, stranger.url))
        make_a_pass(machine, check=False)
    ill = fetch(machine, port, "/health")
    machine.put(SETTINGS, settings)
    make_a_pass(machine)
    healed = fetch(machine, port, "/health")

    assert (well[0], json.loads(well[1])) == (200, {"status": "ok"})
    assert ill[0] == 503
    assert json.loads(ill[1])["status"] == "error"
    assert "UNAVAILABLE: no se pudo leer una lista" in json.loads(ill[1])["detail"]
    assert healed[0] == 200


def test_info_and_metrics(machine: Container, backend: ReferenceBackend, port: int) -> None:
    """`/` es el `info` del servicio antiguo, y `/metrics`, las métricas de la última pasada."""
    assert backend.url
    make_a_pass(machine)
    info = fetch(machine, port, "/")
    metrics = fetch(machine, port, "/metrics")

    assert (info[0], json.loads(info[1])["service"]) == (200, "Estado de Eventos")
    assert json.loads(info[1])["scheduler_interval_seconds"] == 3600
    assert metrics[0] == 200
    assert 'estado_eventos_last_exit_code{name="estado-eventos",shard="1/1"} 0.0' in metrics[1]


def test_other_metrics_are_served_after_the_next_pass(machine: Container, backend: ReferenceBackend, port: int) -> None:
    """Otro METRICS_FILE en la configuración se sirve tras la pasada siguiente, sin instalar nada."""
    assert backend.url
    settings = machine.read(SETTINGS)
    machine.put(SETTINGS, settings.replace("/metrics.prom", "/otras.prom"))
    make_a_pass(machine)
    machine.run(["rm", "-f", "/var/lib/estado-eventos/metrics.prom"])
    other = fetch(machine, port, "/metrics")
    machine.put(SETTINGS, settings)
    make_a_pass(machine)

    assert other[0] == 200
    assert "estado_eventos_last_exit_code" in other[1]
    assert fetch(machine, port, "/metrics")[0] == 200


def test_what_is_not_there_and_what_is_not_allowed(machine: Container, port: int) -> None:
    """404 para lo que no hay, 405 para lo que no se puede, y HEAD sin cuerpo."""
    url = f"http://127.0.0.1:{port}"
    posted = machine.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST", f"{url}/health"]).stdout
    head = machine.run(["curl", "-s", "-I", f"{url}/"]).stdout

    assert fetch(machine, port, "/no-hay")[0] == 404
    assert posted == "405"
    assert head.startswith("HTTP/1.1 200")
    assert head.endswith(("\r\n\r\n", "\n\n"))


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00" * 40, b"GET\r\n\r\n", b"A" * 40_000, b"\r\n\r\n\r\n", b""])
def test_garbage_does_no_harm(machine: Container, port: int, garbage: bytes) -> None:
    """La basura se contesta con un 4xx o se cuelga; el socket sigue vivo y systemd no ve nada roto."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        try:
            client.sendall(garbage)
            client.shutdown(socket.SHUT_WR)
            reply = client.makefile("rb").read()
        except OSError:
            reply = b""

    assert reply == b"" or reply.startswith(b"HTTP/1.1 4")
    assert fetch(machine, port, "/")[0] == 200
    assert machine.run(["systemctl", "--failed", "--no-legend", "--no-pager"]).stdout.count("estado-eventos-api") == 0


def test_one_process_answers_and_then_goes_away(machine: Container, port: int) -> None:
    """Peticiones seguidas las contesta el mismo proceso; sin ninguna, acaba bien y el socket sigue escuchando."""
    pids = set()
    for _ in range(5):
        assert fetch(machine, port, "/")[0] == 200
        pids.add(main_pid(machine))
    machine.wait_until(lambda: main_pid(machine) == "0", "que acabe el proceso que contesta")

    assert len(pids) == 1
    assert machine.run(["systemctl", "show", "--value", "--property=Result", API]).stdout.strip() == "success"
    assert fetch(machine, port, "/")[0] == 200
    # Lo demás lo dice systemd, que en un contenedor no puede configurar la red de otro.
    assert [entry["MESSAGE"] for entry in machine.journal(API) if entry["_TRANSPORT"] == "stdout"] == []


def test_a_flood_neither_stops_the_passes_nor_starves_the_monitors(
    machine: Container, backend: ReferenceBackend, port: int
) -> None:
    """Con treinta y dos que inundan y dieciséis que callan, se hace la pasada y a otra dirección se le contesta."""
    backend.add_events(due_start=1, public_ids=["bajo-asedio"])
    over = threading.Event()

    def flood() -> None:
        while not over.is_set():
            ask(port, "127.0.0.2")

    attackers = [threading.Thread(target=flood) for _ in range(32)]
    with contextlib.ExitStack() as stack:
        for _ in range(16):
            stack.enter_context(
                socket.create_connection(("127.0.0.1", port), timeout=30, source_address=("127.0.0.3", 0))
            )
        for attacker in attackers:
            attacker.start()
            stack.callback(attacker.join)
        stack.callback(over.set)
        make_a_pass(machine)
        replies = [ask(port, "127.0.0.4") for _ in range(20)]

    assert backend.states()["bajo-asedio"] == "en_progreso"
    assert [reply.split(b"\r\n")[0] for reply in replies] == [b"HTTP/1.1 200 OK"] * 20


def test_a_program_that_is_being_updated_does_not_lose_the_socket(machine: Container, port: int) -> None:
    """Sin el ejecutable, las preguntas esperan; en cuanto vuelve se contestan, sin que nadie toque nada."""
    machine.run(["systemctl", "stop", API])
    machine.run(["mv", PROGRAM, f"{PROGRAM}.antes"])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(HEALTH)
        machine.wait_until(
            lambda: "NRestarts=0" not in machine.run(["systemctl", "show", "--property=NRestarts", API]).stdout,
            "que systemd lo intente otra vez",
        )
        machine.run(["mv", f"{PROGRAM}.antes", PROGRAM])
        reply = client.makefile("rb").read()

    assert reply.startswith(b"HTTP/1.1 ")
    machine.run(["systemctl", "is-active", "--quiet", "estado-eventos-api.socket"])


def test_the_unit_of_before_is_replaced(machine: Container, port: int) -> None:
    """Sobre una instalación de las de un proceso por conexión, `install` deja la nueva, y contesta."""
    machine.put(OLD_TEMPLATE, "[Service]\nExecStart=-/bin/false\nStandardInput=socket\n")
    current = machine.read("/etc/systemd/system/estado-eventos-api.socket")
    machine.put("/etc/systemd/system/estado-eventos-api.socket", current.replace("Accept=no", "Accept=yes"))
    machine.run(["systemctl", "stop", API])
    machine.run(["systemctl", "daemon-reload"])
    machine.run(["systemctl", "restart", "estado-eventos-api.socket"])

    machine.run([PROGRAM, "schedule", "install", "systemd", "--api", "--interval", "3600"], timeout=120)

    assert machine.run(["test", "-e", OLD_TEMPLATE], check=False).returncode == 1
    assert fetch(machine, port, "/")[0] == 200
