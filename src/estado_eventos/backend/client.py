"""El backend visto desde aquí: leer una lista de pendientes y aplicar una transición."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import NamedTuple, Self

import httpx

from estado_eventos import __version__
from estado_eventos.backend.account import Account, login_request
from estado_eventos.backend.answers import MAX_EVENTS, Answer, Page, read_applied, read_page, read_token
from estado_eventos.backend.errors import BackendError, Unanswered, Unavailable, WrongProtocol
from estado_eventos.backend.network import explain_transport, same_origin
from estado_eventos.backend.signer import SENT, Signer
from estado_eventos.backend.token import Token
from estado_eventos.backend.transport import MAX_ANSWER_BYTES, CappedTransport
from estado_eventos.config.redactor import Redactor
from estado_eventos.config.settings import Settings
from estado_eventos.domain.transitions import Event, Transition

MAX_PAGE_BYTES, MAX_LIST_BYTES = 8 << 20, 32 << 20
MAX_PAGES = 10_000
Observer = Callable[[Answer, datetime], object]
"""A quien se le enseña cada respuesta y cuándo se hizo la petición."""

_LISTING_SHARE = 0.5
"""La parte de la pasada que se puede gastar en leer páginas: leídas y sin aplicar no sirven de nada."""


class Listing(NamedTuple):
    """Una lista de pendientes. Con `problem`, faltan páginas: que un evento no esté no significa nada."""

    events: tuple[Event, ...]
    problem: BackendError | None = None


def request_headers(run_id: str) -> dict[str, str]:
    """Las cabeceras de todo lo que se pide; con `run_id` se encuentra la pasada en el registro del backend."""
    return {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": f"estado-eventos/{__version__}",
        "X-Request-ID": run_id,
    }


class Backend:
    """Las peticiones de una transición, cada trabajador con su propia conexión.

    Un grupo de conexiones compartido de httpx 0.28 se hace más lento cuanto más crece; clientes de una sola
    conexión, no. Nada de lo que pide lanza otra cosa que `BackendError`.
    """

    def __init__(
        self,
        settings: Settings,
        auth: Signer,
        tls: ssl.SSLContext,
        headers: Mapping[str, str],
        on_answer: Observer | None = None,
    ) -> None:
        """`headers` van en cada petición; a `on_answer` se le enseña cada respuesta."""
        self._settings = settings
        self._auth = auth
        self._tls = tls
        self._headers = headers
        self._on_answer = on_answer
        self._clients: dict[int, httpx.AsyncClient] = {}
        self._read: set[Transition] = set()
        self.url = settings.backend_url
        self.timeout = settings.http_timeout
        self.requests = 0

    async def __aenter__(self) -> Self:
        """Nada se conecta hasta la primera petición."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cierra todas las conexiones."""
        for client in self._clients.values():
            await client.aclose()

    def _count(self) -> None:
        self.requests += 1

    async def pending(self, transition: Transition) -> Listing:
        """La lista de pendientes, con todas sus páginas.

        Lanza `BackendError` si no se puede leer la primera; si falla otra, lo leído vale y `problem` dice qué pasó.
        """
        events: list[Event] = []
        pages = 0
        try:
            async for page in self._pages(transition):
                pages += 1
                events += page.events
                if page.cut or len(events) > MAX_EVENTS:
                    raise Unavailable(f"trae demasiados eventos; se toman los {len(events)} primeros")
        except BackendError as error:
            if not pages:
                raise
            return Listing(tuple(events), error)
        return Listing(tuple(events))

    async def _pages(self, transition: Transition) -> AsyncIterator[Page]:
        """Las páginas de una lista, según llegan. Lanza `BackendError` en la que no se puede leer."""
        if transition in self._read:
            await self._renew_connection(0)
        self._read.add(transition)
        url = httpx.URL(self.url + transition.list_path)
        until = asyncio.get_running_loop().time() + self._settings.pass_timeout * _LISTING_SHARE
        seen: set[httpx.URL] = set()
        budget = MAX_LIST_BYTES
        while True:
            try:
                async with asyncio.timeout_at(until if seen else None):
                    page, size = await self._page(transition, url, budget)
            except TimeoutError:
                raise Unavailable(f"sus páginas no acaban de llegar; se leyeron {len(seen)}") from None
            yield page
            if page.following is None:
                return
            seen.add(url)
            budget -= size
            url = _next_page(url, page.following, seen)

    async def _page(self, transition: Transition, url: httpx.URL, budget: int) -> tuple[Page, int]:
        """Una página y los bytes que ocupa."""
        with suppress(MemoryError):
            answer = await self._exchange(0, "GET", url, min(budget, MAX_PAGE_BYTES))
            return read_page(transition, answer), len(answer.body)
        # Aquí fuera ya se ha soltado lo que se había leído.
        raise WrongProtocol("la respuesta no cabe en la memoria de que dispone este proceso")

    async def apply(self, transition: Transition, event: Event, worker: int, *, again: bool = False) -> str:
        """Aplica la transición y devuelve el estado en que quedó el evento; lanza `BackendError`.

        Con `again`, no es la primera vez que se le pide a ese evento.
        """
        if event.id is None or event.problem:
            raise ValueError(event.problem)
        path = transition.action_path(event.id)
        if again:
            await self._renew_connection(worker)
        url = httpx.URL(self.url + path)
        return read_applied(transition, await self._exchange(worker, "POST", url, MAX_ANSWER_BYTES))

    async def sign_in(self, account: Account) -> Token:
        """Inicia sesión una vez con esa cuenta; lanza `BackendError`."""
        answer = await self._send_once(0, login_request(self._settings, account, self._headers), signed=False)
        return Token.granted(read_token(answer, Redactor(account.secrets)))

    async def status(self, url: str) -> int:
        """El código con que contesta a un GET sin firmar; lanza `BackendError`."""
        request = self._client(0).build_request("GET", url, extensions={"limit": MAX_ANSWER_BYTES})
        return (await self._send(0, request, signed=False)).status

    async def _exchange(self, worker: int, method: str, url: httpx.URL, limit: int) -> Answer:
        request = self._client(worker).build_request(method, url, extensions={"limit": limit})
        answer = await self._send(worker, request)
        if answer.status == httpx.codes.UNAUTHORIZED:
            raise self._auth.denial()
        return answer

    async def _send(self, worker: int, request: httpx.Request, *, signed: bool = True) -> Answer:
        try:
            answer = await self._send_once(worker, request, signed=signed)
        except BackendError as error:
            if not signed or SENT in request.extensions:
                raise
            failure = error
        else:
            return answer.cleaned(self._auth.redactor)
        # Lo que falló fue renovar el token: la petición no ha salido, y quizá el backend no pida ninguno.
        kind = Unavailable if isinstance(failure, Unavailable) else type(failure)
        self._auth.give_up(kind(f"al renovar el token en AUTH_URL: {failure.message}", failure.hint))
        return (await self._send_once(worker, request)).cleaned(self._auth.redactor)

    async def _send_once(self, worker: int, request: httpx.Request, *, signed: bool = True) -> Answer:
        seconds, sent_at = self._settings.http_timeout, datetime.now(UTC)
        with _network_errors(seconds, self._auth.redactor):
            async with asyncio.timeout(seconds):
                response = await self._client(worker).send(request, auth=self._auth if signed else None)
        location = response.extensions["location"]
        answer = Answer(response.status_code, response.headers, response.content, location)
        if self._on_answer:
            self._on_answer(answer.cleaned(self._auth.redactor), sent_at)
        return answer

    async def _renew_connection(self, worker: int) -> None:
        """Lo que se repite va por una conexión nueva: la del trabajador puede estar cerrándose al otro lado."""
        if client := self._clients.pop(worker, None):
            await client.aclose()

    def _client(self, worker: int) -> httpx.AsyncClient:
        if worker not in self._clients:
            self._clients[worker] = httpx.AsyncClient(
                transport=CappedTransport(self._settings, self._tls, self._count),
                timeout=None,  # noqa: S113  El tiempo lo pone `asyncio.timeout`, que cuenta la petición entera.
                trust_env=False,
                headers=self._headers,
            )
        return self._clients[worker]


def _next_page(current: httpx.URL, following: object, seen: set[httpx.URL]) -> httpx.URL:
    try:
        url = current.join(following) if isinstance(following, str) else None
    except (httpx.InvalidURL, ValueError):
        url = None
    if url is None:
        raise WrongProtocol("la dirección de la página siguiente («next») no es una URL")
    if not same_origin(url, current):
        raise WrongProtocol(
            "la página siguiente de la lista («next») está en otro servidor y no se sigue",
            "Ponga en BACKEND_URL la dirección con que el backend se llama a sí mismo",
        )
    if url in seen or len(seen) >= MAX_PAGES:
        raise WrongProtocol("las páginas de la lista no se acaban nunca")
    return url


@contextmanager
def _network_errors(timeout: float, redactor: Redactor) -> Iterator[None]:
    """Todo lo que httpx puede lanzar, como `Unavailable`.

    No todo hereda de `httpx.HTTPError`: al fuzzear aparecen también `InvalidURL`, `OSError` y `ValueError`.
    """
    try:
        yield
    except TimeoutError:
        raise Unanswered(f"no contestó en {timeout:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError) as error:
        raise Unavailable(explain_transport(error, redactor.clean_text)) from error
