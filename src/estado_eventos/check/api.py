"""La API mirada por el diagnóstico: si la cuenta inicia sesión, qué contestan las listas y qué hora es allí."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from estado_eventos.backend.clock import BackendClock
from estado_eventos.backend.errors import BackendError, Denied, Intercepted, Unanswered, Unavailable, WrongProtocol
from estado_eventos.backend.token import Token, spoken_token
from estado_eventos.check import lists
from estado_eventos.check.clock import compare
from estado_eventos.check.findings import Finding, good, problem
from estado_eventos.check.lists import SEE_LOG, Api, Reading
from estado_eventos.check.port import cure_for_port, speaks_tls, use_https
from estado_eventos.check.probe import LastAnswer, find_api, find_auth, is_readable_unsigned, log_in, probe
from estado_eventos.config.settings import Settings
from estado_eventos.config.sources import Loaded
from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.transitions import TRANSITIONS, Transition

_BAD_REQUEST = 400
_PORT_SECONDS = 2.0


async def examine(loaded: Loaded, held: Token | None, until: float) -> AsyncIterator[Finding]:
    """Inicia sesión una vez, si hay cuenta, y lee las listas como lo haría una pasada que empezara con `held`.

    A nadie se le espera más allá de `until`, en el reloj del bucle: así se sabe quién es el que no contesta.
    """
    login = await log_in(_patient(loaded.settings, _left(until) / 2, longer=False))
    api = await _look(loaded, held, login, until)
    for finding in (*_login(api), *lists.findings(api), *_openness(api)):
        yield finding
    if clock := await compare(_patient(loaded.settings, _left(until), longer=False), api.tokens, api.clock):
        yield clock


def _left(until: float) -> float:
    return max(0.01, until - asyncio.get_running_loop().time())


def _patient(settings: Settings, seconds: float, *, longer: bool = True) -> Settings:
    """La misma configuración, con esa paciencia: más que la de la pasada, para medir cuánto haría falta, o menos."""
    timeout = seconds if longer else min(seconds, settings.http_timeout)
    return settings.model_copy(update={"http_timeout": timeout})


async def _look(loaded: Loaded, held: Token | None, login: Token | BackendError | None, until: float) -> Api:
    """Lee las listas y, si ahí no está lo que se busca, prueba en otros sitios."""
    settings = loaded.settings
    api = Api(loaded, held, login, (), BackendClock())
    tokens = api.tokens
    readings = await asyncio.gather(
        *(_read(settings, tokens, transition, 0.8 * _left(until), api.clock) for transition in TRANSITIONS)
    )
    readings = lists.without_the_slow(readings, settings.http_timeout)
    api = replace(api, readings=readings)
    errors = [reading.error for reading in readings if reading.error]
    port_cure = await _port_cure("BACKEND_URL", settings.backend_url, settings, errors, until)
    auth_cure = port_cure
    if settings.auth_url and isinstance(login, BackendError):
        auth_cure = await _port_cure("AUTH_URL", settings.auth_url, settings, [login] * len(TRANSITIONS), until)
    api = replace(api, port_cure=port_cure, auth_cure=auth_cure)
    lost = next((one for one in readings if isinstance(one.error, WrongProtocol)), None)
    hasty = _patient(settings, _left(until) / 4, longer=False)
    if lost and not api.port_cure:
        api = replace(api, moved=await find_api(hasty, tokens, lost.location))
    if isinstance(login, WrongProtocol):
        auth = await find_auth(hasty, api.moved)
        there = await log_in(hasty.model_copy(update={"auth_url": auth})) if auth else None
        api = replace(api, auth=auth, there=there)
    if not errors:
        api = replace(api, is_open=not tokens or await is_readable_unsigned(hasty))
    return api


async def _read(
    settings: Settings, tokens: Sequence[Token], transition: Transition, seconds: float, clock: BackendClock
) -> Reading:
    """Lee una lista con toda la paciencia que se puede: de la que tarda se dice cuánto tardó."""
    listing, error, last = None, None, LastAnswer(clock)
    async with probe(_patient(settings, seconds), tokens, last) as backend:
        try:
            async with asyncio.timeout(seconds):
                listing = await backend.pending(transition)
            error = listing.problem
        except (Unanswered, TimeoutError):
            error = lists.never_answered(seconds, settings.http_timeout)
        except BackendError as failure:
            error = failure
    return Reading(transition, listing, error, last.location, last.seconds)


async def _port_cure(variable: str, url: str, settings: Settings, errors: Sequence[BackendError], until: float) -> str:
    """Si lo que hay en ese puerto no habla HTTP, o habla https, qué hacer; vacío si no es eso, o no se puede saber."""
    seconds = min(_PORT_SECONDS, _left(until) / 4)
    if settings.backend_proxy or len(errors) < len(TRANSITIONS):
        return ""
    if any(error.status == _BAD_REQUEST for error in errors) and url.startswith("http:"):
        return use_https(variable, url) if await speaks_tls(url, seconds) else ""
    if all(_is_no_http(error) for error in errors):
        return await cure_for_port(variable, url, seconds)
    return ""


def _is_no_http(error: BackendError) -> bool:
    """Si aceptó la conexión y después cortó, o contestó algo que no es HTTP."""
    return isinstance(error, Unavailable) and error.status is None and not isinstance(error, Unanswered)


def _login(api: Api) -> Sequence[Finding]:
    login = api.login
    if login is None:
        return ()
    if isinstance(login, Token):
        return [good("login", f"La cuenta de BACKEND_EMAIL inicia sesión: {spoken_token(login, datetime.now(UTC))}")]
    cure = login.hint
    if api.auth_cure:
        cure = api.auth_cure
    elif isinstance(login, WrongProtocol) and api.auth:
        # Quien no dice `AUTH_URL` la tiene donde `BACKEND_URL`, que va a cambiar.
        fixed = api.auth == api.moved and not api.loaded.settings.auth_url
        cure = "Al corregir BACKEND_URL se arregla también" if fixed else f"Ponga AUTH_URL={api.auth}"
        if isinstance(api.there, Denied):
            cure += f"; y además, {api.there.message}: {_lower(api.there.hint)}"
    elif isinstance(login, Denied) and not isinstance(login, Intercepted) and api.is_open:
        cure += "; o quite BACKEND_EMAIL y BACKEND_PASSWORD, que estas listas no piden token"
    return [_no_login(login, api.held, cure)]


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _no_login(error: BackendError, held: Token | None, cure: str) -> Finding:
    message = error.message.rstrip(".")
    if held:
        message += ". El token que hay aún vale; cuando caduque, ninguna pasada podrá hacer nada"
    return problem("login", f"Inicio de sesión: {message}", cure or SEE_LOG, ExitCode.OK if held else error.code)


def _openness(api: Api) -> Sequence[Finding]:
    if not api.is_open:
        return ()
    needless = ": la cuenta no hace falta" if api.login else ""
    return [good("account", f"El backend no pide token en las listas{needless}")]
