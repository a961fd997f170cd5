"""Las transiciones de un evento como datos: aquí, y solo aquí, están los nombres que usa la API."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

_SAFE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LEAP_SECOND = re.compile(r"(T\d\d:\d\d:)60")
_EVENTS_PATH = "/api/events-status"


@dataclass(frozen=True, slots=True)
class Transition:
    """Un cambio de estado que el backend ofrece y las palabras con que se cuenta a una persona.

    `name` es a la vez el mandato de la consola, la clave del informe y el verbo de la API.
    """

    name: str
    date_field: str
    target_status: str
    job: str
    noun: str
    date_label: str
    infinitive: str
    participle: str

    @property
    def list_path(self) -> str:
        """Ruta de la lista de pendientes, relativa a `BACKEND_URL`."""
        return f"{_EVENTS_PATH}/pending-{self.name}/"

    def action_path(self, event_id: int | str) -> str:
        """Ruta que aplica la transición a un evento, relativa a `BACKEND_URL`."""
        return f"{_EVENTS_PATH}/{event_id}/{self.name}/"


START = Transition(
    name="start",
    date_field="start_date",
    target_status="en_progreso",
    job="start_pending_events",
    noun="inicio",
    date_label="inicio",
    infinitive="iniciar",
    participle="iniciado",
)
FINISH = Transition(
    name="finish",
    date_field="end_date",
    target_status="completado",
    job="finish_pending_events",
    noun="finalización",
    date_label="fin",
    infinitive="finalizar",
    participle="finalizado",
)
TRANSITIONS = (START, FINISH)


@dataclass(frozen=True, slots=True)
class Event:
    """Un elemento de una lista de pendientes.

    `due_at` es cuándo le tocaba (UTC si el backend no dice zona) y `due_text`, la fecha tal como llegó; `None` y nada
    si no se entiende. `problem` dice por qué no se le puede aplicar nada.
    """

    id: int | str | None
    due_at: datetime | None = None
    due_text: str = ""
    problem: str | None = None

    @property
    def key(self) -> str:
        """El identificador como texto: 7 y "7" son el mismo evento."""
        return str(self.id)

    @classmethod
    def from_item(cls, item: object, transition: Transition) -> "Event":
        """Lee un elemento de la lista, venga como venga; nunca falla."""
        if not isinstance(item, Mapping):
            return cls(id=None, problem="el elemento de la lista no es un objeto JSON")
        due_at, due_text = _parse_due(item.get(transition.date_field))
        event_id: Any = item.get("id")
        if event_id is None:
            return cls(None, due_at, due_text, "el elemento de la lista no tiene id")
        if isinstance(event_id, bool) or not isinstance(event_id, int | str):
            return cls(None, due_at, due_text, "el id no es ni un número entero ni un texto")
        if not is_safe_id(event_id):
            shown = event_id[:64] if isinstance(event_id, str) else None
            return cls(shown, due_at, due_text, "el id no es válido: letras, cifras, «-» y «_», 64 como mucho")
        return cls(event_id, due_at, due_text)


def is_safe_id(event_id: int | str) -> bool:
    """Si el identificador puede ir en una URL sin desviarla."""
    try:
        return _SAFE_ID.fullmatch(str(event_id)) is not None
    except ValueError:
        # Python no escribe enteros de más de 4300 cifras.
        return False


def _parse_due(value: object) -> tuple[datetime | None, str]:
    if not isinstance(value, str) or (due_at := _parse_moment(value)) is None:
        return None, ""
    return due_at if due_at.tzinfo else due_at.replace(tzinfo=UTC), value[:64]


def _parse_moment(text: str) -> datetime | None:
    with suppress(ValueError):
        return datetime.fromisoformat(text)
    # RFC 3339 admite además «z» minúscula y el segundo 60, que es el que sigue al 59.
    usual, leaps = _LEAP_SECOND.subn(r"\g<1>59", text[:64].upper())
    with suppress(ValueError, OverflowError):
        return datetime.fromisoformat(usual) + timedelta(seconds=leaps)
    return None
