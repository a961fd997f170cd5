"""El backend del diseño (§2), en pequeño: estados, fechas, tokens y listas. Sin red; la hora se la dan."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from tests.support.reference.contract import FOLLOW_UP

STATES = ("programado", "en_progreso", "completado")
VERBS = ("start", "finish")
_INFINITIVES = {"start": "iniciar", "finish": "finalizar"}
EMAIL, PASSWORD = "admin@example.com", "contraseña-de-mentira"


class Reply(NamedTuple):
    """Lo que se contesta; si es una lista, `shown` son los eventos que trae y `total`, cuántos dice que hay."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    shown: tuple[str, ...] | None = None
    total: int | None = None


class Save(NamedTuple):
    """Un cambio comprobado que aún no se ha guardado."""

    key: str
    verb: str


@dataclass(slots=True)
class Event:
    """Un evento; las fechas, en segundos desde 1970."""

    key: str
    starts_at: float
    ends_at: float
    state: int = 0
    broken: bool = False
    participants: bool = True

    def due_at(self, verb: str) -> float:
        """Cuándo le toca."""
        return self.starts_at if verb == "start" else self.ends_at


class Ask(NamedTuple):
    """Una petición, tal como llega."""

    method: str
    path: str
    query: str = ""
    token: str | None = None
    body: bytes = b""


@dataclass(slots=True)
class Model:
    """El backend. `receive` comprueba; si hay algo que guardar, lo da, y se guarda con `save` cuando se quiera."""

    events: dict[str, Event] = field(default_factory=dict)
    tokens: dict[str, float] = field(default_factory=dict)
    """Hasta cuándo vale cada uno de los que dio."""
    needs_token: bool = True
    is_admin: bool = True
    password: str = PASSWORD
    token_seconds: int = 1800
    root: str = "http://127.0.0.1"
    page_size: int = 0
    as_list: bool = False
    follow_up_status: int = 0
    minted: int = 0

    def receive(self, ask: Ask, now: float) -> Reply | Save:
        """Contesta, o da lo que hay que guardar antes de contestar."""
        segments = ask.path.strip("/").split("/")
        if segments[0] == "auth":
            return self._auth(segments[1], ask.body, now)
        refusal = self._refuse(ask.token, now) if self.needs_token else None
        if refusal:
            return refusal
        if ask.path == FOLLOW_UP:
            return self._follow_up(_object(ask.body))
        if segments[2].startswith("pending-"):
            return self._list(segments[2].removeprefix("pending-"), ask, now)
        return self._check(segments[2], segments[3])

    def save(self, save: Save) -> Reply:
        """Guarda y contesta que sí: lo que hubiera, lo pisa."""
        event = self.events[save.key]
        event.state = VERBS.index(save.verb) + 1
        return reply(200, {"success": True, "status": STATES[event.state]})

    def pending(self, verb: str, now: float) -> list[Event]:
        """A los que ya les toca, del más antiguo al más nuevo."""
        before = VERBS.index(verb)
        due = [event for event in self.events.values() if event.state == before and event.due_at(verb) <= now]
        return sorted(due, key=lambda event: (event.due_at(verb), int(event.key)))

    def mint(self, now: float) -> str:
        """Un token como los de verdad, menos la firma."""
        self.minted += 1
        claims = {"user_id": 1, "email": EMAIL, "exp": int(now) + self.token_seconds}
        text = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        token = f"eyJhbGciOiJIUzI1NiJ9.{text}.firma-{self.minted}"
        self.tokens[token] = int(now) + self.token_seconds
        return token

    def _refuse(self, token: str | None, now: float) -> Reply | None:
        if token is None:
            return _error(401, "Token no proporcionado")
        if self.tokens.get(token, 0) <= now:
            return _error(401, "Token inválido o expirado")
        return None if self.is_admin else _error(403, "No tiene permisos de administrador")

    def _auth(self, action: str, body: bytes, now: float) -> Reply:
        content = _object(body)
        if action == "login":
            if (content.get("email"), content.get("password")) != (EMAIL, self.password):
                return _error(401, "Credenciales inválidas")
            role = "admin" if self.is_admin else "student"
            return reply(200, {"token": self.mint(now), "user": {"id": 1, "email": EMAIL, "role": role}})
        if self.tokens.get(str(content.get("token")), 0) <= now:
            return _error(401, "Token inválido o expirado")
        return reply(200, {"token": self.mint(now)})

    def _follow_up(self, content: dict[str, Any]) -> Reply:
        if self.follow_up_status:
            return _error(self.follow_up_status, "Error al procesar el evento")
        if content.get("event_id") is None:
            return _error(400, "event_id es obligatorio")
        event = self.events.get(str(content["event_id"]))
        if event is None:
            return _error(404, "Evento no encontrado")
        if not event.participants:
            return _error(404, "El evento no tiene participantes")
        return reply(202, {"message": f"Análisis del evento {event.key} en marcha"})

    def _check(self, key: str, verb: str) -> Reply | Save:
        event = self.events.get(key)
        if event is None:
            return _error(404, "Evento no encontrado")
        if event.state != VERBS.index(verb):
            return _error(400, f"No se puede {_INFINITIVES[verb]} un evento en estado '{STATES[event.state]}'")
        if event.broken:
            return _error(400, f"Error al {_INFINITIVES[verb]} el evento: fechas del revés")
        return Save(key, verb)

    def _list(self, verb: str, ask: Ask, now: float) -> Reply:
        rows = self.pending(verb, now)
        if not self.page_size:
            items = [_item(event, verb) for event in rows]
            return reply(200, items if self.as_list else {"results": items}, tuple(event.key for event in rows))
        number = int(parse_qs(ask.query).get("page", ["1"])[0])
        pages = max(1, -(-len(rows) // self.page_size))
        if number > pages:
            return _error(404, "Página no válida")
        part = rows[(number - 1) * self.page_size : number * self.page_size]
        link: Callable[[int], str] = lambda page: f"{self.root}{ask.path}?page={page}"  # noqa: E731
        content = {
            "count": len(rows),
            "next": link(number + 1) if number < pages else None,
            "previous": link(number - 1) if number > 1 else None,
            "results": [_item(event, verb) for event in part],
        }
        return reply(200, content, tuple(event.key for event in part))._replace(total=len(rows))


def reply(status: int, content: object, shown: tuple[str, ...] | None = None) -> Reply:
    """Una respuesta JSON."""
    return Reply(status, json.dumps(content).encode(), (), shown)


def dated(answer: Reply, now: float) -> Reply:
    """La misma, con `Date`."""
    return answer._replace(headers=(*answer.headers, ("Date", formatdate(int(now), usegmt=True))))


def _error(status: int, message: str) -> Reply:
    return reply(status, {"error": message})


def _object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _item(event: Event, verb: str) -> dict[str, Any]:
    due = datetime.fromtimestamp(event.due_at(verb), UTC).isoformat()
    return {"id": int(event.key), f"{verb.replace('finish', 'end')}_date": due}


def verbs_of(event: Event) -> Iterator[str]:
    """Lo que aún le falta."""
    yield from VERBS[event.state :]
