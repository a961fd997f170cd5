"""El token guardado entre pasadas: borrarlo cuesta un inicio de sesión y nada más."""

import json
import logging
import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from estado_eventos.report import printable
from estado_eventos.tokens import Token

_MAX_BYTES = 64 << 10
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TokenCache:
    """Un archivo 0600 con el token de una cuenta (`account`) en un backend (`backend`); de otros no sirve."""

    path: Path
    backend: str
    account: str

    def read(self) -> Token | None:
        """El token guardado, si el archivo es de fiar y es de esta cuenta; si no, se avisa y como si no estuviera."""
        try:
            entry = json.loads(self._read_file())
            token = Token.read(entry["token"], datetime.fromtimestamp(entry["received_at"], UTC))
            owner = (entry["backend"], entry["account"])
        except FileNotFoundError:
            return None
        except OSError as error:
            self._ignore(printable(str(error.strerror or error)))
            return None
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            self._ignore("no se entiende")
            return None
        if owner != (self.backend, self.account):
            _log.info("TOKEN_CACHE_FILE: el token guardado es de otro backend u otra cuenta; se pedirá uno nuevo")
            return None
        return token

    def write(self, token: Token) -> None:
        """Guarda el token de una vez: quien lea ve el anterior o este, nunca medio. Si no se puede, se avisa."""
        received_at = token.received_at or datetime.now(UTC)
        entry = {
            "backend": self.backend,
            "account": self.account,
            "received_at": received_at.timestamp(),
            "token": token.text,
        }
        temporary = None
        try:
            # `mkstemp` crea con 0600, y cambiar de nombre sustituye un enlace en vez de seguirlo.
            handle, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(entry, file)
            Path(temporary).replace(self.path)
        except OSError as error:
            reason = printable(str(error.strerror or error))
            _log.warning("TOKEN_CACHE_FILE: no se puede guardar en %s: %s", self.path, reason)
            if temporary:
                with suppress(OSError):
                    Path(temporary).unlink()

    def _read_file(self) -> bytes:
        handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise OSError(0, "no es un archivo normal")
            if status.st_uid != os.geteuid():
                raise OSError(0, "es de otro usuario")
            if status.st_mode & 0o077:
                raise OSError(0, "lo pueden leer otros usuarios (no es 0600)")
            return file.read(_MAX_BYTES)

    def _ignore(self, reason: str) -> None:
        _log.warning("TOKEN_CACHE_FILE: no se usa %s: %s", self.path, reason)
