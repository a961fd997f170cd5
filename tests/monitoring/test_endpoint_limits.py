"""El proceso que contesta por HTTP, ante quien abusa: avalanchas, silencios y quien no lee; y cuándo nace y acaba."""

import contextlib
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from estado_eventos.monitoring.endpoint import MAX_METRICS_BYTES
from estado_eventos.monitoring.serving import origin_of
from tests.support.endpoint import HEALTH, QUICK, Activation, Reply, a_report
from tests.support.program import PROGRAM, environment, run

ELSEWHERE = "127.0.0.200"
CONNECTIONS, CONNECTIONS_PER_ORIGIN = 256, 16


@pytest.fixture
def healthy(report_file: Path) -> dict[str, object]:
    """La configuración de una unidad cuya última pasada fue bien."""
    report_file.write_text(a_report())
    return {"REPORT_FILE": report_file}


def closed(connections: Iterable[socket.socket]) -> list[socket.socket]:
    """Las que el servidor ya cerró, sin esperar."""
    return select.select(list(connections), [], [], 0)[0]


def is_turned_away(connection: socket.socket) -> bool:
    """Espera a que el servidor cuelgue, y dice si lo hizo sin contestar."""
    with contextlib.suppress(ConnectionError):
        return connection.recv(1) == b""
    return True


def asked_until_there_is_room(server: Activation, source: str) -> Reply:
    """La respuesta a quien insiste: entre que otro cuelga y el servidor lo ve, aún no cabe nadie."""
    reply = b""
    while not reply:
        with contextlib.suppress(ConnectionError):
            reply = server.exchange(HEALTH, source)
    return Reply.read(reply)


@pytest.mark.slow
@pytest.mark.parametrize("host", ["127.0.0.1", "::"])
def test_silent_connections_do_not_starve_the_others(healthy: dict[str, object], host: str) -> None:
    """Una dirección tiene 16 conexiones; las de más se cierran en el acto, y a otra dirección se le contesta."""
    with Activation(healthy, host=host) as server, contextlib.ExitStack() as stack:
        silent = [stack.enter_context(server.connect()) for _ in range(CONNECTIONS_PER_ORIGIN)]
        one_more = stack.enter_context(server.connect())
        assert is_turned_away(one_more)

        replies = [Reply.read(server.exchange(HEALTH, ELSEWHERE)).status for _ in range(20)]

        assert replies == [200] * 20
        assert closed(silent) == []
        silent.pop().close()
        assert asked_until_there_is_room(server, "127.0.0.1").status == 200

    assert server.endings == [(0, "")]


