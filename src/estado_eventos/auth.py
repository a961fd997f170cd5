"""La autenticación ante el backend: qué token se manda, a quién, y cómo se renueva sin que nadie lo note."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
from pydantic import SecretStr

from estado_eventos.protocol import Answer, BackendError, Denied, Unavailable, read_token
from estado_eventos.settings import Settings
from estado_eventos.token_cache import TokenCache
from estado_eventos.tokens import Token

WARN_BEFORE = timedelta(minutes=10)
MIN_SECRET = 6
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Account:
    """Con qué se inicia sesión."""

    email: SecretStr
    password: SecretStr

    @property
    def secrets(self) -> list[str]:
        """El correo y la contraseña, para tacharlos; lo muy corto no, que tacharlo estropearía cualquier frase."""
        known = (self.email.get_secret_value(), self.password.get_secret_value())
        return [secret for secret in known if len(secret) >= MIN_SECRET]


class BearerAuth(httpx.Auth):
    """Firma las peticiones al backend y, si hay cuenta, renueva el token cuando hace falta.

    Una sola renovación a la vez: quien llega mientras hay otra en marcha espera y usa su token. Un inicio de sesión
    rechazado no se repite en toda la pasada, porque repetirlo bloquea cuentas. A otro origen no se manda nada.
    """

    def __init__(self, settings: Settings, headers: Mapping[str, str]) -> None:
        """`headers` van en las peticiones de renovación; las demás traen las suyas."""
        self._backend = httpx.URL(settings.backend_url)
        self._auth_url = settings.auth_url or settings.backend_url
        self._headers = headers
        self._two_intervals = timedelta(seconds=2 * settings.scheduler_interval_seconds)
        self._account = account_of(settings)
        self._cache = cache_of(settings)
        static = settings.backend_jwt_token
        self._token = Token.read(static.get_secret_value()) if static else None
        self._renewed = False
        self._cache_read = False
        self._renewals = 0
        self._tried: Token | None = None
        self._unproven: Token | None = None
        self._failure: BackendError | None = None
        self._lock = asyncio.Lock()

    @property
    def expires_at(self) -> datetime | None:
        """Cuándo caduca el token de esta pasada, según él mismo."""
        return self._token.expires_at if self._token else None

    @property
    def secrets(self) -> list[str]:
        """Lo que no debe verse en ninguna parte."""
        token = [self._token.text] if self._token and len(self._token.text) >= MIN_SECRET else []
        return token + (self._account.secrets if self._account else [])

    def warn_if_expiring(self, now: datetime) -> None:
        """Avisa, una vez por pasada, si un token que nadie renueva está a punto de caducar."""
        left = self._token.left(now) if self._token and not self._account else None
        if left is not None and timedelta() < left < WARN_BEFORE:
            _log.warning(
                "El token de BACKEND_JWT_TOKEN caduca en %d min. Con BACKEND_EMAIL y BACKEND_PASSWORD se renueva solo",
                left // timedelta(minutes=1),
            )

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Firma la petición; si el token está por caducar o lo rechazan, lo renueva y la repite una vez."""
        if not same_origin(request.url, self._backend):
            yield request
            return
        refused: Token | None = None
        for _ in range(2):
            if self._account:
                renewals = self._renewals
                async with self._lock:
                    self._take_cached()
                    needed = self._is_useless(self._token, refused)
                    if needed and self._failure and (renewals != self._renewals or isinstance(self._failure, Denied)):
                        raise self._failure
                    if needed or self._is_ending():
                        for renewal in self._ways_to_renew(self._account, refused):
                            response = yield renewal
                            if await self._accept(response, needed=needed):
                                break
            refused = self._token
            if refused:
                request.headers["Authorization"] = f"Bearer {refused.text}"
            response = yield request
            if not self._account or not self._is_worth_renewing(refused, response):
                return

    def _take_cached(self) -> None:
        """Lee lo guardado la primera vez que hace falta: entretanto otra pasada puede haberlo renovado."""
        if self._cache and not self._cache_read:
            self._cache_read = True
            if self._token is None or self._token.expired(datetime.now(UTC)):
                self._token = self._cache.read() or self._token

    def _is_worth_renewing(self, used: Token | None, response: httpx.Response) -> bool:
        """Si lo que contestan a ese token lo arreglaría otro; a uno recién dado y nunca aceptado, no."""
        refused = response.status_code == httpx.codes.UNAUTHORIZED
        if used is not self._unproven:
            return refused
        if not refused:
            self._unproven = None
        return False

    def _is_useless(self, token: Token | None, refused: Token | None) -> bool:
        return token is None or token is refused or token.expired(datetime.now(UTC))

    def _is_ending(self) -> bool:
        """Si conviene renovar un token que aún vale; se intenta una vez por token, que por eso no se para nada."""
        if self._token is None or self._token is self._tried:
            return False
        left, life = self._token.left(datetime.now(UTC)), self._token.life
        margin = (life or timedelta()) / 4
        # De uno recién dado solo cuenta su cuarto de vida: con intervalos largos se renovaría sin parar.
        return left is not None and left < (margin if self._renewed else max(margin, self._two_intervals))

    def _ways_to_renew(self, account: Account, refused: Token | None) -> Iterator[httpx.Request]:
        """Las peticiones que pueden dar un token nuevo, la más barata para el backend primero."""
        self._renewals += 1
        self._tried = token = self._token
        # Vale mientras no llegue respuesta: si la red falla, httpx no vuelve aquí a decirlo.
        self._failure = Unavailable("no se pudo hablar con AUTH_URL para renovar el token")
        # Renovar manda el token en el cuerpo: solo a quien ya lo recibe con cada petición.
        if token and not self._is_useless(token, refused) and same_origin(httpx.URL(self._auth_url), self._backend):
            yield self._post("refresh-token", {"token": token.text})
        yield self.login_request(account)

    def login_request(self, account: Account) -> httpx.Request:
        """La petición que inicia sesión; al backend le cuesta de 0,5 a 1,5 s de CPU."""
        return self._post(
            "login", {"email": account.email.get_secret_value(), "password": account.password.get_secret_value()}
        )

    def _post(self, action: str, body: Mapping[str, str]) -> httpx.Request:
        return httpx.Request("POST", f"{self._auth_url}/auth/{action}/", json=body, headers=self._headers)

    async def _accept(self, response: httpx.Response, *, needed: bool) -> bool:
        """Se queda con el token nuevo, o decide si se prueba otra manera (`False`); lanza `BackendError` si no hay."""
        login = response.request.url.path.endswith("/login/")
        try:
            text = read_token(Answer(response.status_code, response.headers, await response.aread()))
        except BackendError as error:
            if login and needed:
                self._failure = error
                raise
            _log.log(logging.WARNING if login else logging.INFO, "No se pudo renovar el token: %s", error)
            return login
        self._failure = None
        self._renewed = True
        self._token = self._unproven = Token.read(text, datetime.now(UTC))
        if self._cache:
            self._cache.write(self._token)
        return True

    def explain_denial(self) -> str:
        """Qué le pasa al token cuando el backend contesta 401, y qué hacer."""
        if self._account:
            return "el backend no acepta ni el token recién dado. Compruebe que BACKEND_URL y AUTH_URL son del mismo"
        if not self._token:
            return "el backend pide credenciales y no hay. Ponga BACKEND_EMAIL y BACKEND_PASSWORD, o BACKEND_JWT_TOKEN"
        expires_at = self._token.expires_at
        if expires_at and self._token.expired(datetime.now(UTC)):
            return (
                f"el token de BACKEND_JWT_TOKEN caducó el {expires_at:%Y-%m-%d a las %H:%M:%S} UTC. "
                "Ponga uno nuevo, o BACKEND_EMAIL y BACKEND_PASSWORD para que se renueve solo"
            )
        return "el backend no acepta el token de BACKEND_JWT_TOKEN. Compruebe que está entero y es de este backend"


def account_of(settings: Settings) -> Account | None:
    """La cuenta configurada, si está entera."""
    if settings.backend_email and settings.backend_password:
        return Account(settings.backend_email, settings.backend_password)
    return None


def cache_of(settings: Settings) -> TokenCache | None:
    """Dónde se guarda el token de la cuenta, si hay cuenta y sitio."""
    if settings.backend_email and settings.backend_password and settings.token_cache_file:
        account = settings.backend_email.get_secret_value()
        return TokenCache(settings.token_cache_file, settings.backend_url, account)
    return None


def same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    """Si dos URL comparten esquema, servidor y puerto (el que toca por esquema cuando no se dice)."""
    return _origin(one) == _origin(other)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)
