"""Las respuestas HTTP en las pruebas: pedirlas, en este proceso o por un socket, y leerlas con rigor."""

import http.client
import io
import json
import re
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.message import Message
from types import TracebackType
from typing import Any, Self

from estado_eventos.domain.report import Report
from estado_eventos.monitoring.endpoint import EndpointConfig, respond
from estado_eventos.output.streams import json_line
from tests.support.program import PROGRAM, environment

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


@dataclass
class Inetd:
    """Lo que hace systemd con `Accept=yes`: por cada conexión, un proceso con ella por entrada y salida."""

    env: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Escucha ya; el buffer de salida es pequeño, para que ninguna respuesta grande quepa de golpe."""
        self.processes: list[subprocess.Popen[bytes]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.address = self._listener.getsockname()
        self.url = f"http://127.0.0.1:{self.address[1]}"
        # La última conexión, la que lo para; las que llegaron antes se atienden.
        self._last = socket.socket()
        self._last.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        """Empieza a aceptar."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Deja de aceptar y espera a los procesos."""
        with self._last, self._listener:
            self._last.connect(self.address)
            self._thread.join()
        self.endings = [(process.wait(30), process.communicate()[1].decode()) for process in self.processes]

    def _accept(self) -> None:
        while True:
            connection, peer = self._listener.accept()
            with connection:
                if peer == self._last.getsockname():
                    return
                # Quien acepta sin bloquearse pasa así el socket.
                connection.settimeout(0)
                self.processes.append(
                    subprocess.Popen(
                        [*PROGRAM, "http"],
                        env=environment(**self.env),
                        cwd="/",
                        stdin=connection.fileno(),
                        stdout=connection.fileno(),
                        stderr=subprocess.PIPE,
                    )
                )

    def connect(self) -> socket.socket:
        """Una conexión nueva, con paciencia de sobra."""
        return socket.create_connection(self.address, timeout=30)

    def exchange(self, data: bytes) -> bytes:
        """Manda unos bytes sin colgar y devuelve todo lo que contesta hasta que cuelga él."""
        with self.connect() as connection:
            connection.sendall(data)
            return b"".join(received(connection))


def received(connection: socket.socket) -> Iterator[bytes]:
    """Lo que llega hasta que el otro cuelga."""
    while chunk := connection.recv(65536):
        yield chunk