def test_a_flood_from_everywhere_has_a_limit(healthy: dict[str, object]) -> None:
    """En total hay 256 conexiones: las que pasan se cierran en el acto, y cuando una se va entra otra."""
    origins = [f"127.0.1.{number}" for number in range(1, CONNECTIONS // CONNECTIONS_PER_ORIGIN + 1)]
    with Activation(healthy) as server, contextlib.ExitStack() as stack:
        held = [
            stack.enter_context(server.connect(origin)) for origin in origins for _ in range(CONNECTIONS_PER_ORIGIN)
        ]
        assert is_turned_away(stack.enter_context(server.connect(ELSEWHERE)))
        assert closed(held) == []
        held.pop().close()
        assert asked_until_there_is_room(server, ELSEWHERE).status == 200

    assert set(server.endings) == {(0, "")}


def test_a_flood_of_requests_is_answered_by_one_process(healthy: dict[str, object]) -> None:
    """Cientos de peticiones seguidas las contesta todas un solo proceso, que con SIGTERM acaba sin decir nada."""
    with Activation(healthy, idle=60) as server:
        statuses = {Reply.read(server.exchange(HEALTH)).status for _ in range(300)}
        server.terminate()

    assert statuses == {200}
    assert server.endings == [(-signal.SIGTERM, "")]


def test_it_ends_when_nobody_asks_and_starts_again(healthy: dict[str, object]) -> None:
    """Sin ninguna conexión durante un rato acaba con 0; la siguiente arranca otro, y ninguna se pierde."""
    with Activation(healthy) as server:
        first = Reply.read(server.exchange(HEALTH))
        assert server.processes[0].wait(60) == 0
        second = Reply.read(server.exchange(HEALTH))

    assert (first.status, second.status) == (200, 200)
    assert server.endings == [(0, ""), (0, "")]


@pytest.mark.slow
def test_clients_that_do_not_read_do_not_fill_the_memory(metrics_file: Path) -> None:
    """Doscientos clientes que piden el mayor archivo de métricas y no lo leen no ocupan doscientas veces su tamaño."""
    metrics_file.write_bytes(b"#" * MAX_METRICS_BYTES)
    with Activation({"METRICS_FILE": metrics_file}) as server, contextlib.ExitStack() as stack:
        for number in range(200):
            client = stack.enter_context(server.connect(f"127.0.1.{number // CONNECTIONS_PER_ORIGIN + 1}"))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            # Con el principio de la respuesta en la mano, el servidor ya tiene entero el cuerpo.
            assert client.recv(1) == b"H"
        status = Path(f"/proc/{server.processes[0].pid}/status").read_text()

    (peak,) = (int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    assert peak < 100 * 1024
    assert server.endings == [(0, "")]


@pytest.mark.slow
def test_a_machine_without_room_is_one_line_and_another_process(healthy: dict[str, object]) -> None:
    """Si el sistema no le deja aceptar, acaba con 70 y una línea, sin pila de llamadas; el siguiente contesta."""
    few_files = ["sh", "-c", 'ulimit -n 12; exec "$@"', "sh", *QUICK]
    with Activation(healthy, command=few_files) as server, contextlib.ExitStack() as stack:
        silent = [stack.enter_context(server.connect(f"127.0.2.{number}")) for number in range(12)]
        assert is_turned_away(silent[0])
        assert asked_until_there_is_room(server, ELSEWHERE).status == 200

    assert {code for code, _ in server.endings} == {70, 0}
    said = "".join(said for _, said in server.endings)
    assert re.fullmatch(r"(\S+ \S+ - ERROR - fallo interno \(OSError\): systemd lo arrancará otra vez\n)+", said)


@pytest.mark.parametrize(
    ("family", "addresses", "origins"),
    [
        (socket.AF_INET, ["10.0.0.1", "10.0.0.2"], 2),
        (socket.AF_INET6, ["2001:db8::1", "2001:db8::ffff:1"], 1),
        (socket.AF_INET6, ["2001:db8:0:1::1", "2001:db8:0:2::1"], 2),
        (socket.AF_INET6, ["::ffff:10.0.0.1", "::ffff:10.0.0.2"], 2),
        (socket.AF_INET6, ["fe80::1%lo", "fe80::2"], 1),
        (socket.AF_UNIX, ["", ""], 1),
    ],
)
def test_who_a_connection_comes_from(family: int, addresses: list[str], origins: int) -> None:
    """En IPv4 cada dirección es alguien; en IPv6, cada red /64, que es lo que tiene una sola máquina."""
    assert len({origin_of(family, address) for address in addresses}) == origins


def test_by_hand_it_says_who_starts_it() -> None:
    """Sin el socket de systemd, o con una conexión en vez de un socket que escucha, una frase y un 2."""
    by_hand = run("http")
    with contextlib.ExitStack() as stack:
        connected, _ = map(stack.enter_context, socket.socketpair())
        handed = 'export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@" 3<&0'
        command = ["sh", "-c", handed, "sh", *PROGRAM, "http"]
        old_unit = subprocess.run(
            command, env=environment(), cwd="/", stdin=connected.fileno(), check=False, capture_output=True, text=True
        )

    assert by_hand.code == old_unit.returncode == 2
    assert "schedule install systemd --api" in by_hand.stderr
    assert by_hand.stderr == old_unit.stderr
    assert run("--log-level", "error", "http") == by_hand


def test_it_imports_nothing_of_the_passes() -> None:
    """Para contestar no se carga ni httpx, ni pydantic, ni typer, ni rich: se tardaría cinco veces más."""
    command = [sys.executable, "-X", "importtime", "-m", "estado_eventos", "http"]
    done = subprocess.run(command, env=environment(), cwd="/", check=False, capture_output=True, text=True)

    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "estado_eventos.monitoring.endpoint" in imported
    assert not {"httpx", "pydantic", "pydantic_settings", "typer", "rich"} & imported


def test_the_real_command_answers(healthy: dict[str, object]) -> None:
    """`estado-eventos http`, tal como lo ejecuta la unidad, contesta."""
    with Activation(healthy, command=[*PROGRAM, "http"]) as server:
        reply = Reply.read(server.exchange(HEALTH))
        server.terminate()

    assert (reply.status, reply.json) == (200, {"status": "ok"})
    assert server.endings == [(-signal.SIGTERM, "")]
