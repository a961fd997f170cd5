"""Lo que el diagnóstico pide al backend: nunca más que leer, con los tokens que ya hay, y fijándose en su reloj."""

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence

import httpx

from estado_eventos.backend.account import account_of
from estado_eventos.backend.answers import Answer
from estado_eventos.backend.auth import BearerAuth
from estado_eventos.backend.client import Backend, request_headers
from estado_eventos.backend.clock import BackendClock, sight
from estado_eventos.backend.errors import BackendError, Denied
from estado_eventos.backend.network import in_clear, same_origin, tls_context
from estado_eventos.backend.signer import SENT
from estado_eventos.backend.token import Token
from estado_eventos.config.settings import Settings
from estado_eventos.domain.transitions import TRANSITIONS
from estado_eventos.reconcile.run import new_run_id

_MAX_CANDIDATES = 12
_USUAL_PREFIX = "events"
# Con 400 contesta quien habla https a lo que le llega en claro.
_ELSEWHERE = {*range(300, 400), 400}


class GivenTokens(BearerAuth):
    """Firma con los tokens que ya hay, uno detrás de otro mientras los rechacen, y no pide ninguno más."""

    def __init__(self, settings: Settings, headers: Mapping[str, str], tokens: Sequence[Token]) -> None:
        """`tokens` van en el orden en que los usaría una pasada; sin ninguno, las peticiones van sin firmar."""
        super().__init__(settings, headers)
        self._tokens = tokens
        for token in tokens:
            self.redactor.add(token.text)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Firma la petición, solo si es al backend; con un 401 la repite con el token siguiente."""
        request.extensions[SENT] = True
        if not self._tokens or not same_origin(request.url, self._backend):
            yield request
            return
        for token in self._tokens:
            request.headers["Authorization"] = f"Bearer {token.text}"
            response = yield request
            if response.status_code != httpx.codes.UNAUTHORIZED:
                return


class LastAnswer:
    """A dónde redirige la última respuesta y cuánto tardó la más lenta; de la hora que dan todas aprende `clock`."""

    def __init__(self, clock: BackendClock) -> None:
        """Aún no hay ninguna."""
        self._clock = clock
        self.location = ""
        self.seconds = 0.0

    def __call__(self, answer: Answer) -> None:
        """Toma nota de una respuesta."""
        seen = sight(answer.headers, answer.sent_at, answer.received_at)
        if seen:
            self._clock.learn(seen)
        self.location = answer.location
        self.seconds = max(self.seconds, answer.received_at - answer.sent_at)


def probe(settings: Settings, tokens: Sequence[Token] = (), on_answer: LastAnswer | None = None) -> Backend:
    """Un backend al que solo se le pide con `tokens`."""
    headers = request_headers(new_run_id())
    return Backend(settings, GivenTokens(settings, headers, tokens), tls_context(settings), headers, on_answer)


async def log_in(settings: Settings) -> Token | BackendError | None:
    """El token que da la cuenta, o por qué no lo da; `None` si no hay cuenta, o si no hay que mandarla en claro."""
    account = account_of(settings)
    if account is None:
        return None
    async with probe(settings) as backend:
        try:
            # En claro, como la pasada: antes de mandar la contraseña se mira si el servidor lleva a otro sitio.
            if any(in_clear(settings)) and await backend.status(backend.url + TRANSITIONS[0].list_path) in _ELSEWHERE:
                return None
            return await backend.sign_in(account)
        except BackendError as error:
            return error


async def is_readable_unsigned(settings: Settings) -> bool:
    """Si una lista se lee sin ningún token."""
    async with probe(settings) as backend:
        try:
            return await backend.status(backend.url + TRANSITIONS[0].list_path) == httpx.codes.OK
        except BackendError:
            return False


async def find_api(settings: Settings, tokens: Sequence[Token], location: str) -> str | None:
    """La `BACKEND_URL` con que la lista sí contesta, si es una de las probables.

    Vale más la que enseña la lista que la que solo pide permiso. A otro origen no se le manda el token.
    """
    asks_permission = None
    for url in _candidates(settings.backend_url, location):
        trusted = same_origin(httpx.URL(url), httpx.URL(settings.backend_url))
        async with probe(settings.model_copy(update={"backend_url": url}), tokens if trusted else ()) as backend:
            try:
                await backend.pending(TRANSITIONS[0])
            except Denied:
                asks_permission = asks_permission or url
            except BackendError:
                continue
            else:
                return url
    return asks_permission


async def find_auth(settings: Settings, api: str | None) -> str | None:
    """La `AUTH_URL` donde se inicia sesión: a un GET contesta que así no (405) o que sin permiso no (401)."""
    for url in [*([api] if api else []), *_candidates(settings.auth_url or settings.backend_url)]:
        async with probe(settings) as backend:
            try:
                if await backend.status(f"{url}/auth/login/") in {401, 405}:
                    return url
            except BackendError:
                continue
    return None


def _candidates(base: str, location: str = "") -> list[str]:
    """Adonde redirige, y la misma URL con el prefijo de siempre y sin lo que le sobre del final."""
    url = httpx.URL(base)
    segments = [segment for segment in url.path.split("/") if segment]
    parents = [segments[:size] for size in range(len(segments), -1, -1)]
    paths = ["/".join(path) for parent in parents for path in ([*parent, _USUAL_PREFIX], parent)]
    found = [*_redirected(url, location), *(str(url.copy_with(path=f"/{path}")).rstrip("/") for path in paths)]
    return [candidate for candidate in dict.fromkeys(found) if candidate != base][:_MAX_CANDIDATES]


def _redirected(url: httpx.URL, location: str) -> Iterator[str]:
    """De dónde cuelga la lista según la redirección, si sigue siendo la lista y en el mismo servidor."""
    path = TRANSITIONS[0].list_path
    try:
        target = url.join(location)
    except (httpx.InvalidURL, ValueError):
        return
    if target.host == url.host and target.scheme in {"http", "https"} and target.path.endswith(path):
        base = target.copy_with(path=target.path.removesuffix(path) or "/", query=None, fragment=None, userinfo=b"")
        yield str(base).rstrip("/")
