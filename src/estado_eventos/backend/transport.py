"""La conexión con el backend: una por trabajador, con TLS del sistema, proxy solo a propósito y respuestas acotadas."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from typing import cast

import httpx

from estado_eventos.backend.errors import WrongProtocol
from estado_eventos.backend.network import resolvable
from estado_eventos.config.settings import Settings

MAX_ANSWER_BYTES = 64 << 10
# gunicorn cierra una conexión ociosa a los 2 s; reutilizarla justo entonces perdería la petición.
ONE_CONNECTION = httpx.Limits(max_connections=1, keepalive_expiry=1.0)
"""Una conexión, que se reutiliza mientras está fresca: httpcore la cierra si entretanto llega algo que nadie pidió."""
_CHUNKS_AT_ONCE = 256
_MAX_MARKS = 600_000
"""Las comas y aperturas que puede traer una respuesta: cada una cuesta memoria, y 8 MiB de «{},» serían 200."""


class Connection(httpx.AsyncBaseTransport):
    """Una sola conexión, con el transporte de httpx; se reutiliza mientras está fresca."""

    def __init__(self, tls: ssl.SSLContext, proxy: httpx.Proxy | None = None) -> None:
        """Nada se conecta hasta la primera petición."""
        self._inner = httpx.AsyncHTTPTransport(verify=tls, trust_env=False, limits=ONE_CONNECTION, proxy=proxy)

    async def aclose(self) -> None:
        """La cierra."""
        await self._inner.aclose()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Hace la petición; lanza `httpx.TransportError`."""
        host = resolvable(request.url.host)
        if host == request.url.host:
            return await self._inner.handle_async_request(request)
        named = httpx.Request(
            request.method,
            request.url.copy_with(host=host),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": request.url.host},
        )
        return await self._inner.handle_async_request(named)


def connection_of(settings: Settings, tls: ssl.SSLContext) -> Connection:
    """La conexión con el backend, por el proxy si lo hay."""
    if settings.backend_proxy is None:
        return Connection(tls)
    url = httpx.URL(settings.backend_proxy.get_secret_value())
    url = url.copy_with(host=resolvable(url.host))
    return Connection(tls, httpx.Proxy(url, ssl_context=tls if url.scheme == "https" else None))


Connect = Callable[[Settings, ssl.SSLContext], httpx.AsyncBaseTransport]
"""Quien da una conexión; todavía no se conecta."""


class CappedTransport(httpx.AsyncBaseTransport):
    """Una conexión que cuenta lo que pide y no deja que ninguna respuesta, tampoco las de renovar, sea enorme."""

    def __init__(self, inner: httpx.AsyncBaseTransport, on_request: Callable[[], None]) -> None:
        """Llama a `on_request` por cada petición que sale."""
        self._inner = inner
        self._on_request = on_request

    async def aclose(self) -> None:
        """Cierra la conexión."""
        await self._inner.aclose()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Lanza `WrongProtocol` si la respuesta viene comprimida o, al leerla, si pasa de `extensions["limit"]`."""
        self._on_request()
        response = await self._inner.handle_async_request(request)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            # httpx descomprime un bloque entero antes de que ningún tope lo vea: 1,5 MB eran 446 MiB.
            await response.aclose()
            raise WrongProtocol("la respuesta viene comprimida sin haberlo pedido")
        _hide_from_httpx(response)
        limit = request.extensions.get("limit", MAX_ANSWER_BYTES)
        response.stream = _Capped(cast("httpx.AsyncByteStream", response.stream), limit)
        return response


def _hide_from_httpx(response: httpx.Response) -> None:
    """Quita lo que httpx entendería aunque nadie se lo pida: con según qué valores, no daría la respuesta.

    De `Location` prepara la redirección que no va a seguir, y queda en `extensions["location"]`; de `Set-Cookie`, la
    cookie que nadie va a mandar.
    """
    response.extensions["location"] = response.headers.pop("location", "")
    response.headers.pop("set-cookie", None)


class _Capped(httpx.AsyncByteStream):
    """El cuerpo de una respuesta, hasta `limit` bytes y `_MAX_MARKS`; más allá, `WrongProtocol`."""

    def __init__(self, stream: httpx.AsyncByteStream, limit: int) -> None:
        self._stream = stream
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = marks = chunks = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > self._limit:
                raise WrongProtocol(f"la respuesta pasa de {self._limit >> 10} KiB")
            marks += sum(map(chunk.count, (b",", b"[", b"{")))
            if marks > _MAX_MARKS:
                raise WrongProtocol("la respuesta trae demasiados elementos")
            yield chunk
            chunks += 1
            if chunks % _CHUNKS_AT_ONCE == 0:
                # Los que llegaron juntos se leen sin soltar el bucle, y sin él no hay límite de tiempo que valga.
                await asyncio.sleep(0)

    async def aclose(self) -> None:
        await self._stream.aclose()
