"""Una segunda respuesta que nadie pidió no pasa nunca por la de la petición siguiente."""

import asyncio
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme

from estado_eventos.backend.client import Backend
from estado_eventos.backend.errors import Refused
from estado_eventos.backend.network import tls_context
from estado_eventos.backend.signer import Signer
from estado_eventos.config.settings import Settings
from estado_eventos.domain.transitions import START, Event
from tests.support.program import run
from tests.support.reactions import answer, keep_alive
from tests.support.tls import certified

LIST = keep_alive(answer(200, '[{"id": 7, "start_date": "2026-01-01T10:00:00Z"}]')).data
YES = keep_alive(answer(200, '{"success": true, "status": "en_progreso"}')).data
NO = keep_alive(answer(400, '{"error": "no toca"}')).data


@dataclass
class TalkativeServer:
    """A cada lista contesta dos veces: la lista y, tras `pause` segundos, un sí que nadie pidió. A cada POST, que no.

    Con `pause=None`, las dos van juntas en el mismo envío. Con `patient`, la pausa empieza cuando se pone `was_read`.
    """

    pause: float | None
    tls: ssl.SSLContext | None = None
    patient: bool = False
    connections: int = 0
    posts: int = 0
    was_read: threading.Event = field(default_factory=threading.Event)
    unasked: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        """Escucha ya."""
        if not self.patient:
            self.was_read.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        scheme = "https" if self.tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with self.tls.wrap_socket(connection, server_side=True) if self.tls else connection as channel:
                while head := self._read_head(channel):
                    if head.startswith(b"POST"):
                        self.posts += 1
                        channel.sendall(NO)
                    elif self.pause is None:
                        channel.sendall(LIST + YES)
                    else:
                        channel.sendall(LIST)
                        self.was_read.wait(30)
                        time.sleep(self.pause)
                        channel.sendall(YES)
                        self.unasked.set()
        except OSError:
            connection.close()

    @staticmethod
    def _read_head(channel: socket.socket) -> bytes:
        head = b""
        while b"\r\n\r\n" not in head and (chunk := channel.recv(65536)):
            head += chunk
        return head


@pytest.fixture(params=["http", "https"])
def tls(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext | None:
    """Sin TLS, y con el de una autoridad de la que este proceso se fía."""
    if request.param == "http":
        return None
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "autoridad.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "autoridad.pem"))
    return certified(authority, "127.0.0.1")


@pytest.mark.parametrize("pause", [0.001, 0.05, 0.4])
def test_what_comes_on_an_idle_connection_closes_it(pause: float, tls: ssl.SSLContext | None) -> None:
    """Lo que llega a una conexión en reposo la cierra: el POST va por otra, y su respuesta es la suya."""
    server = TalkativeServer(pause, tls, patient=True)
    settings = Settings(backend_url=server.url)

    async def ask() -> None:
        async with Backend(settings, Signer(), tls_context(settings), {}) as backend:
            (event,) = (await backend.pending(START)).events
            server.was_read.set()
            assert await asyncio.to_thread(server.unasked.wait, 30)
            await backend.apply(START, event, 0)

    with pytest.raises(Refused, match="no toca"):
        asyncio.run(ask())
    assert server.connections == 2


def test_a_quiet_connection_is_kept(tls: ssl.SSLContext | None) -> None:
    """Lo que TLS manda por su cuenta no es una respuesta: una conexión en la que no llega nada más se reutiliza."""
    server = TalkativeServer(60, tls)
    settings = Settings(backend_url=server.url)

    async def ask() -> None:
        async with Backend(settings, Signer(), tls_context(settings), {}) as backend:
            for number in range(3):
                with pytest.raises(Refused):
                    await backend.apply(START, Event(number), 0)

    asyncio.run(ask())
    assert (server.posts, server.connections) == (3, 1)


@pytest.mark.slow
@pytest.mark.parametrize("pause", [None, 0.001, 0.05, 0.4])
def test_no_event_is_reported_done_that_was_not(
    pause: float | None, tls: ssl.SSLContext | None, tmp_path: Path
) -> None:
    """Llegue cuando llegue el sí que nadie pidió, el evento que el backend no hizo no se da por hecho, y acaba en 1."""
    server = TalkativeServer(pause, tls)
    env = {"BACKEND_URL": server.url} | ({"SSL_CERT_FILE": tmp_path / "autoridad.pem"} if tls else {})

    completed = run("start", "--json", env=env)

    (event,) = completed.report["transitions"]["start"]["events"]
    assert (completed.code, event["result"]) == (1, "failed")
