"""El backend visto desde aquí: leer una lista de pendientes y aplicar una transición."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

import httpx

from estado_eventos import __version__
from estado_eventos.backend.account import Account, login_request
from estado_eventos.backend.answers import MAX_EVENTS, Answer, Page, in_between, read_applied, read_page, read_told
from estado_eventos.backend.departure import Departure, Hold
from estado_eventos.backend.errors import BackendError, Unanswered, Unavailable, Untrusted, WrongProtocol
from estado_eventos.backend.grants import read_token
from estado_eventos.backend.network import explain_transport, is_untrusted
from estado_eventos.backend.pages import Listing, Trail
from estado_eventos.backend.signer import SENT, Signer
from estado_eventos.backend.token import Token
from estado_eventos.backend.transport import MAX_ANSWER_BYTES, CappedTransport, Connect, connection_of
from estado_eventos.config.redactor import Redactor
from estado_eventos.config.settings import Settings
from estado_eventos.domain import wall_clock
from estado_eventos.domain.transitions import Event, Transition

MAX_PAGE_BYTES, MAX_LIST_BYTES = 8 << 20, 32 << 20
Observer = Callable[[Answer], object]
"""A quien se le enseña cada respuesta."""
# Leídas y sin aplicar, las páginas no sirven de nada.
_LISTING_SHARE = 0.5


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
        self.connect: Connect = connection_of
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

    async def pending(self, transition: Transition, hold: Hold | None = None) -> Listing:
        """La lista de pendientes, con todas sus páginas; la primera se pide cuando acaba `hold`.

        Lanza `BackendError` si no se puede leer la primera, y lo que lance `hold`; si falla otra, lo leído vale y
        `problem` dice qué pasó.
        """
        events: list[Event] = []
        first: Page | None = None
        problem = None
        try:
            async for page in self._pages(transition, hold):
                first = first or page
                events += page.events
                if page.cut or len(events) > MAX_EVENTS:
                    raise Unavailable(f"trae demasiados eventos; se toman los {len(events)} primeros")
        except BackendError as error:
            if first is None:
                raise
            problem = error
        return Listing(tuple(events), problem, first.sighting if first else None)

    async def _pages(self, transition: Transition, hold: Hold | None) -> AsyncIterator[Page]:
        """Las páginas de una lista, según llegan. Lanza `BackendError` en la que no se puede leer."""
        if transition in self._read:
            await self._renew_connection(0)
        self._read.add(transition)
        trail = Trail(httpx.URL(self.url + transition.list_path))
        until = asyncio.get_running_loop().time() + self._settings.pass_timeout * _LISTING_SHARE
        budget = MAX_LIST_BYTES
        while True:
            is_first = not trail.read
            try:
                async with asyncio.timeout_at(None if is_first else until):
                    page, size = await self._page(transition, trail.url, budget, hold if is_first else None)
            except TimeoutError:
                raise Unavailable(f"sus páginas no acaban de llegar; se leyeron {trail.read}") from None
            except WrongProtocol as error:
                raise trail.explain(error) from None
            yield page
            if not trail.follow(page.following, page.total):
                return
            budget -= size

    async def _page(self, transition: Transition, url: httpx.URL, budget: int, hold: Hold | None) -> tuple[Page, int]:
        """Una página y los bytes que ocupa."""
        with suppress(MemoryError):
            answer = await self._exchange(0, self._request(0, "GET", url, min(budget, MAX_PAGE_BYTES)), hold)
            return read_page(transition, answer), len(answer.body)
        # Aquí fuera ya se ha soltado lo que se había leído.
        raise WrongProtocol("la respuesta no cabe en la memoria de que dispone este proceso")

    async def apply(self, transition: Transition, event: Event, worker: int, *, again: bool = False) -> str:
        """Aplica la transición y devuelve el estado en que quedó el evento; lanza `BackendError`.

        Con `again`, no es la primera vez que se le pide a ese evento.
        """
        if event.id is None or event.problem:
            raise ValueError(event.problem)
        if again:
            await self._renew_connection(worker)
        url = httpx.URL(self.url + transition.action_path(event.id))
        return read_applied(transition, await self._exchange(worker, self._request(worker, "POST", url)))

    async def tell(self, path: str, event_id: int | str, worker: int) -> None:
        """Avisa, en esa ruta del servidor, de que un evento finalizó; lanza `BackendError`."""
        url = httpx.URL(self.url).join(path)
        read_told(await self._exchange(worker, self._request(worker, "POST", url, content={"event_id": event_id})))

    async def sign_in(self, account: Account) -> Token:
        """Inicia sesión una vez con esa cuenta; lanza `BackendError`."""
        redactor = self._auth.redactor
        for secret in account.secrets:
            redactor.add(secret)
        answer = await self._send_once(0, login_request(self._settings, account, self._headers), signed=False)
        return Token.granted(read_token(answer, redactor))

    async def status(self, url: str) -> int:
        """El código con que contesta a un GET sin firmar; lanza `BackendError`."""
        return (await self._send(0, self._request(0, "GET", httpx.URL(url)), signed=False)).status

    def _request(
        self,
        worker: int,
        method: str,
        url: httpx.URL,
        limit: int = MAX_ANSWER_BYTES,
        content: Mapping[str, object] | None = None,
    ) -> httpx.Request:
        return self._client(worker).build_request(method, url, json=content, extensions={"limit": limit})

    async def _exchange(self, worker: int, request: httpx.Request, hold: Hold | None = None) -> Answer:
        answer = await self._send(worker, request, hold=hold)
        if answer.status == httpx.codes.UNAUTHORIZED:
            raise in_between(answer) or self._auth.denial()
        return answer

    async def _send(
        self, worker: int, request: httpx.Request, *, signed: bool = True, hold: Hold | None = None
    ) -> Answer:
        try:
            answer = await self._send_once(worker, request, signed=signed, hold=hold)
        except BackendError as error:
            if not signed or SENT in request.extensions:
                raise
            failure = error
        else:
            return answer.cleaned(self._auth.redactor)
        # Lo que falló fue renovar el token: la petición no ha salido, y quizá el backend no pida ninguno.
        kind = Unavailable if isinstance(failure, Unavailable) else type(failure)
        self._auth.give_up(kind(f"al renovar el token en AUTH_URL: {failure.message}", failure.hint))
        return (await self._send_once(worker, request, hold=hold)).cleaned(self._auth.redactor)

    async def _send_once(
        self, worker: int, request: httpx.Request, *, signed: bool = True, hold: Hold | None = None
    ) -> Answer:
        departure = Departure(self._settings.http_timeout, hold)
        if request.method == "GET":
            request.extensions["trace"] = departure.trace
        try:
            with _network_errors(self._settings.http_timeout, self._auth.redactor):
                async with departure.limit:
                    response = await self._client(worker).send(request, auth=self._auth if signed else None)
        finally:
            self.requests -= departure.is_held
        said = response.status_code, response.headers, response.content, response.extensions["location"]
        answer = Answer(*said, departure.at, wall_clock.epoch())
        if self._on_answer:
            self._on_answer(answer.cleaned(self._auth.redactor))
        return answer

    async def _renew_connection(self, worker: int) -> None:
        """Lo que se repite va por una conexión nueva: la del trabajador puede estar cerrándose al otro lado."""
        if client := self._clients.pop(worker, None):
            await client.aclose()

    def _client(self, worker: int) -> httpx.AsyncClient:
        if worker not in self._clients:
            self._clients[worker] = httpx.AsyncClient(
                transport=CappedTransport(self.connect(self._settings, self._tls), self._count),
                timeout=None,  # noqa: S113  El tiempo lo pone `asyncio.timeout`, que cuenta la petición entera.
                trust_env=False,
                headers=self._headers,
            )
        return self._clients[worker]


@contextmanager
def _network_errors(timeout: float, redactor: Redactor) -> Iterator[None]:
    """Todo lo que httpx puede lanzar, como `Unavailable`.

    No todo hereda de `httpx.HTTPError`: al fuzzear aparecen también `InvalidURL`, `OSError` y `ValueError`.
    """
    try:
        yield
    except TimeoutError:
        raise Unanswered(f"no contestó en {timeout:g} s") from None
    except httpx.ProxyError as error:
        refusal = in_between(Answer(407, {}, b"")) if str(error).startswith("407") else None
        raise refusal or Unavailable(f"el proxy no deja pasar: {explain_transport(error, redactor)}") from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError) as error:
        reason = explain_transport(error, redactor)
        if is_untrusted(error):
            raise Untrusted(reason) from error
        raise Unavailable(reason) from error
