"""Las listas de pendientes miradas por el diagnóstico: qué contestó cada una y, si no se leen, por qué."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from estado_eventos.backend.clock import BackendClock
from estado_eventos.backend.errors import BackendError, Denied, Intercepted, Unanswered, WrongProtocol
from estado_eventos.backend.pages import Listing
from estado_eventos.backend.token import Token
from estado_eventos.check.findings import Finding, good, problem
from estado_eventos.config.sources import Loaded
from estado_eventos.domain.exit_codes import ExitCode, gravest
from estado_eventos.domain.shard import Shard
from estado_eventos.domain.text import printable, spoken_moment
from estado_eventos.domain.transitions import Event, Transition
from estado_eventos.reconcile.plan import Plan

SEE_LOG = "Mire el registro del backend; si acaba de arrancar, repita en un minuto"
_FORBIDDEN = 403
_LONG_OVERDUE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Reading:
    """Lo que contestó una lista, o por qué no se pudo leer; `seconds`, lo que tardó la respuesta más lenta."""

    transition: Transition
    listing: Listing | None
    error: BackendError | None
    location: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Api:
    """La API como se ve desde aquí: con qué tokens se le pidió, qué contestó y, si no está ahí, dónde está."""

    loaded: Loaded
    held: Token | None
    """El token que ya había."""
    login: Token | BackendError | None
    """El que dio la cuenta, o por qué no lo dio; `None` si no hay cuenta."""
    readings: Sequence[Reading]
    clock: BackendClock
    """Lo que se sabe del reloj del backend."""
    moved: str | None = None
    """La `BACKEND_URL` con que las listas sí contestan."""
    auth: str | None = None
    """La `AUTH_URL` con que se inicia sesión, si donde dice la configuración no es."""
    there: Token | BackendError | None = None
    """Lo que da la cuenta en `auth`."""
    is_open: bool = False
    """Si las listas se leen sin ningún token."""
    port_cure: str = ""
    """Qué hacer si en el puerto de `BACKEND_URL` no contesta un servidor HTTP, y (`auth_cure`) en el de `AUTH_URL`."""
    auth_cure: str = ""

    @property
    def blocker(self) -> BackendError | None:
        """Por qué la pasada no llegaría a las listas: sin token ni manera de pedirlo, su código es este."""
        return self.login if isinstance(self.login, BackendError) and not self.held else None

    @property
    def tokens(self) -> list[Token]:
        """Los que hay, en el orden en que los usaría una pasada."""
        return [token for token in (self.held, self.login) if isinstance(token, Token)]

    @property
    def role(self) -> str | None:
        """El rol del token con que se pidieron las listas, que es el primero, si se sabe."""
        return next((token.role for token in self.tokens), None)


def findings(api: Api) -> Iterator[Finding]:
    """Lo que se sabe de cada lista; las que fallan por lo mismo, juntas."""
    failures: dict[str, list[str]] = {}
    errors: dict[str, BackendError] = {}
    for reading in api.readings:
        noun = reading.transition.noun
        if reading.error:
            # Si la API está en otro sitio, o no es ese el puerto, da igual que cada lista lo diga a su manera.
            cause = api.port_cure or str(reading.error)
            if api.moved and isinstance(reading.error, WrongProtocol):
                cause = api.moved
            failures.setdefault(cause, []).append(noun)
            errors.setdefault(cause, reading.error)
        elif reading.listing:
            count = _count(reading.listing.events, api.loaded.settings.part)
            yield good("list", f"Lista de {noun}: se lee, {count}")
            yield from _overdue(reading.transition, reading.listing.events)
            yield from _slow(reading, api.loaded.settings.http_timeout)
    for cause, nouns in failures.items():
        yield _failure(f"Lista{'s' * (len(nouns) > 1)} de {' y '.join(nouns)}", errors[cause], api)


def _count(events: Sequence[Event], part: Shard) -> str:
    plan, now = Plan("check", (), shard=part), datetime.now(UTC)
    ours = "" if part.is_whole else f", {sum(plan.takes(event, now) for event in events)} de esta parte"
    return f"{len(events)} evento(s) pendiente(s){ours}"


def _overdue(transition: Transition, events: Sequence[Event]) -> Iterator[Finding]:
    """Los que ninguna pasada consigue mover: llevan días en la lista."""
    since = datetime.now(UTC) - _LONG_OVERDUE
    old = [(event.due_at, printable(event.key, 64)) for event in events if event.due_at and event.due_at < since]
    if old:
        due_at, key = min(old)
        message = (
            f"Lista de {transition.noun}: {len(old)} evento(s) llevan más de una semana pendientes; "
            f"el más antiguo, {key}, desde el {spoken_moment(due_at)}"
        )
        cure = (
            f"Vea qué dice el backend de él: estado-eventos {transition.name} --event {key}; corríjalo allí o bórrelo"
        )
        yield problem("overdue", message, cure)


def _slow(reading: Reading, timeout: float) -> Iterator[Finding]:
    if reading.seconds > timeout / 2:
        message = f"Lista de {reading.transition.noun}: tardó {reading.seconds:.1f} s, y HTTP_TIMEOUT es {timeout:g} s"
        yield problem("slow", message, f"Mire la carga del backend; si no baja, ponga {_longer(reading.seconds)}")


def without_the_slow(readings: Sequence[Reading], timeout: float) -> list[Reading]:
    """Lo leído, sin lo que llegó más tarde de lo que lo espera una pasada: para ella eso es un error."""
    seconds = max(reading.seconds for reading in readings)
    return [
        replace(reading, listing=None, error=_too_slow(seconds, timeout))
        if reading.error is None and reading.seconds > timeout
        else reading
        for reading in readings
    ]


def _too_slow(seconds: float, timeout: float) -> Unanswered:
    return Unanswered(
        f"contesta, pero tardó {seconds:.1f} s y HTTP_TIMEOUT es {timeout:g} s",
        hint=f"Mire la carga del backend o ponga {_longer(seconds)}",
    )


def never_answered(seconds: float, timeout: float) -> Unanswered:
    """El error de una lista que no contestó en todo lo que se la pudo esperar."""
    return Unanswered(
        f"no contestó en {seconds:.3g} s (HTTP_TIMEOUT es {timeout:g} s)",
        hint="La red llega hasta el backend: mire su carga, su registro y su base de datos",
    )


def _longer(seconds: float) -> str:
    return f"HTTP_TIMEOUT={math.ceil(2 * seconds)} (menos que PASS_TIMEOUT)"


def _failure(where: str, error: BackendError, api: Api) -> Finding:
    blocker = api.blocker
    is_denied = isinstance(error, Denied) and not isinstance(error, Intercepted)
    if blocker and is_denied:
        return good("list", f"{where}: está ahí y pide credenciales")
    message, cure = error.message.rstrip("."), error.hint
    if isinstance(error, WrongProtocol) and api.moved:
        cure = _move(api, api.moved)
    elif api.port_cure:
        cure = api.port_cure
    elif is_denied and error.status == _FORBIDDEN:
        message += f" (el token es de rol {api.role})" if api.role else ""
        cure = f"{cure}: ponga en BACKEND_EMAIL y BACKEND_PASSWORD la cuenta de uno"
    decides = blocker is None or gravest((error.code, blocker.code)) is blocker.code
    return problem("list", f"{where}: {message}", cure or SEE_LOG, error.code if decides else ExitCode.OK)


def _move(api: Api, moved: str) -> str:
    settings = api.loaded.settings
    # `AUTH_URL` vale lo que `BACKEND_URL` mientras no se diga: al cambiar esta, dejaría de estar donde está. También
    # si lo que allí contestan es que la cuenta no vale.
    is_there = api.login is not None and not isinstance(api.login, WrongProtocol)
    keep = f" y AUTH_URL={settings.backend_url}" if is_there and not settings.auth_url else ""
    return f"Ahí sí está: ponga BACKEND_URL={moved}{keep} (ahora, {api.loaded.origin('backend_url')})"
