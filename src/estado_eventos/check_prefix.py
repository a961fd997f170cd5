"""Dónde está la API cuando no está donde dice `BACKEND_URL`: se prueban unas pocas direcciones probables."""

from collections.abc import Iterator, Sequence

import httpx

from estado_eventos.auth import same_origin
from estado_eventos.check_probe import Probe
from estado_eventos.protocol import BackendError, Denied
from estado_eventos.settings import Settings
from estado_eventos.tokens import Token
from estado_eventos.transitions import TRANSITIONS

_MAX_CANDIDATES = 12
_USUAL_PREFIX = "events"


async def find_api(settings: Settings, tokens: Sequence[Token], location: str) -> str | None:
    """La `BACKEND_URL` con que la lista sí contesta, si es una de las probables.

    Vale más la que enseña la lista que la que solo pide permiso. A otro origen no se le manda el token.
    """
    asks_permission = None
    for url in _candidates(settings.backend_url, location):
        trusted = same_origin(httpx.URL(url), httpx.URL(settings.backend_url))
        async with Probe(settings.model_copy(update={"backend_url": url}), tokens if trusted else ()) as probe:
            try:
                await probe.pending(TRANSITIONS[0])
            except Denied:
                asks_permission = asks_permission or url
            except BackendError:
                continue
            else:
                return url
    return asks_permission


async def find_auth(settings: Settings, api: str | None) -> str | None:
    """La `AUTH_URL` donde se inicia sesión: a un GET contesta que así no (405) o que sin permiso no (401)."""
    for url in [*([api] if api else []), *_candidates(settings.auth_url or settings.backend_url)]:
        async with Probe(settings) as probe:
            try:
                if await probe.status(f"{url}/auth/login/") in {401, 405}:
                    return url
            except BackendError:
                continue
    return None


def _candidates(base: str, location: str = "") -> list[str]:
    """Adonde redirige, y la misma URL con el prefijo de siempre y sin lo que le sobre del final."""
    url = httpx.URL(base)
    segments = [segment for segment in url.path.split("/") if segment]
    parents = [segments[:size] for size in range(len(segments), -1, -1)]
    paths = ["/".join(path) for parent in parents for path in ([*parent, _USUAL_PREFIX], parent)]
    found = [*_redirected(url, location), *(str(url.copy_with(path=f"/{path}")).rstrip("/") for path in paths)]
    return [candidate for candidate in dict.fromkeys(found) if candidate != base][:_MAX_CANDIDATES]


def _redirected(url: httpx.URL, location: str) -> Iterator[str]:
    """De dónde cuelga la lista según la redirección, si sigue siendo la lista y en el mismo servidor."""
    path = TRANSITIONS[0].list_path
    try:
        target = url.join(location)
    except (httpx.InvalidURL, ValueError):
        return
    if target.host == url.host and target.scheme in {"http", "https"} and target.path.endswith(path):
        base = target.copy_with(path=target.path.removesuffix(path) or "/", query=None, fragment=None, userinfo=b"")
        yield str(base).rstrip("/")
