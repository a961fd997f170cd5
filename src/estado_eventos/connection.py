"""Una conexión HTTP/1.1 sobre asyncio y h11: lo que httpx usa por debajo, sin lo que aquí sobra.

El transporte de httpx (httpcore con anyio) gasta por petición el doble de CPU, y solo importarlo es una décima parte de
una pasada sin eventos. De lo que hace, aquí no hace falta casi nada: ni grupo de conexiones, ni HTTP/2, ni trio.
"""

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import h11
import httpx

_MAX_HEAD_BYTES = 64 << 10
_READ_BYTES = 64 << 10
# gunicorn cierra una conexión ociosa a los 2 s; reutilizarla justo entonces perdería la petición.
_KEEPALIVE_SECONDS = 1.0
# RFC 8305: lo que se espera a una dirección antes de probar también con la siguiente.
_NEXT_ADDRESS_SECONDS = 0.25
_PORTS = {"http": 80, "https": 443}


@dataclass(slots=True)
class _Link:
    """Un socket abierto y lo que h11 sabe de la conversación que lleva."""

    origin: tuple[str, str, int | None]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    state: h11.Connection
    idle_since: float = 0.0

    def is_fresh(self, origin: tuple[str, str, int | None], now: float) -> bool:
        # Lo que sobró de la respuesta anterior pasaría por la siguiente.
        leftover, _ = self.state.trailing_data
        alive = not self.reader.at_eof() and not self.writer.is_closing() and not leftover
        return alive and self.origin == origin and now - self.idle_since < _KEEPALIVE_SECONDS

    async def next_event(self) -> h11.Event | type[h11.PAUSED | h11.NEED_DATA]:
        while (event := self.state.next_event()) is h11.NEED_DATA:
            self.state.receive_data(await self.reader.read(_READ_BYTES))
        return event


class Connection(httpx.AsyncBaseTransport):
    """Un transporte de httpx con una sola conexión, que se reutiliza mientras está fresca; una petición a la vez."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        """Nada se conecta hasta la primera petición."""
        self._tls = tls
        self._link: _Link | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Hace la petición y vuelve con la cabecera leída; el cuerpo se lee de `stream`.

        Lanza lo que cualquier transporte de httpx: subclases de `httpx.TransportError`.
        """
        try:
            with _as_httpx_errors():
                link = await self._connect(request.url)
                await _write(link, request)
                response = await _read_head(link)
        except BaseException:
            await self.aclose()
            raise
        return httpx.Response(response.status_code, headers=response.headers.raw_items(), stream=_Body(self, link))

    async def _connect(self, url: httpx.URL) -> _Link:
        origin = (url.scheme, url.host, url.port)
        if self._link and self._link.is_fresh(origin, asyncio.get_running_loop().time()):
            return self._link
        await self.aclose()
        host = url.raw_host.decode("ascii").strip("[]")
        # Una dirección no tiene otra con que competir, y la carrera de asyncio pierde sockets si la cortan.
        reader, writer = await asyncio.open_connection(
            host,
            url.port or _PORTS[url.scheme],
            ssl=self._tls if url.scheme == "https" else None,
            happy_eyeballs_delay=None if is_address(host) else _NEXT_ADDRESS_SECONDS,
        )
        state = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD_BYTES)
        self._link = _Link(origin, reader, writer, state)
        return self._link

    async def finish(self, link: _Link) -> None:
        """Deja la conexión lista para otra petición o, si la respuesta no se leyó entera, la cierra."""
        if link.state.our_state is h11.DONE and link.state.their_state is h11.DONE:
            link.state.start_next_cycle()
            link.idle_since = asyncio.get_running_loop().time()
        else:
            await self.aclose()

    async def aclose(self) -> None:
        """Cierra la conexión sin esperar a nadie."""
        if self._link:
            writer = self._link.writer
            self._link = None
            writer.transport.abort()
            # Al transporte le hace falta una vuelta del bucle para soltar el socket.
            await asyncio.sleep(0)


def is_address(host: str) -> bool:
    """Si ya es una dirección y no hay ningún nombre que resolver."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def _write(link: _Link, request: httpx.Request) -> None:
    head = h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw)
    parts = [link.state.send(head)]
    if body := await request.aread():
        parts.append(link.state.send(h11.Data(data=body)))
    parts.append(link.state.send(h11.EndOfMessage()))
    link.writer.write(b"".join(part for part in parts if part))


async def _read_head(link: _Link) -> h11.Response:
    while True:
        event = await link.next_event()
        if isinstance(event, h11.Response):
            return event
        if not isinstance(event, h11.InformationalResponse):
            raise httpx.RemoteProtocolError("el servidor cerró sin contestar")


class _Body(httpx.AsyncByteStream):
    """El cuerpo de una respuesta, según llega."""

    def __init__(self, connection: Connection, link: _Link) -> None:
        self._connection = connection
        self._link = link

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx_errors():
            while isinstance(event := await self._link.next_event(), h11.Data):
                yield bytes(event.data)

    async def aclose(self) -> None:
        await self._connection.finish(self._link)


@contextlib.contextmanager
def _as_httpx_errors() -> Iterator[None]:
    """Los errores de h11 y del sistema con los nombres que httpx les da, y su causa dentro."""
    try:
        yield
    except h11.RemoteProtocolError as error:
        raise httpx.RemoteProtocolError(str(error)) from error
    except h11.LocalProtocolError as error:
        raise httpx.LocalProtocolError(str(error)) from error
    except TimeoutError:
        raise
    except OSError as error:
        raise httpx.NetworkError(str(error)) from error
