"""El proceso que contesta por HTTP mientras alguien pregunta: lo arranca systemd con su socket, y sin nadie se acaba.

Con topes para quien abusa: cuántas conexiones, de cuántas en cada dirección, y cuánto puede durar cada una.
"""

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress

from estado_eventos.monitoring.endpoint import MAX_REQUEST_BYTES, ConfigSource, Exchange

IDLE_SECONDS = 10.0
EXCHANGE_SECONDS = 5.0  # De la primera lectura al adiós, por despacio que vaya el cliente.
MAX_CONNECTIONS = 256
MAX_CONNECTIONS_PER_ORIGIN = 16
_MAX_DRAINED_BYTES = 1 << 20
_ACCEPTS_AT_ONCE = 64
_FIRST_DESCRIPTOR = 3  # SD_LISTEN_FDS_START
_MAPPED_IPV4 = bytes(10) + b"\xff\xff"


def inherited_listeners(environ: Mapping[str, str]) -> list[socket.socket]:
    """Los sockets que entrega systemd (sd_listen_fds(3)); ninguno, si no los entrega o ya vienen conectados."""
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(os.getpid()) or not count.isdecimal():
        return []
    found = [socket.socket(fileno=_FIRST_DESCRIPTOR + index) for index in range(int(count))]
    return [listener for listener in found if listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)]


def origin_of(family: int, address: str) -> str | bytes:
    """De quién es una conexión: su dirección, o en IPv6 su red /64, que es lo que tiene una sola máquina."""
    if family != socket.AF_INET6:
        return address
    packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    return packed if packed.startswith(_MAPPED_IPV4) else packed[:8]


def serve(listeners: Sequence[socket.socket], config: ConfigSource, idle_seconds: float = IDLE_SECONDS) -> None:
    """Contesta a lo que llega por los sockets, hasta que pasan `idle_seconds` sin ninguna conexión."""
    asyncio.run(_Server(config, idle_seconds).run(listeners))


class _Server:
    def __init__(self, config: ConfigSource, idle_seconds: float) -> None:
        self._config = config
        self._idle_seconds = idle_seconds
        self._listeners: Sequence[socket.socket] = ()
        self._by_origin: Counter[str | bytes] = Counter()
        self._conversations: set[asyncio.Task[None]] = set()

    async def run(self, listeners: Sequence[socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = loop.create_future()
        loop.set_exception_handler(self._on_bug)
        self._wait_for_somebody()
        self._listeners = listeners
        for listener in listeners:
            listener.settimeout(0)
            loop.add_reader(listener, self._accept, listener)
        await self._ended

    def _wait_for_somebody(self) -> None:
        self._idle = asyncio.get_running_loop().call_later(self._idle_seconds, self._end)

    def _end(self, error: Exception | None = None) -> None:
        if self._ended.done():
            return
        # Ya no se acepta: lo que llegue desde ahora espera en la cola de systemd, que arranca a otro.
        for listener in self._listeners:
            asyncio.get_running_loop().remove_reader(listener)
        if error:
            self._ended.set_exception(error)
        else:
            self._ended.set_result(None)

    def _on_bug(self, _: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """Un fallo nuestro acaba el proceso, que systemd arranca otra vez: no se sigue a medias ni dando vueltas."""
        error = context.get("exception")
        self._end(error if isinstance(error, Exception) else RuntimeError(str(context.get("message"))))

    def _accept(self, listener: socket.socket) -> None:
        # Unas cuantas, y a atender a las que ya están: una avalancha no deja sin turno a las demás.
        for _ in range(_ACCEPTS_AT_ONCE):
            try:
                connection, peer = listener.accept()
            except BlockingIOError:
                return
            except ConnectionError:
                continue
            origin = origin_of(connection.family, peer[0] if peer else "")
            busy = self._by_origin.total() >= MAX_CONNECTIONS
            if busy or self._by_origin[origin] >= MAX_CONNECTIONS_PER_ORIGIN:
                connection.close()
                continue
            self._by_origin[origin] += 1
            self._idle.cancel()
            conversation = asyncio.get_running_loop().create_task(self._attend(connection, origin))
            # El bucle solo guarda referencias débiles.
            self._conversations.add(conversation)
            conversation.add_done_callback(self._conversations.discard)

    async def _attend(self, connection: socket.socket, origin: str | bytes) -> None:
        try:
            # De lo que haga un cliente no hay nada que contar: colgó, o se le acabó el tiempo (`TimeoutError`).
            with connection, suppress(OSError):
                connection.settimeout(0)
                async with asyncio.timeout(EXCHANGE_SECONDS):
                    await _converse(connection, self._config)
        except Exception as error:  # noqa: BLE001  Un fallo nuestro: que lo diga una línea y no una pila de llamadas.
            self._end(error)
        finally:
            self._by_origin[origin] -= 1
            if not self._by_origin[origin]:
                del self._by_origin[origin]
            if not self._by_origin:
                self._wait_for_somebody()


async def _converse(connection: socket.socket, config: ConfigSource) -> None:
    loop = asyncio.get_running_loop()
    exchange = Exchange(config)
    reply = None
    while reply is None:
        chunk = await loop.sock_recv(connection, MAX_REQUEST_BYTES)
        reply = exchange.receive(chunk)
        if reply is None and not chunk:
            return
    await loop.sock_sendall(connection, reply.head)
    await loop.sock_sendall(connection, reply.body)
    # Se despide y espera a que cuelgue el cliente: cerrar con algo sin leer borraría la respuesta de camino (RST).
    connection.shutdown(socket.SHUT_WR)
    drained = 0
    while drained < _MAX_DRAINED_BYTES and (chunk := await loop.sock_recv(connection, 64 * 1024)):
        drained += len(chunk)
