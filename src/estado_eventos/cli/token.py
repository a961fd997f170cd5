"""El mandato `token`: pedir uno al backend, o decir cuánto le queda al que hay."""

import sys
from datetime import UTC, datetime

from pydantic import SecretStr

from estado_eventos.backend.account import Account, account_of
from estado_eventos.backend.token import Token, spoken_token
from estado_eventos.backend.token_cache import cache_of
from estado_eventos.config.settings import Settings, SettingsError
from estado_eventos.config.sources import Loaded
from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.output import streams
from estado_eventos.reconcile.run import new_run_id, sign_in

_NOTHING = "No hay token ni cuenta: ponga BACKEND_EMAIL y BACKEND_PASSWORD, o BACKEND_JWT_TOKEN."


def issue(settings: Settings) -> ExitCode:
    """Inicia sesión y escribe el token solo en la salida; lo demás va a stderr. Lanza `BackendError`."""
    fresh = sign_in(settings, _account(settings), new_run_id())
    streams.write_secret(fresh.text)
    streams.tell(f"Token nuevo: {spoken_token(fresh, datetime.now(UTC))}.")
    return ExitCode.OK


def check(loaded: Loaded) -> ExitCode:
    """Dice cuánto le queda al token que usaría una pasada y de dónde sale, sin enseñarlo."""
    settings, now = loaded.settings, datetime.now(UTC)
    found: dict[str, Token] = {}
    if settings.backend_jwt_token:
        origin = f"BACKEND_JWT_TOKEN ({loaded.origin('backend_jwt_token')})"
        found[origin] = Token.read(settings.backend_jwt_token.get_secret_value())
    cache = cache_of(settings)
    if cache and (cached := cache.take()):
        found[f"TOKEN_CACHE_FILE ({cache.path})"] = cached
    streams.write(f"{origin}: {spoken_token(token, now)}." for origin, token in found.items())
    if account_of(settings):
        streams.write([f"Cuenta: BACKEND_EMAIL ({loaded.origin('backend_email')}); el token se renueva solo."])
        return ExitCode.OK
    if not found:
        raise SettingsError([_NOTHING])
    return ExitCode.NOPERM if all(token.expired(now) for token in found.values()) else ExitCode.OK


def _account(settings: Settings) -> Account:
    """La cuenta configurada; lo que falte se pregunta por stderr, que la salida es para el token."""
    email, password = settings.backend_email, settings.backend_password
    if not (email and password) and not (sys.stdin and sys.stdin.isatty()):
        raise SettingsError(["Faltan BACKEND_EMAIL y BACKEND_PASSWORD, y no hay terminal donde preguntarlas."])
    return Account(
        email or SecretStr(streams.ask("Correo: ")),
        password or SecretStr(streams.ask("Contraseña: ", hidden=True)),
    )
