"""Una lista de pendientes que viene en páginas, y cuál es la siguiente."""

from typing import NamedTuple

import httpx

from estado_eventos.backend.clock import Sighting
from estado_eventos.backend.errors import BackendError, Unavailable, WrongProtocol
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


class Trail:
    """Las páginas de una lista según se leen; `url` es la que toca."""

    def __init__(self, url: httpx.URL) -> None:
        """Empieza por la primera."""
        self.url = url
        self._seen: set[httpx.URL] = set()
        self._totals: set[int | None] = set()

    @property
    def read(self) -> int:
        """Cuántas van."""
        return len(self._seen)

    def follow(self, following: object, total: int | None) -> bool:
        """Pasa a la que dice `next`; `False` si era la última. `total` es de cuántos eventos dice ser la lista.

        Lanza `WrongProtocol` si no puede ser la siguiente y `Unavailable` si, al acabar, la lista no era ya la misma.
        """
        self._seen.add(self.url)
        self._totals.add(total)
        if following is None:
            if len(self._totals) > 1:
                raise _shifted()
            return False
        self.url = self._next(following)
        return True

    def explain(self, error: WrongProtocol) -> BackendError:
        """Lo que significa un error al leer la que toca: que ya no exista es que la lista se acortó."""
        return _shifted() if self.read and error.status == 404 else error

    def _next(self, following: object) -> httpx.URL:
        try:
            url = self.url.join(following) if isinstance(following, str) else None
        except (httpx.InvalidURL, ValueError):
            url = None
        if url is None:
            raise WrongProtocol("la dirección de la página siguiente («next») no es una URL")
        if not same_origin(url, self.url):
            raise WrongProtocol(
                "la página siguiente de la lista («next») está en otro servidor y no se sigue",
                "Ponga en BACKEND_URL la dirección con que el backend se llama a sí mismo",
            )
        if url in self._seen or self.read >= _MAX_PAGES:
            raise WrongProtocol("las páginas de la lista no se acaban nunca")
        return url


def _shifted() -> Unavailable:
    # Con un evento menos, los demás se corren, y uno pasa de la página que falta a la que ya se leyó.
    return Unavailable("cambió mientras se leían sus páginas")
