"""Lo que un servidor de mentira hace con una petición: contestar, o estropearla."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any


@dataclass(slots=True)
class Request:
    """Una petición recibida; `nth` es cuántas van con el mismo método y ruta, contando esta.

    `reaction` es lo que se hizo con ella.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    nth: int
    peer: str
    reaction: "Reaction" = None


class Fault(Enum):
    """Averías que no son una respuesta."""

    CUT = auto()
    """Cierra sin contestar."""
    RESET = auto()
    """Corta con RST."""
    CUT_AFTER_APPLYING = auto()
    """Pasa la petición al backend, que la cumple, y tira la respuesta."""
    STALL = auto()
    """Se queda la petición y no contesta hasta que el servidor se cierra."""


@dataclass(frozen=True, slots=True)
class Drip:
    """Manda `data` y después, una y otra vez, `drop` cada `every` segundos, hasta que cuelguen."""

    data: bytes
    drop: bytes
    every: float = 0.05


@dataclass(frozen=True, slots=True)
class Raw:
    """Manda estos bytes; con `close`, cierra después."""

    data: bytes
    close: bool = True


@dataclass(frozen=True, slots=True)
class Spoiled:
    """Pasa la petición al backend, que la cumple; manda la respuesta como la deje `change` y hace lo de `then`."""

    change: Callable[[bytes], bytes] = bytes
    then: Fault = Fault.CUT


@dataclass(frozen=True, slots=True)
class Late:
    """Espera y después hace lo otro."""

    seconds: float
    then: "Reaction" = None


Reaction = Fault | Drip | Raw | Spoiled | Late | None
Rule = Callable[[Request], Reaction]


def answer(status: int, body: bytes | str = b"", **headers: str) -> Raw:
    """Una respuesta HTTP bien hecha; los guiones bajos de las cabeceras son guiones."""
    data = body.encode() if isinstance(body, str) else body
    head = {"Content-Type": "application/json", "Content-Length": str(len(data)), "Connection": "close"}
    head |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    return Raw(f"HTTP/1.1 {status} Estado\r\n{lines}\r\n".encode("latin-1", "replace") + data)


def keep_alive(raw: Raw) -> Raw:
    """La misma respuesta, sin cerrar la conexión detrás."""
    return Raw(raw.data.replace(b"Connection: close\r\n", b"", 1), close=False)


def listing(*ids: int | str, **rest: Any) -> Raw:
    """Una lista con esos eventos y lo demás que se diga."""
    return answer(200, json.dumps({"results": [{"id": event_id} for event_id in ids], **rest}))


YES = answer(200, '{"success": true, "status": "hecho"}')
"""Un sí a un evento."""
OK_HEAD = b"HTTP/1.1 200 OK\r\n"


def pass_through(_request: Request) -> None:
    """La regla que no estropea nada."""
