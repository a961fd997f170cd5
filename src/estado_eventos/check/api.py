"""La API mirada por el diagnóstico: si la cuenta inicia sesión, qué contestan las listas y qué hora es allí."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from estado_eventos.backend.client import Listing
from estado_eventos.backend.errors import BackendError, Denied, WrongProtocol
from estado_eventos.backend.token import Token, spoken_token
from estado_eventos.check.findings import Finding, good, problem
from estado_eventos.check.probe import LastAnswer, find_api, find_auth, log_in, probe
from estado_eventos.config.settings import Settings
from estado_eventos.config.sources import Loaded
from estado_eventos.domain.exit_codes import ExitCode, gravest
from estado_eventos.domain.shard import Shard
from estado_eventos.domain.text import spoken_lag
from estado_eventos.domain.transitions import TRANSITIONS, Event, Transition
from estado_eventos.reconcile.plan import Plan

_SKEW_SECONDS, _GRAVE_SKEW_SECONDS = 5, 60
_SEE_LOG = "Mire el registro del backend; si acaba de arrancar, repita en un minuto"


@dataclass(frozen=True, slots=True)
class _Reading:
    """Lo que contestó una lista, o por qué no se pudo leer."""

    transition: Transition
    listing: Listing | None
    error: BackendError | None
    location: str
    skew: float | None


@dataclass(frozen=True, slots=True)
class _Api:
    """La API como se ve desde aquí: con qué tokens se le pidió, qué contestó y, si no está ahí, dónde está."""

    loaded: Loaded
    held: Token | None
    """El token que ya había."""
    login: Token | BackendError | None
    """El que dio la cuenta, o por qué no lo dio; `None` si no hay cuenta."""
    readings: Sequence[_Reading]
    moved: str | None
    """La `BACKEND_URL` con que las listas sí contestan."""
    auth: str | None
    """La `AUTH_URL` con que se inicia sesión, si donde dice la configuración no es."""

    @property
    def blocker(self) -> BackendError | None:
        """Por qué la pasada no llegaría a las listas: sin token ni manera de pedirlo, su código es este."""
        return self.login if isinstance(self.login, BackendError) and not self.held else None

    @property
    def role(self) -> str | None:
        """El rol del token con que se pidieron las listas, que es el primero, si se sabe."""
        return next((token.role for token in _tokens(self.held, self.login)), None)


async def examine(loaded: Loaded, held: Token | None) -> AsyncIterator[Finding]:
    """Inicia sesión una vez, si hay cuenta, y lee las listas como lo haría una pasada que empezara con `held`."""
    login = await log_in(loaded.settings)
    if login and not isinstance(login, WrongProtocol):
        yield _login(login, held)
    api = await _look(loaded, held, login)
    if isinstance(login, WrongProtocol):
        yield _login_elsewhere(login, api)
    for finding in _lists(api):
        yield finding
    ahead = next((reading.skew for reading in api.readings if reading.skew is not None), None)
    if ahead is not None:
        yield _clock(ahead)


def _tokens(held: Token | None, login: Token | BackendError | None) -> list[Token]:
    return [token for token in (held, login) if isinstance(token, Token)]


async def _look(loaded: Loaded, held: Token | None, login: Token | BackendError | None) -> _Api:
    """Lee las listas y, si ahí no está lo que se busca, prueba en otros sitios."""
    settings, tokens = loaded.settings, _tokens(held, login)
    readings = await asyncio.gather(*(_read(settings, tokens, transition) for transition in TRANSITIONS))
    lost = next((reading for reading in readings if isinstance(reading.error, WrongProtocol)), None)
    moved = await find_api(settings, tokens, lost.location) if lost else None
    auth = await find_auth(settings, moved) if isinstance(login, WrongProtocol) else None
    return _Api(loaded, held, login, readings, moved, auth)


async def _read(settings: Settings, tokens: Sequence[Token], transition: Transition) -> _Reading:
    listing, error, last = None, None, LastAnswer()
    async with probe(settings, tokens, last) as backend:
        try:
            listing = await backend.pending(transition)
            error = listing.problem
        except BackendError as failure:
            error = failure
    return _Reading(transition, listing, error, last.location, last.skew)


def _login(login: Token | BackendError, held: Token | None) -> Finding:
    if isinstance(login, Token):
        return good("login", f"La cuenta de BACKEND_EMAIL inicia sesión: {spoken_token(login, datetime.now(UTC))}")
    return _no_login(login, held, login.hint)


def _login_elsewhere(error: BackendError, api: _Api) -> Finding:
    cure = error.hint
    if api.auth:
        cure = "Al corregir BACKEND_URL se arregla también" if api.auth == api.moved else f"Ponga AUTH_URL={api.auth}"
    return _no_login(error, api.held, cure)


def _no_login(error: BackendError, held: Token | None, cure: str) -> Finding:
    message = error.message.rstrip(".")
    if held:
        message += ". El token que hay aún vale; cuando caduque, ninguna pasada podrá hacer nada"
    return problem("login", f"Inicio de sesión: {message}", cure or _SEE_LOG, ExitCode.OK if held else error.code)


def _lists(api: _Api) -> Iterator[Finding]:
    failures: dict[str, list[str]] = {}
    errors: dict[str, BackendError] = {}
    for reading in api.readings:
        noun = reading.transition.noun
        if reading.error:
            # Si la API está en otro sitio, da igual que cada lista lo diga a su manera: la cura es la misma.
            cause = api.moved if api.moved and isinstance(reading.error, WrongProtocol) else str(reading.error)
            failures.setdefault(cause, []).append(noun)
            errors.setdefault(cause, reading.error)
        elif reading.listing:
            count = _count(reading.listing.events, api.loaded.settings.part)
            yield good("list", f"Lista de {noun}: se lee, {count}")
    for cause, nouns in failures.items():
        yield _failure(f"Lista{'s' * (len(nouns) > 1)} de {' y '.join(nouns)}", errors[cause], api)


def _count(events: Sequence[Event], part: Shard) -> str:
    ours = "" if part.is_whole else f", {sum(map(Plan('check', (), shard=part).takes, events))} de esta parte"
    return f"{len(events)} evento(s) pendiente(s){ours}"


def _failure(where: str, error: BackendError, api: _Api) -> Finding:
    blocker = api.blocker
    if blocker and isinstance(error, Denied):
        return good("list", f"{where}: está ahí y pide credenciales")
    message, cure = error.message.rstrip("."), error.hint
    if isinstance(error, WrongProtocol) and api.moved:
        cure = _move(api, api.moved)
    if isinstance(error, Denied) and error.status == httpx.codes.FORBIDDEN:
        message += f" (el token es de rol {api.role})" if api.role else ""
        cure = f"{cure}: ponga en BACKEND_EMAIL y BACKEND_PASSWORD la cuenta de uno"
    decides = blocker is None or gravest((error.code, blocker.code)) is blocker.code
    return problem("list", f"{where}: {message}", cure or _SEE_LOG, error.code if decides else ExitCode.OK)


def _move(api: _Api, moved: str) -> str:
    settings = api.loaded.settings
    # `AUTH_URL` vale lo que `BACKEND_URL` mientras no se diga: al cambiar esta, dejaría de estar donde está.
    stays = isinstance(api.login, Token) and not settings.auth_url
    keep = f" y AUTH_URL={settings.backend_url}" if stays else ""
    return f"Ahí sí está: ponga BACKEND_URL={moved}{keep} (ahora, {api.loaded.origin('backend_url')})"


def _clock(ahead: float) -> Finding:
    if abs(ahead) <= _SKEW_SECONDS:
        return good("clock", "Los relojes de esta máquina y del backend coinciden")
    where = "adelantado" if ahead > 0 else "atrasado"
    message = f"El reloj del backend va {spoken_lag(abs(ahead))} {where} respecto al de esta máquina"
    if abs(ahead) > _GRAVE_SKEW_SECONDS:
        message += ": los exámenes empiezan y acaban a la hora de aquel, y un token puede parecer caducado sin estarlo"
    else:
        message += ": los retrasos que se cuentan salen mal"
    return problem("clock", message, "Póngalos en hora, los dos: timedatectl set-ntp true")
