"""Las respuestas HTTP en las pruebas: pedirlas, en este proceso o por un socket, y leerlas con rigor."""

import http.client
import io
import json
import re
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.message import Message
from itertools import chain
from types import TracebackType
from typing import Any, Self

from estado_eventos.domain.report import Report
from estado_eventos.monitoring.endpoint import Exchange
from estado_eventos.monitoring.handover import EndpointConfig
from estado_eventos.output.streams import json_line
from tests.support.program import environment

HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


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


def respond(chunks: Iterable[bytes], config: EndpointConfig) -> bytes:
    """Todo lo que se contesta a unos trozos, en este proceso; solo pide los que hacen falta."""
    exchange = Exchange(lambda: config)
    for chunk in chain(chunks, (b"",)):
        if reply := exchange.receive(chunk):
            return reply.head + reply.body
    return b""


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


QUICK = (sys.executable, "-c", "import sys; from estado_eventos.cli.http import main; sys.exit(main({idle}))")
"""El mandato `http` sin esperar los diez segundos de verdad a que nadie pregunte."""


class Activation:
    """Lo que hace systemd con `Accept=no`: escucha, y con la primera conexión arranca un proceso que hereda el socket.

    Con `host="::"` escucha también en IPv4.
    """

    def __init__(
        self,
        env: Mapping[str, object] | None = None,
        *,
        idle: float = 0.3,
        command: Sequence[str] = QUICK,
        host: str = "127.0.0.1",
    ) -> None:
        """Escucha ya; el buffer de salida es pequeño, para que ninguna respuesta grande quepa de golpe."""
        self.processes: list[subprocess.Popen[str]] = []
        self.endings: list[tuple[int, str]] = []
        self._env = env or {}
        self._command = [word.format(idle=idle) for word in command]
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server(
            (host, 0), family=family, dualstack_ipv6=family == socket.AF_INET6, backlog=1024
        )
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.address = ("127.0.0.1", self._listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.address[1]}"
        self._stop, self._stopped = socket.socketpair()
        self._thread = threading.Thread(target=self._activate, daemon=True)

    def __enter__(self) -> Self:
        """Empieza a mirar si alguien pregunta."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Deja de mirar y espera al proceso."""
        with self._listener, self._stop, self._stopped:
            self._stop.sendall(b"x")
            self._thread.join(60)
            if self._thread.is_alive():
                self.terminate()
                self._thread.join()

    def _activate(self) -> None:
        while self._listener in select.select([self._listener, self._stopped], [], [])[0]:
            # El socket es el descriptor 3, y el PID de quien lo recibe, el de quien lee (sd_listen_fds(3)).
            handed = 'export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@" 3<&0 0</dev/null'
            process = subprocess.Popen(
                ["sh", "-c", handed, "sh", *self._command],
                env=environment(**self._env),
                cwd="/",
                stdin=self._listener.fileno(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
            )
            self.processes.append(process)
            said, _ = process.communicate()
            self.endings.append((process.returncode, said))

    def terminate(self) -> None:
        """Para al proceso de ahora, como `systemctl stop`."""
        self.processes[-1].terminate()

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        """Una conexión nueva, desde la dirección que sea y con paciencia de sobra."""
        return socket.create_connection(self.address, timeout=30, source_address=(source, 0))

    def exchange(self, data: bytes, source: str = "127.0.0.1") -> bytes:
        """Manda unos bytes sin colgar y devuelve todo lo que contesta hasta que cuelga él."""
        with self.connect(source) as connection:
            connection.sendall(data)
            return b"".join(received(connection))


def received(connection: socket.socket) -> Iterator[bytes]:
    """Lo que llega hasta que el otro cuelga."""
    while chunk := connection.recv(65536):
        yield chunk
