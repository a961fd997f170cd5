"""El backend visto desde aquí: leer una lista de pendientes y aplicar una transición."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import Self

import httpx

from estado_eventos import __version__
from estado_eventos.auth import BearerAuth, same_origin
from estado_eventos.protocol import (
    Answer,
    BackendError,
    Denied,
    Unavailable,
    WrongProtocol,
    explain_transport,
    read_applied,
    read_page,
)
from estado_eventos.settings import Settings
from estado_eventos.transitions import Event, Transition

MAX_LIST_BYTES = 32 << 20
MAX_PAGES = 10_000
_MAX_ANSWER_BYTES = 64 << 10
# gunicorn cierra una conexión ociosa a los 2 s; reutilizarla justo entonces perdería la petición.
_KEEPALIVE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Listing:
    """Una lista de pendientes. Con `problem`, faltan páginas: que un evento no esté no significa nada."""

    events: tuple[Event, ...]
    problem: BackendError | None = None


def tls_context(settings: Settings) -> ssl.SSLContext:
    """El contexto TLS de todas las conexiones: las autoridades del sistema, o ninguna si todo es `http://`."""
    proxy = settings.backend_proxy
    urls = (settings.backend_url, proxy.get_secret_value() if proxy else "")
    if any(url.startswith("https:") for url in urls):
        import truststore

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Vacío cuesta 25 ms menos que cargado, y si algo lo usara por error no se fiaría de nadie.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _proxy(settings: Settings, tls: ssl.SSLContext) -> httpx.Proxy | None:
    if settings.backend_proxy is None:
        return None
    url = httpx.URL(settings.backend_proxy.get_secret_value())
    return httpx.Proxy(url, ssl_context=tls if url.scheme == "https" else None)


class Backend:
    """Las peticiones de una transición, cada carril con su propia conexión.

    Un grupo de conexiones compartido de httpx 0.28 se hace más lento cuanto más crece; clientes de una sola
    conexión, no. Nada de lo que pide lanza otra cosa que `BackendError`.
    """

    def __init__(self, settings: Settings, auth: BearerAuth, tls: ssl.SSLContext, run_id: str) -> None:
        """`run_id` va en `X-Request-ID` de cada petición."""
        self._settings = settings
        self._auth = auth
        self._tls = tls
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"estado-eventos/{__version__}",
            "X-Request-ID": run_id,
        }
        self._lanes: dict[int, httpx.AsyncClient] = {}
        self.url = settings.backend_url
        self.requests = 0

    async def __aenter__(self) -> Self:
        """Nada se conecta hasta la primera petición."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cierra todas las conexiones."""
        for client in self._lanes.values():
            await client.aclose()

    async def pending(self, transition: Transition) -> Listing:
        """La lista de pendientes, con todas sus páginas.

        Lanza `BackendError` si no se puede leer la primera; si falla otra, lo leído vale y `problem` dice qué pasó.
        """
        url = httpx.URL(self.url + transition.list_path)
        events: list[Event] = []
        seen: set[httpx.URL] = set()
        budget = MAX_LIST_BYTES
        while True:
            try:
                answer = await self._exchange(0, "GET", url, budget)
                page = read_page(transition, answer)
            except BackendError as error:
                if not seen:
                    raise
                return Listing(tuple(events), error)
            events += page.events
            if page.next_url is None:
                return Listing(tuple(events))
            seen.add(url)
            budget -= len(answer.body)
            try:
                url = _next_page(url, page.next_url, seen)
            except WrongProtocol as error:
                return Listing(tuple(events), error)

    async def apply(self, transition: Transition, event: Event, lane: int) -> str:
        """Aplica la transición y devuelve el estado en que quedó el evento; lanza `BackendError`."""
        if event.id is None or event.problem:
            raise ValueError(event.problem)
        url = httpx.URL(self.url + transition.action_path(event.id))
        return read_applied(transition, await self._exchange(lane, "POST", url, _MAX_ANSWER_BYTES))

    async def _exchange(self, lane: int, method: str, url: httpx.URL, limit: int) -> Answer:
        client = self._client(lane)
        with _network_errors(self._settings.http_timeout):
            async with asyncio.timeout(self._settings.http_timeout):
                request = client.build_request(method, url)
                response = await client.send(request, auth=self._auth, stream=True)
                try:
                    if response.headers.get("content-encoding", "identity").lower() != "identity":
                        raise WrongProtocol("la respuesta viene comprimida sin haberlo pedido")
                    body = bytearray()
                    async for chunk in response.aiter_raw():
                        body += chunk
                        if len(body) > limit:
                            raise WrongProtocol(f"la respuesta pasa de {limit >> 10} KiB")
                finally:
                    await response.aclose()
        if response.status_code == 401:
            raise Denied(self._auth.explain_denial())
        return Answer(response.status_code, response.headers, bytes(body))

    def _client(self, lane: int) -> httpx.AsyncClient:
        if lane not in self._lanes:
            transport = httpx.AsyncHTTPTransport(
                verify=self._tls,
                trust_env=False,
                limits=httpx.Limits(max_connections=1, keepalive_expiry=_KEEPALIVE_SECONDS),
                proxy=_proxy(self._settings, self._tls),
            )
            client = httpx.AsyncClient(
                transport=transport,
                timeout=None,  # noqa: S113  El tiempo lo pone `asyncio.timeout`, que cuenta la petición entera.
                trust_env=False,
                headers=self._headers,
                event_hooks={"request": [self._count]},
            )
            client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            self._lanes[lane] = client
        return self._lanes[lane]

    async def _count(self, request: httpx.Request) -> None:  # noqa: ARG002  Lo llama httpx con la petición.
        self.requests += 1


def _next_page(current: httpx.URL, text: str, seen: set[httpx.URL]) -> httpx.URL:
    try:
        url = current.join(text)
    except (httpx.InvalidURL, ValueError):
        raise WrongProtocol("la dirección de la página siguiente («next») no es una URL") from None
    if not same_origin(url, current):
        raise WrongProtocol(
            "la página siguiente de la lista («next») está en otro servidor y no se sigue. "
            "Ponga en BACKEND_URL la dirección con que el backend se llama a sí mismo"
        )
    if url in seen or len(seen) >= MAX_PAGES:
        raise WrongProtocol("las páginas de la lista no se acaban nunca")
    return url


@contextmanager
def _network_errors(timeout: float) -> Iterator[None]:
    """Todo lo que httpx puede lanzar, como `Unavailable`.

    No todo hereda de `httpx.HTTPError`: al fuzzear aparecen también `InvalidURL`, `OSError` y `ValueError`.
    """
    try:
        yield
    except TimeoutError:
        raise Unavailable(f"no contestó en {timeout:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError) as error:
        raise Unavailable(explain_transport(error)) from error
