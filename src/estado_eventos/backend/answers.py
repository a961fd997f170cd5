"""Lo que el backend contesta y lo que significa: de bytes a datos o a un error con nombre, sin red."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from estado_eventos.backend.clock import Sighting, read_date, sight
from estado_eventos.backend.errors import BackendError, Denied, Refused, Unavailable, WrongProtocol
from estado_eventos.config.redactor import Redactor
from estado_eventos.domain import wall_clock
from estado_eventos.domain.text import printable
from estado_eventos.domain.transitions import Event, Transition

MAX_EVENTS = 100_000
"""Los que se toman de una lista cada vez: en una pasada no da tiempo a más."""
REDIRECTS = {301, 302, 303, 307, 308}


_KNOWS_NOTHING = Redactor()


class Answer(NamedTuple):
    """Una respuesta HTTP ya leída entera: nunca más grande que el tope con que se pidió."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    location: str = ""
    """A dónde redirige, si lo hace."""
    sent_at: float = 0.0
    """Cuándo salió la petición y (`received_at`) cuándo se acabó de leer la respuesta, en segundos desde 1970."""
    received_at: float = 0.0
    redactor: Redactor = _KNOWS_NOTHING
    """Quien sabe lo que no debe verse de ella."""

    def cleaned(self, redactor: Redactor) -> "Answer":
        """La misma, leída sin nada de lo que no debe verse."""
        return self._replace(location=redactor.clean(self.location), redactor=redactor)

    @property
    def is_quotable(self) -> bool:
        """Si se puede repetir lo que dice: no, si podría llevar un secreto que no se sabe tachar."""
        return not self.redactor.is_blind

    def content(self) -> Any:
        """Lo que dice, que tiene que ser JSON. Lanza `WrongProtocol`."""
        try:
            return self.redactor.clean_json(self.body, json.loads(self.body, parse_int=_bounded_int))
        except (ValueError, RecursionError):
            pass
        if not self.body.strip():
            raise WrongProtocol("la respuesta está vacía")
        if self.body.lstrip().startswith(b"<"):
            from estado_eventos.backend.in_between import explain_page

            raise explain_page(self.body)
        raise WrongProtocol("la respuesta no es JSON válido")


class Page(NamedTuple):
    """Una página de una lista de pendientes y su `next`, tal como llegó; con `cut`, traía más de lo que se toma.

    `total` son los eventos de la lista entera, si lo dice, y `sighting`, la hora que daba el backend.
    """

    events: tuple[Event, ...]
    following: object = None
    total: int | None = None
    cut: bool = False
    sighting: Sighting | None = None


def read_page(transition: Transition, answer: Answer) -> Page:
    """Entiende la respuesta a una lista: `{"results": […]}`, páginas de DRF o una lista sin más.

    Lanza `WrongProtocol`, `Unavailable` o `Denied` (403; el 401 lo explica quien conoce el token).
    """
    if answer.status != 200:
        raise _list_error(answer, transition.list_path)
    content = answer.content()
    items, following, count = content, None, None
    if isinstance(content, dict):
        items, following, count = content.get("results"), content.get("next"), content.get("count")
    if not isinstance(items, list):
        raise WrongProtocol("la respuesta es JSON, pero no una lista de eventos")
    events = tuple(Event.from_item(item, transition) for item in items[:MAX_EVENTS])
    sighting = sight(answer.headers, answer.sent_at, answer.received_at)
    total = count if isinstance(count, int) else None
    return Page(events, following or None, total, len(items) > MAX_EVENTS, sighting)


def read_applied(transition: Transition, answer: Answer) -> str:
    """El estado en que quedó el evento según la respuesta a una transición.

    Lanza `Refused`, `Unavailable`, `Denied` o `WrongProtocol` si no es un sí claro.
    """
    if failure := _failure(answer):
        raise failure
    if answer.status != 200:
        raise Refused(_words(answer) or f"HTTP {answer.status}", status=answer.status)
    content = answer.content()
    if not isinstance(content, dict) or content.get("success") is not True:
        raise Refused(_words(answer) or "HTTP 200, pero sin «success»", status=answer.status)
    status = content.get("status")
    return printable(status, 64) if isinstance(status, str) and answer.is_quotable else transition.target_status


def read_told(answer: Answer) -> None:
    """Entiende la respuesta al aviso de que un evento finalizó; un 2xx es que sí.

    Lanza `Refused` si no hay nada que hacer con ese evento (400, 404), `Denied`, `Unavailable` o `WrongProtocol`.
    """
    if 200 <= answer.status < 300:
        return
    if answer.status in {400, 404}:
        raise Refused(with_words(answer), status=answer.status)
    raise _failure(answer) or WrongProtocol(with_words(answer), status=answer.status)


def _failure(answer: Answer) -> BackendError | None:
    """El error de un POST que no se permite o que ahora no se puede; `None` si no es ninguno de los dos."""
    if answer.status in {401, 403, 407}:
        return in_between(answer) or Denied(with_words(answer), status=answer.status)
    return unavailable(answer) if is_unwell(answer.status) else None


def in_between(answer: Answer) -> BackendError | None:
    """El error, si no contestó la API sino algo que hay delante; `None` si parece ella."""
    # Aquí y no arriba, como en lo demás que falla: una pasada sin nada que hacer no lo necesita.
    from estado_eventos.backend.in_between import explain_in_between

    return explain_in_between(answer.status, answer.headers.get("www-authenticate", ""), answer.body)


def _list_error(answer: Answer, path: str) -> BackendError:
    if error := in_between(answer):
        return error
    if answer.status == 403:
        return Denied(with_words(answer), "El usuario del token tiene que ser admin o superadmin", status=answer.status)
    if is_unwell(answer.status):
        return unavailable(answer)
    if answer.status in REDIRECTS:
        return redirected(answer, path, "BACKEND_URL")
    if answer.status == 404:
        hint = "Compruebe el prefijo de BACKEND_URL (¿/events?)"
        return WrongProtocol("HTTP 404: ahí no está la API", hint, status=answer.status)
    return WrongProtocol(with_words(answer), status=answer.status)


def redirected(answer: Answer, path: str, variable: str) -> BackendError:
    """El error, si a quien pide `path` le mandan a otro sitio."""
    from estado_eventos.backend.in_between import explain_redirect

    return explain_redirect(answer.status, answer.location if answer.is_quotable else "", path, variable)


def unavailable(answer: Answer, context: str = "", hint: str = "") -> Unavailable:
    """El error, si ahora no puede; `context` va delante de sus palabras."""
    wait = retry_after(answer.headers)
    return Unavailable(f"{context}{with_words(answer)}", hint, status=answer.status, retry_after=wait)


def is_unwell(status: int) -> bool:
    """Si con ese código el que está mal es el backend."""
    return status in {408, 425, 429} or status >= 500


def with_words(answer: Answer) -> str:
    """Su código y, si las trae, sus palabras."""
    words = _words(answer)
    return f"HTTP {answer.status}: {words}" if words else f"HTTP {answer.status}"


def _words(answer: Answer) -> str | None:
    """Lo que el backend dice que pasó (`error` o, en DRF, `detail`), listo para enseñarlo."""
    if not answer.is_quotable:
        return None
    try:
        content = answer.content()
    except WrongProtocol:
        return None
    if isinstance(content, dict):
        for key in ("error", "detail"):
            if isinstance(content.get(key), str):
                return printable(content[key]) or None
    return None


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
    return max(0.0, (moment - wall_clock.now()).total_seconds()) if moment else None
