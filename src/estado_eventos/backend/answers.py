"""Lo que el backend contesta y lo que significa: de bytes a datos o a un error con nombre, sin red."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from estado_eventos.backend.errors import BackendError, Denied, Refused, Unavailable, WrongProtocol
from estado_eventos.config.redactor import Redactor
from estado_eventos.domain.text import is_token, printable
from estado_eventos.domain.transitions import Event, Transition

MAX_EVENTS = 100_000
"""Los que se toman de una lista cada vez: en una pasada no da tiempo a más."""
_USERINFO = re.compile(r"//[^/?#]*@")


class Answer(NamedTuple):
    """Una respuesta HTTP ya leída entera: nunca más grande que el tope con que se pidió."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    location: str = ""
    """A dónde redirige, si lo hace."""
    is_quotable: bool = True
    """Si se puede repetir lo que dice: no, si podría llevar un secreto que no se sabe tachar."""

    def cleaned(self, redactor: Redactor) -> "Answer":
        """La misma, sin nada de lo que no debe verse."""
        location = redactor.clean_text(self.location)
        return self._replace(body=redactor.clean(self.body), location=location, is_quotable=not redactor.is_blind)


class Page(NamedTuple):
    """Una página de una lista de pendientes y su `next`, tal como llegó; con `cut`, traía más de lo que se toma."""

    events: tuple[Event, ...]
    following: object = None
    cut: bool = False


class Grant(NamedTuple):
    """Lo que da `/auth/`: un token, de qué rol es su usuario, si lo dice, y qué hora era allí."""

    token: str
    role: str | None
    at: datetime | None


def read_page(transition: Transition, answer: Answer) -> Page:
    """Entiende la respuesta a una lista: `{"results": […]}`, páginas de DRF o una lista sin más.

    Lanza `WrongProtocol`, `Unavailable` o `Denied` (403; el 401 lo explica quien conoce el token).
    """
    if answer.status != 200:
        raise _list_error(answer)
    content = _parse(answer.body)
    items, following = content, None
    if isinstance(content, dict):
        items, following = content.get("results"), content.get("next")
    if not isinstance(items, list):
        raise WrongProtocol("la respuesta es JSON, pero no una lista de eventos")
    events = tuple(Event.from_item(item, transition) for item in items[:MAX_EVENTS])
    return Page(events, following or None, cut=len(items) > MAX_EVENTS)


def read_applied(transition: Transition, answer: Answer) -> str:
    """El estado en que quedó el evento según la respuesta a una transición.

    Lanza `Refused`, `Unavailable`, `Denied` o `WrongProtocol` si no es un sí claro.
    """
    if answer.status in {401, 403}:
        raise Denied(_with_words(answer), status=answer.status)
    if _is_unwell(answer.status):
        raise _unavailable(answer)
    if answer.status != 200:
        raise Refused(_words(answer) or f"HTTP {answer.status}", status=answer.status)
    content = _parse(answer.body)
    if not isinstance(content, dict) or content.get("success") is not True:
        raise Refused(_words(answer) or "HTTP 200, pero sin «success»", status=answer.status)
    status = content.get("status")
    return printable(status, 64) if isinstance(status, str) and answer.is_quotable else transition.target_status


def read_token(answer: Answer, redactor: Redactor) -> Grant:
    """El token que da `/auth/login/` o `/auth/refresh-token/`, que desde ahora se tacha.

    Lanza `Denied` si no acepta las credenciales, `Unavailable` o `WrongProtocol`.
    """
    # Un sí se lee como llegó, que trae el token; de lo demás se tacha lo que repita.
    if answer.status != 200:
        answer = answer.cleaned(redactor)
    if answer.status in {400, 401, 403}:
        raise Denied(
            f"el backend no acepta BACKEND_EMAIL y BACKEND_PASSWORD ({_with_words(answer)})",
            "Compruebe BACKEND_PASSWORD: quizá la cambiaron",
            status=answer.status,
        )
    if _is_unwell(answer.status):
        raise _unavailable(answer, "no se puede iniciar sesión: ")
    content = _parse(answer.body) if answer.status == 200 else None
    content = content if isinstance(content, dict) else {}
    token = content.get("token")
    if not isinstance(token, str) or not is_token(token):
        raise WrongProtocol(
            f"HTTP {answer.status} sin token al iniciar sesión", "Compruebe AUTH_URL", status=answer.status
        )
    redactor.add(token)
    return Grant(token, _role(content.get("user"), redactor), read_date(answer.headers.get("date", "")))


def _role(user: object, redactor: Redactor) -> str | None:
    role = user.get("role") if isinstance(user, dict) else None
    return redactor.clean_text(role) if isinstance(role, str) and not redactor.is_blind else None


def _list_error(answer: Answer) -> BackendError:
    if answer.status == 403:
        return Denied(
            _with_words(answer), "El usuario del token tiene que ser admin o superadmin", status=answer.status
        )
    if _is_unwell(answer.status):
        return _unavailable(answer)
    if answer.status in {301, 302, 303, 307, 308}:
        target = printable(_USERINFO.sub("//", answer.location), 200)
        where = f" a «{target}»" if target and answer.is_quotable else ""
        return WrongProtocol(
            f"HTTP {answer.status}: redirige{where} y las redirecciones no se siguen",
            "Ponga en BACKEND_URL la dirección definitiva",
            status=answer.status,
        )
    if answer.status == 404:
        hint = "Compruebe el prefijo de BACKEND_URL (¿/events?)"
        return WrongProtocol("HTTP 404: ahí no está la API", hint, status=answer.status)
    return WrongProtocol(_with_words(answer), status=answer.status)


def _unavailable(answer: Answer, context: str = "") -> Unavailable:
    return Unavailable(f"{context}{_with_words(answer)}", status=answer.status, retry_after=retry_after(answer.headers))


def _is_unwell(status: int) -> bool:
    return status in {408, 425, 429} or status >= 500


def _with_words(answer: Answer) -> str:
    words = _words(answer)
    return f"HTTP {answer.status}: {words}" if words else f"HTTP {answer.status}"


def _words(answer: Answer) -> str | None:
    """Lo que el backend dice que pasó (`error` o, en DRF, `detail`), listo para enseñarlo."""
    if not answer.is_quotable:
        return None
    try:
        content = _parse(answer.body)
    except WrongProtocol:
        return None
    if isinstance(content, dict):
        for key in ("error", "detail"):
            if isinstance(content.get(key), str):
                return printable(content[key]) or None
    return None


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body, parse_int=_bounded_int)
    except (ValueError, RecursionError):
        pass
    if not body.strip():
        raise WrongProtocol("la respuesta está vacía")
    if body.lstrip().startswith(b"<"):
        raise WrongProtocol("la respuesta es una página HTML, no la API", "Compruebe BACKEND_URL")
    raise WrongProtocol("la respuesta no es JSON válido")


def _bounded_int(digits: str) -> int | str:
    # Python se niega a leer enteros de más de 4300 cifras y perdería con él la lista entera; como texto, ese
    # elemento es solo un id que no vale.
    return int(digits) if len(digits) <= 64 else digits


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Los segundos que pide `Retry-After` (RFC 9110 §10.2.3), en cifras o como fecha; `None` si no se entiende."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])
    moment = read_date(value)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds()) if moment else None


def read_date(value: str) -> datetime | None:
    """Una fecha de HTTP (RFC 9110 §5.6.7); `None` si no se entiende."""
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
