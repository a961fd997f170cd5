"""Una lista de pendientes que viene en páginas, y cuál es la siguiente."""

from typing import NamedTuple

import httpx

from estado_eventos.backend.clock import Sighting
from estado_eventos.backend.errors import BackendError, WrongProtocol
from estado_eventos.backend.network import same_origin
from estado_eventos.domain.transitions import Event

_MAX_PAGES = 10_000


class Listing(NamedTuple):
    """Una lista de pendientes. Con `problem`, faltan páginas: que un evento no esté no significa nada.

    `sighting` es la hora que daba el backend en la primera página.
    """

    events: tuple[Event, ...]
    problem: BackendError | None = None
    sighting: Sighting | None = None


def next_page(current: httpx.URL, following: object, seen: set[httpx.URL]) -> httpx.URL:
    """La dirección de la página que sigue a `current`, si no está ya en `seen`; lanza `WrongProtocol`."""
    try:
        url = current.join(following) if isinstance(following, str) else None
    except (httpx.InvalidURL, ValueError):
        url = None
    if url is None:
        raise WrongProtocol("la dirección de la página siguiente («next») no es una URL")
    if not same_origin(url, current):
        raise WrongProtocol(
            "la página siguiente de la lista («next») está en otro servidor y no se sigue",
            "Ponga en BACKEND_URL la dirección con que el backend se llama a sí mismo",
        )
    if url in seen or len(seen) >= _MAX_PAGES:
        raise WrongProtocol("las páginas de la lista no se acaban nunca")
    return url
