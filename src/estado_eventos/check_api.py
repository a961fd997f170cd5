"""La API mirada por el diagnóstico: si la cuenta inicia sesión, qué contestan las listas y qué hora es allí."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from estado_eventos.auth import Account, account_of
from estado_eventos.backend import Listing
from estado_eventos.check_findings import Finding, good, problem
from estado_eventos.check_prefix import find_api, find_auth
from estado_eventos.check_probe import Probe
from estado_eventos.plan import Plan
from estado_eventos.protocol import BackendError, Denied, WrongProtocol
from estado_eventos.render import spoken_lag, spoken_token
from estado_eventos.report import ExitCode, gravest
from estado_eventos.settings import Settings
from estado_eventos.shard import Shard
from estado_eventos.sources import Loaded
from estado_eventos.tokens import Token
from estado_eventos.transitions import TRANSITIONS, Event, Transition

_SKEW_SECONDS, _GRAVE_SKEW_SECONDS = 5, 60
_CURE = re.compile(r"(?P<what>.+)\. (?P<cure>(?:Ponga|Compruebe|El usuario del token) .+)")
_SEE_LOG = "Mire el registro del backend; si acaba de arrancar, repita en un minuto"


@dataclass(frozen=True, slots=True)
class _Reading:
    """Lo que contestó una lista, o por qué no se pudo leer."""

    transition: Transition
    listing: Listing | None
    error: BackendError | None
    location: str
    skew: float | None


async def examine(loaded: Loaded, token: Token | None) -> AsyncIterator[Finding]:
    """Inicia sesión una vez, si hay cuenta, y lee las listas como lo haría una pasada que empezara con `token`."""
    settings, account = loaded.settings, account_of(loaded.settings)
    login: Token | BackendError | None = await _log_in(settings, account) if account else None
    if isinstance(login, Token):
        yield good("login", f"La cuenta de BACKEND_EMAIL inicia sesión: {spoken_token(login, datetime.now(UTC))}")
    elif login and not isinstance(login, WrongProtocol):
        yield _no_login(login, token)
    tokens = [token for token in (token, login) if isinstance(token, Token)]
    readings = await asyncio.gather(*(_read(settings, tokens, transition) for transition in TRANSITIONS))
    lost = next((reading for reading in readings if isinstance(reading.error, WrongProtocol)), None)
    moved = await find_api(settings, tokens, lost.location) if lost else None
    if isinstance(login, WrongProtocol):
        yield _no_login(login, token, await find_auth(settings, moved), moved)
    # Sin token ni manera de pedirlo la pasada no llega a las listas: su código es el del inicio de sesión.
    blocked = login if isinstance(login, BackendError) and not token else None
    for finding in _lists(readings, settings.part, tokens, _cure_url(loaded, moved, login), blocked):
        yield finding
    ahead = next((reading.skew for reading in readings if reading.skew is not None), None)
    if ahead is not None:
        yield _clock(ahead)


async def _log_in(settings: Settings, account: Account) -> Token | BackendError:
    async with Probe(settings) as probe:
        try:
            return await probe.sign_in(account)
        except BackendError as error:
            return error


def _no_login(error: BackendError, token: Token | None, auth: str | None = None, api: str | None = None) -> Finding:
    message, cure = _split(error)
    if token:
        message += ". El token que hay aún vale; cuando caduque, ninguna pasada podrá hacer nada"
    if auth:
        cure = f"Ponga AUTH_URL={auth}" if auth != api else "Al corregir BACKEND_URL se arregla también"
    return problem("login", f"Inicio de sesión: {message}", cure or _SEE_LOG, ExitCode.OK if token else error.code)


async def _read(settings: Settings, tokens: Sequence[Token], transition: Transition) -> _Reading:
    listing, error = None, None
    async with Probe(settings, tokens) as probe:
        try:
            listing = await probe.pending(transition)
            error = listing.problem
        except BackendError as failure:
            error = failure
        return _Reading(transition, listing, error, probe.location, probe.skew)


def _lists(
    readings: Sequence[_Reading],
    part: Shard,
    tokens: Sequence[Token],
    moved: str | None,
    blocked: BackendError | None,
) -> Iterator[Finding]:
    failures: dict[str, list[_Reading]] = {}
    for reading in readings:
        if reading.error:
            # Si la API está en otro sitio, da igual que cada lista lo diga a su manera: la cura es la misma.
            cause = moved if moved and isinstance(reading.error, WrongProtocol) else str(reading.error)
            failures.setdefault(cause, []).append(reading)
        elif reading.listing:
            yield good("list", f"Lista de {reading.transition.noun}: se lee, {_count(reading.listing.events, part)}")
    for together in failures.values():
        nouns = [reading.transition.noun for reading in together]
        error = together[0].error
        if error:
            where = f"Lista{'s' * (len(nouns) > 1)} de {' y '.join(nouns)}"
            yield _failure(where, error, tokens, moved, blocked)


def _count(events: Sequence[Event], part: Shard) -> str:
    ours = "" if part.is_whole else f", {sum(map(Plan('check', (), shard=part).takes, events))} de esta parte"
    return f"{len(events)} evento(s) pendiente(s){ours}"


def _failure(
    where: str, error: BackendError, tokens: Sequence[Token], moved: str | None, blocked: BackendError | None
) -> Finding:
    if blocked and isinstance(error, Denied):
        return good("list", f"{where}: está ahí y pide credenciales")
    message, cure = _split(error)
    if isinstance(error, WrongProtocol) and moved:
        cure = moved
    if isinstance(error, Denied) and "HTTP 403" in message:
        role = next((token.role for token in tokens if token.role), "desconocido")
        message += f" (el token es de rol {role})"
        cure = f"{cure}: ponga en BACKEND_EMAIL y BACKEND_PASSWORD la cuenta de uno"
    decides = blocked is None or gravest((error.code, blocked.code)) is blocked.code
    return problem("list", f"{where}: {message}", cure or _SEE_LOG, error.code if decides else ExitCode.OK)


def _cure_url(loaded: Loaded, moved: str | None, login: Token | BackendError | None) -> str | None:
    if moved is None:
        return None
    # `AUTH_URL` vale lo que `BACKEND_URL` mientras no se diga: al cambiar esta, dejaría de estar donde está.
    keep = (
        f" y AUTH_URL={loaded.settings.backend_url}"
        if isinstance(login, Token) and not loaded.settings.auth_url
        else ""
    )
    return f"Ahí sí está: ponga BACKEND_URL={moved}{keep} (ahora, {loaded.origin('backend_url')})"


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


def _split(error: BackendError) -> tuple[str, str | None]:
    """La frase de un error en lo que pasa y lo que hay que hacer, si lo dice."""
    sentence = str(error).rstrip(".")
    match = _CURE.fullmatch(sentence)
    return (match["what"], match["cure"]) if match else (sentence, None)
