"""Los tokens que hay antes de hablar con nadie: de dónde sale cada uno y cuánto le queda."""

import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from estado_eventos.backend.account import account_of
from estado_eventos.backend.auth import WARN_BEFORE
from estado_eventos.backend.token import Token, spoken_token
from estado_eventos.backend.token_cache import cache_of
from estado_eventos.check.findings import Finding, good, problem
from estado_eventos.config.sources import Loaded
from estado_eventos.domain.text import printable

_USE_ACCOUNT = "Ponga BACKEND_EMAIL y BACKEND_PASSWORD: con ellas se renueva solo"


@dataclass(frozen=True, slots=True)
class HeldTokens:
    """Lo que hay antes de hablar con nadie: el token con que empezaría una pasada y lo que llama la atención."""

    usable: Token | None
    findings: tuple[Finding, ...]


def held_tokens(loaded: Loaded) -> HeldTokens:
    """Lee el token configurado y el guardado, como lo haría una pasada."""
    settings, now = loaded.settings, datetime.now(UTC)
    static = settings.backend_jwt_token
    found: dict[str, Token] = {}
    findings: list[Finding] = []
    if static:
        origin = f"BACKEND_JWT_TOKEN ({printable(loaded.origin('backend_jwt_token'))})"
        found[origin] = Token.read(static.get_secret_value())
    if cache := cache_of(settings):
        token, reason = cache.read()
        if reason:
            findings.append(problem("token", reason, _cure_for_cache(cache.path)))
        if token:
            found[f"TOKEN_CACHE_FILE ({printable(str(cache.path))})"] = token
    has_account = account_of(settings) is not None
    findings += [_life(origin, token, now, renewed=has_account) for origin, token in found.items()]
    if not found and not has_account:
        findings.append(good("token", "No hay token ni cuenta: las peticiones van sin credenciales"))
    # Sin cuenta, la pasada manda el que hay aunque parezca caducado: el reloj que decide es el del backend.
    usable = (token for token in found.values() if not has_account or not token.expired(now))
    return HeldTokens(next(usable, None), tuple(findings))


def _cure_for_cache(path: Path) -> str:
    """Qué hacer con lo que hay donde se guarda el token. Borrar, solo un archivo que no puede ser otra cosa."""
    name = printable(str(path))
    try:
        status = path.lstat()
    except OSError:
        return "Repita con la cuenta que hace las pasadas, o ponga en TOKEN_CACHE_FILE un archivo suyo"
    if stat.S_ISDIR(status.st_mode):
        return f"Es un directorio: ponga un archivo dentro de él, TOKEN_CACHE_FILE={name}/token"
    if not stat.S_ISREG(status.st_mode):
        return "Ponga en TOKEN_CACHE_FILE la ruta de un archivo, que no sea un enlace ni un dispositivo"
    if status.st_uid != os.geteuid():
        return "Repita con la cuenta que hace las pasadas, o ponga en TOKEN_CACHE_FILE un archivo suyo"
    if status.st_mode & 0o077:
        return f"chmod 600 {name}"
    return f"Si ahí no guarda otra cosa, bórrelo (rm {name}): cuesta un inicio de sesión y nada más"


def _life(origin: str, token: Token, now: datetime, *, renewed: bool) -> Finding:
    message = f"{origin}: {spoken_token(token, now)}"
    left = token.left(now)
    if renewed or left is None:
        return good("token", message)
    return problem("token", message if left < WARN_BEFORE else f"{message}; nadie lo renueva", _USE_ACCOUNT)
