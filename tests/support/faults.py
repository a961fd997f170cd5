"""Un servidor HTTP con averías: contesta lo que diga una regla o pasa la petición a un backend de verdad."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.support.reactions import Drip, Fault, Late, Raw, Reaction, Request, Rule, Spoiled, pass_through

_LAST_SECONDS = 5
"""Lo que se espera a cada conexión abierta al cerrar el servidor; con quien ya no está, nada."""


@dataclass
class FaultyServer:
    """Atiende cada conexión en un hilo; con `tls`, es https. `upstream` es la BACKEND_URL del backend que hay detrás.

    Como un proxy, publica en su raíz la API que allí cuelga de un prefijo; lo demás, donde está.
    `greeting`, si lo hay, dice qué hacer con la enésima conexión sin leer nada de ella; `None`, atenderla.
    """

    rule: Rule = pass_through
    upstream: str | None = None
    tls: ssl.SSLContext | None = None
    greeting: Callable[[int], Fault | Drip | Raw | None] | None = None
    connections: int = 0
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Escucha ya en un puerto libre: quien conecte no tiene que esperar."""
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        scheme = "https" if self.tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._serving: list[threading.Thread] = []

    def __enter__(self) -> Self:
        """Empieza a atender."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Deja de atender, suelta a quien esté esperando y acaba lo que estaba pasando al backend."""
        self._closing.set()
        # Cerrar el socket no despierta a quien espera en `accept`; una conexión, sí.
        socket.create_connection(self._listener.getsockname()).close()
        self._thread.join()
        self._listener.close()
        for serving in self._serving:
            serving.join(_LAST_SECONDS)

    def count(self, method: str, ending: str = "") -> int:
        """Cuántas peticiones llegaron con ese método y ese final de ruta."""
        return sum(request.method == method and request.path.endswith(ending) for request in self.requests)

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._closing.is_set():
                connection.close()
                return
            serving = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            serving.start()
            self._serving.append(serving)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with self.tls.wrap_socket(connection, server_side=True) if self.tls else connection as channel:
                if self._greet(channel):
                    while request := self._read(channel):
                        request.reaction = self.rule(request)
                        if not self._react(channel, request.reaction, request):
                            break
        except OSError:
            connection.close()

    def _greet(self, connection: socket.socket) -> bool:
        """Hace lo que `greeting` diga con la conexión; dice si hay que atenderla."""
        with self._lock:
            self.connections += 1
            greeting = self.greeting(self.connections) if self.greeting else None
        if greeting is None:
            return True
        self._react(connection, greeting, None)
        return False

    def _read(self, connection: socket.socket) -> Request | None:
        data = b""
        while b"\r\n\r\n" not in data:
            chunk = connection.recv(65536)
            if not chunk:
                return None
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        while len(body) < int(headers.get("content-length", "0")) and (chunk := connection.recv(65536)):
            body += chunk
        method, path, _ = first.split(" ")
        with self._lock:
            nth = 1 + sum((known.method, known.path) == (method, path) for known in self.requests)
            request = Request(method, path, headers, body, nth, peer=str(connection.getpeername()))
            self.requests.append(request)
        return request

    def _react(self, connection: socket.socket, reaction: Reaction, request: Request | None) -> bool:
        """Hace lo que la regla dice; contesta si la conexión sigue."""
        match reaction:
            case Raw(data, close):
                connection.sendall(data)
                return not close
            case Drip(data, drop, every):
                connection.sendall(data)
                while not self._closing.wait(every):
                    connection.sendall(drop)
            case Late(seconds, then):
                return not self._closing.wait(seconds) and self._react(connection, then, request)
            case Spoiled(change, then):
                connection.sendall(change(self._forward(request)))
                return self._react(connection, then, request)
            case Fault.RESET:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case Fault.STALL:
                self._closing.wait()
            case Fault.CUT_AFTER_APPLYING:
                self._forward(request)
            case None:
                connection.sendall(self._forward(request))
                return True
        return False

    def _forward(self, request: Request | None) -> bytes:
        assert request, "una conexión sin leer no se puede pasar al backend"
        assert self.upstream, f"no hay backend al que pasar {request.method} {request.path}"
        upstream = urlsplit(self.upstream)
        headers = {name: value for name, value in request.headers.items() if name not in {"connection", "host"}}
        with closing(HTTPConnection(upstream.hostname or "", upstream.port, timeout=30)) as client:
            prefix = upstream.path if request.path.startswith("/api/") else ""
            client.request(request.method, prefix + request.path, request.body, headers)
            response = client.getresponse()
            body = response.read()
        head = f"HTTP/1.1 {response.status} {response.reason}\r\nContent-Type: application/json\r\n"
        head += f"Date: {response.headers['Date']}\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def check_no_blind_repeats(requests: Sequence[Request]) -> None:
    """Ningún evento se pidió dos veces sin haber leído entre medias la lista que lo enseñaba.

    Repetirlo tras un 401, que dice que el backend no hizo nada, no cuenta: se hace con otro token, aunque sea el mismo
    texto por haberse firmado en el mismo segundo.
    """
    asked: dict[str, str | None] = {}
    for request in requests:
        *_, target, verb = ("", *request.path.partition("?")[0].strip("/").split("/"))
        token = request.headers.get("authorization")
        if request.method == "POST" and target != "auth":
            assert request.path not in asked or asked[request.path] != token, f"se repitió a ciegas {request.path}"
            asked[request.path] = token
            if isinstance(request.reaction, Raw) and request.reaction.data.startswith(b"HTTP/1.1 401 "):
                del asked[request.path]
        elif request.method == "GET" and _was_read(request.reaction):
            moved = verb.removeprefix("pending-")
            asked = {path: sent for path, sent in asked.items() if not path.endswith(f"/{moved}/")}


def _was_read(reaction: Reaction) -> bool:
    """Si quien pidió recibió entera la respuesta del backend, u otra que dice que sí."""
    match reaction:
        case Late(_, then):
            return _was_read(then)
        case Raw(data):
            return data.startswith(b"HTTP/1.1 200 ")
        case Spoiled(change):
            return change is bytes
    return reaction is None
