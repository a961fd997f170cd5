"""El token guardado entre pasadas: borrarlo cuesta un inicio de sesión y nada más."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from estado_eventos.backend.token import Token
from estado_eventos.config.settings import Settings
from estado_eventos.domain import wall_clock
from estado_eventos.domain.text import is_token, printable, spoken_os_error
from estado_eventos.output.files import read_file, replace_file

_MAX_BYTES = 64 << 10
_log = logging.getLogger(__name__)


class CachedToken(NamedTuple):
    """El token guardado, o en `problem`, si hay algo guardado que no se puede usar, por qué no."""

    token: Token | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class TokenCache:
    """Un archivo 0600 con el token de una cuenta (`account`) en un backend (`backend`); de otros no sirve."""

    path: Path
    backend: str
    account: str

    def take(self) -> Token | None:
        """El token guardado, si se puede usar; si no, se avisa y como si no estuviera."""
        token, problem = self.read()
        if problem:
            _log.warning("%s", problem)
        return token

    def read(self) -> CachedToken:
        """El token guardado, si el archivo es de fiar y es de esta cuenta."""
        try:
            entry = json.loads(read_file(self.path, _MAX_BYTES, private=True))
            received_at = datetime.fromtimestamp(entry["received_at"], UTC)
            # Las versiones anteriores no guardaban cuándo se emitió ni el rol.
            issued_at = datetime.fromtimestamp(entry.get("issued_at", entry["received_at"]), UTC)
            token = Token.read(entry["token"], received_at, issued_at, entry.get("role"))
            owner, usable = (entry["backend"], entry["account"]), is_token(token.text)
        except FileNotFoundError:
            return CachedToken()
        except OSError as error:
            return self._unusable(spoken_os_error(error))
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            return self._unusable("no se entiende")
        if not usable:
            return self._unusable("no se entiende")
        if owner != (self.backend, self.account):
            _log.info("TOKEN_CACHE_FILE: el token guardado es de otro backend u otra cuenta; se pedirá uno nuevo")
            return CachedToken()
        return CachedToken(token)

    def write(self, token: Token) -> None:
        """Guarda el token de una vez: quien lea ve el anterior o este, nunca medio. Si no se puede, se avisa."""
        received_at = token.received_at or wall_clock.now()
        entry = {
            "backend": self.backend,
            "account": self.account,
            "received_at": received_at.timestamp(),
            "issued_at": (token.issued_at or received_at).timestamp(),
            "role": token.role,
            "token": token.text,
        }
        try:
            replace_file(self.path, json.dumps(entry).encode(), 0o600)
        except OSError as error:
            _log.warning("TOKEN_CACHE_FILE: no se puede guardar en %s: %s", self.path, spoken_os_error(error))

    def _unusable(self, reason: str) -> CachedToken:
        return CachedToken(problem=f"TOKEN_CACHE_FILE: no se usa {printable(str(self.path))}: {reason}")


CacheOf = Callable[[Settings], TokenCache | None]


def cache_of(settings: Settings) -> TokenCache | None:
    """Dónde se guarda el token de la cuenta, si hay cuenta y sitio."""
    if settings.backend_email and settings.backend_password and settings.token_cache_file:
        account = settings.backend_email.get_secret_value()
        return TokenCache(settings.token_cache_file, settings.backend_url, account)
    return None
