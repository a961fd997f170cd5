"""La autenticación ante el backend: qué token se manda, a quién, y cómo se renueva sin que nadie lo note."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Generator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import httpx

from estado_eventos.backend.account import account_of, auth_request, login_request
from estado_eventos.backend.answers import Answer
from estado_eventos.backend.errors import BackendError, Denied
from estado_eventos.backend.grants import read_token
from estado_eventos.backend.network import is_loopback, same_origin
from estado_eventos.backend.signer import SENT, Signer
from estado_eventos.backend.token import Token
from estado_eventos.backend.token_cache import CacheOf, cache_of
from estado_eventos.config.settings import Settings
from estado_eventos.domain import wall_clock
from estado_eventos.domain.text import spoken_moment

WARN_BEFORE = timedelta(minutes=10)
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Renewals:
    """Lo que se sabe de las renovaciones de una pasada."""

    failure: BackendError | None = None
    """Por qué falló la última, si falló."""
    refusal: Denied | None = None
    """Por qué no aceptaron la cuenta cuando aún había token; si hace falta otro, no se les pide más."""
    may_retry: bool = True
    """Si, habiendo fallado, vale la pena probar otra vez."""
    needed: bool = False
    """Si la última hacía falta: sin ella no hay token que valga."""
    under_way: bool = False
    """Si hay una en marcha, o se quedó a medias."""
    tried: Token | None = None
    """El token con que empezó la última; `None` si no había ninguno."""
    given: Token | None = None
    """El último que dio el backend."""
    unproven: bool = False
    """Si el último que dio no lo ha aceptado aún nadie."""

    def succeed(self, token: Token) -> None:
        """Acaba bien."""
        self.failure, self.under_way, self.given, self.unproven = None, False, token, True


class BearerAuth(Signer):
    """Firma las peticiones al backend y, si hay cuenta, renueva el token cuando hace falta.

    Una sola renovación a la vez: quien llega mientras hay otra en marcha espera y usa su token. Un inicio de sesión
    rechazado no se repite en toda la pasada, porque repetirlo bloquea cuentas. Si no hay manera de tener un token, se
    pide sin él: puede que el backend no lo necesite (`failure` dice qué pasó). A otro origen no se manda nada.
    """

    def __init__(self, settings: Settings, headers: Mapping[str, str], cache: CacheOf = cache_of) -> None:
        """`headers` van en las renovaciones; lo demás trae las suyas. `cache` dice dónde se guarda el token."""
        super().__init__(settings.redactor)
        self._settings = settings
        self._backend = httpx.URL(settings.backend_url)
        self._headers = headers
        auth_url = httpx.URL(settings.auth_url or settings.backend_url)
        # En claro y hacia otra máquina, primero se lee una lista: si redirige a https, la contraseña no ha salido.
        self._asks_first = any(url.scheme == "http" and not is_loopback(url.host) for url in (self._backend, auth_url))
        self._two_intervals = timedelta(seconds=2 * settings.scheduler_interval_seconds)
        self._account = account_of(settings)
        self._cache = cache(settings)
        self._cache_read = False
        self._was_asked = False
        static = settings.backend_jwt_token
        self._token = Token.read(static.get_secret_value()) if static else None
        self._renewals = _Renewals()
        self._lock = asyncio.Lock()

    @property
    def failure(self) -> BackendError | None:
        """Por qué no hay token, si hay cuenta y no se pudo tener ninguno."""
        return self._renewals.failure

    @property
    def expires_at(self) -> datetime | None:
        """Cuándo caduca el token de esta pasada, según él mismo."""
        return self._token.expires_at if self._token else None

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
            request.extensions[SENT] = True
            yield request
            return
        refused: Token | None = None
        for _ in range(2):
            answer = None
            async with self._lock:
                steps = self._ensure_token(refused)
                while renewal := _advance(steps, answer):
                    self._renewals.under_way = True
                    # Si salió y le dijeron 401, no hizo nada: vuelve a estar por salir.
                    request.extensions.pop(SENT, None)
                    response = yield renewal
                    answer = Answer(response.status_code, response.headers, await response.aread())
            refused = self._sign(request, refused)
            request.extensions[SENT] = True
            response = yield request
            if not self._is_worth_renewing(refused, response):
                return

    def _sign(self, request: httpx.Request, refused: Token | None) -> Token | None:
        """Firma la petición con el token que hay, si vale; devuelve con cuál."""
        request.headers.pop("Authorization", None)
        if self._token is None or (self._account and self._is_useless(refused)):
            return None
        request.headers["Authorization"] = f"Bearer {self._token.text}"
        return self._token

    def _is_useless(self, refused: Token | None) -> bool:
        return self._token is None or self._token is refused or self._token.expired(wall_clock.now())

    def _ensure_token(self, refused: Token | None) -> "_Steps":
        """Si hay cuenta y hace falta un token, lo pide: da las peticiones, de la más barata, y recibe las respuestas.

        `refused` es el que el backend acaba de rechazar.
        """
        if self._account is None:
            return
        self._take_cached()
        needed = self._is_useless(refused)
        if needed and self._renewals.refusal:
            self.give_up(self._renewals.refusal)
        # Una que se quedó a medias, quien la empezó lo dirá con `give_up`.
        hopeless = self._renewals.under_way or not self._renewals.may_retry
        if (needed and hopeless) or not (needed or self._is_ending()):
            return
        if self._token is None and self._asks_first and not self._was_asked:
            return
        token = self._renewals.tried = self._token
        self._renewals.needed = needed
        auth_url = httpx.URL(self._settings.auth_url or self._settings.backend_url)
        # Renovar manda el token en el cuerpo: solo a quien ya lo recibe con cada petición.
        if token and not needed and same_origin(auth_url, self._backend):
            answer = yield auth_request(self._settings, "refresh-token", {"token": token.text}, self._headers)
            try:
                self._take(answer)
            except BackendError as error:
                _log.info("No se pudo renovar el token: %s", error)
            else:
                return
        answer = yield login_request(self._settings, self._account, self._headers)
        try:
            self._take(answer)
        except BackendError as error:
            self.give_up(error)

    def give_up(self, failure: BackendError) -> None:
        """Una renovación no salió bien: se sigue con el token que hay, si vale, o sin ninguno."""
        self._renewals.under_way = False
        if self._renewals.needed or failure is self._renewals.refusal:
            # No se prueba otra vez mientras el backend no pida un token; y si rechazó la cuenta, nunca.
            self._renewals.failure, self._renewals.may_retry = failure, False
            self._token = None
        else:
            self._renewals.refusal = failure if isinstance(failure, Denied) else None
            _log.warning("No se pudo renovar el token: %s", failure)

    def _take_cached(self) -> None:
        """Lee lo guardado la primera vez que hace falta: entretanto otra pasada puede haberlo renovado."""
        if self._cache and not self._cache_read:
            self._cache_read = True
            if self._token is None or self._token.expired(wall_clock.now()):
                self._token = self._cache.take() or self._token
                self.redactor.add(self._token.text if self._token else "")

    def _take(self, answer: Answer) -> None:
        """Se queda con el token nuevo y lo guarda; lanza `BackendError` si no hay ninguno."""
        token, role = Token.granted(read_token(answer, self.redactor)), self._token.role if self._token else None
        # Al renovarlo no se dice el rol, que es el de antes.
        self._token = token if token.role else replace(token, role=role)
        self._renewals.succeed(self._token)
        if self._cache:
            self._cache.write(self._token)

    def _is_ending(self) -> bool:
        """Si conviene renovar un token que aún vale; se intenta una vez por token, que por eso no se para nada."""
        if self._token is None or self._token is self._renewals.tried:
            return False
        left, life = self._token.left(wall_clock.now()), self._token.life
        margin = (life or timedelta()) / 4
        # De uno recién dado solo cuenta su cuarto de vida: con intervalos largos se renovaría sin parar.
        return left is not None and left < (margin if self._renewals.given else max(margin, self._two_intervals))

    def _is_worth_renewing(self, used: Token | None, response: httpx.Response) -> bool:
        """Si lo que contestan a ese token lo arreglaría otro; a uno recién dado y nunca aceptado, no."""
        refused = response.status_code == httpx.codes.UNAUTHORIZED
        self._was_asked = self._was_asked or refused
        if self._renewals.unproven and used is self._renewals.given:
            self._renewals.unproven = refused
            return False
        # Sin token y sin manera de tenerlo, repetir la petición sería hacerla igual.
        return refused and self._account is not None and (used is not None or self._renewals.may_retry)

    def denial(self) -> BackendError:
        """El error con que se explica un 401: qué le pasa al token y qué hacer."""
        if self._renewals.failure:
            self._renewals.may_retry = self._renewals.failure.retryable
            return self._renewals.failure
        if not self._account and not self._token:
            return super().denial()
        message, hint = self._explain_denial()
        return Denied(message, hint, status=httpx.codes.UNAUTHORIZED)

    def _explain_denial(self) -> tuple[str, str]:
        if self._account:
            return (
                "el backend no acepta ni el token recién dado",
                "Compruebe que BACKEND_URL y AUTH_URL son del mismo",
            )
        if self._token and self._token.expires_at and self._token.expired(wall_clock.now()):
            return (
                f"el token de BACKEND_JWT_TOKEN caducó el {spoken_moment(self._token.expires_at)}",
                "Ponga uno nuevo, o BACKEND_EMAIL y BACKEND_PASSWORD para que se renueve solo",
            )
        return "el backend no acepta el token de BACKEND_JWT_TOKEN", "Compruebe que está entero y es de este backend"


_Steps = Generator[httpx.Request, Answer, None]


def _advance(steps: _Steps, answer: Answer | None) -> httpx.Request | None:
    """La petición siguiente, tras la respuesta a la anterior; `None` si no hay más."""
    try:
        return next(steps) if answer is None else steps.send(answer)
    except StopIteration:
        return None
