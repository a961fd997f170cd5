"""Los tokens que hay antes de hablar con nadie: de dónde sale cada uno y cuánto le queda."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from estado_eventos.auth import WARN_BEFORE, account_of, cache_of
from estado_eventos.check_findings import Finding, good, problem
from estado_eventos.render import spoken_token
from estado_eventos.report import printable
from estado_eventos.sources import Loaded
from estado_eventos.tokens import Token

_USE_ACCOUNT = "Ponga BACKEND_EMAIL y BACKEND_PASSWORD: con ellas se renueva solo"


@dataclass(frozen=True, slots=True)
class AtHand:
    """Lo que hay antes de hablar con nadie: el token con que empezaría una pasada y lo que llama la atención."""

    token: Token | None
    findings: tuple[Finding, ...]


def at_hand(loaded: Loaded) -> AtHand:
    """Lee el token configurado y el guardado, como lo haría una pasada."""
    settings, now = loaded.settings, datetime.now(UTC)
    static = settings.backend_jwt_token
    found: dict[str, Token] = {}
    findings: list[Finding] = []
    if static:
        found[f"BACKEND_JWT_TOKEN ({printable(loaded.origin('backend_jwt_token'))})"] = Token.read(
            static.get_secret_value()
        )
    if cache := cache_of(settings):
        with _heard() as warnings:
            cached = cache.read()
        findings += [problem("token", text, "Bórrelo: cuesta un inicio de sesión y nada más") for text in warnings]
        if cached:
            found[f"TOKEN_CACHE_FILE ({printable(str(cache.path))})"] = cached
    has_account = account_of(settings) is not None
    findings += [_life(origin, token, now, renewed=has_account) for origin, token in found.items()]
    if not found and not has_account:
        findings.append(good("token", "No hay token ni cuenta: las peticiones van sin credenciales"))
    # Sin cuenta, la pasada manda el que hay aunque parezca caducado: el reloj que decide es el del backend.
    usable = (token for token in found.values() if not has_account or not token.expired(now))
    return AtHand(next(usable, None), tuple(findings))


def _life(origin: str, token: Token, now: datetime, *, renewed: bool) -> Finding:
    message = f"{origin}: {spoken_token(token, now)}"
    left = token.left(now)
    if renewed or left is None:
        return good("token", message)
    return problem("token", message if left < WARN_BEFORE else f"{message}; nadie lo renueva", _USE_ACCOUNT)


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Los avisos que el programa daría en el registro, en vez de darlos."""
    texts: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            texts.append(printable(record.getMessage()))

    logger, ear = logging.getLogger("estado_eventos"), Ear(logging.WARNING)
    logger.addHandler(ear)
    logger.propagate = False
    try:
        yield texts
    finally:
        logger.removeHandler(ear)
        logger.propagate = True
