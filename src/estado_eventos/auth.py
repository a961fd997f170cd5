"""La autenticación ante el backend: qué token se manda, a quién y hasta cuándo vale."""

import base64
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import httpx


class BearerAuth(httpx.Auth):
    """Manda el token solo al origen del backend; sin token, no manda nada."""

    def __init__(self, origin: httpx.URL, token: str | None) -> None:
        """`origin` es la URL del backend: de ella cuentan el esquema, el servidor y el puerto."""
        self._origin = origin
        self._token = token

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Firma la petición si va al backend."""
        if self._token and same_origin(request.url, self._origin):
            request.headers["Authorization"] = f"Bearer {self._token}"
        yield request

    def explain_denial(self) -> str:
        """Qué le pasa al token cuando el backend contesta 401, y qué hacer."""
        if not self._token:
            return "el backend pide credenciales y no hay ninguna. Ponga BACKEND_JWT_TOKEN"
        expires_at = token_expiry(self._token)
        if expires_at and expires_at <= datetime.now(UTC):
            return f"el token de BACKEND_JWT_TOKEN caducó el {expires_at:%Y-%m-%d a las %H:%M:%S} UTC. Ponga uno nuevo"
        return "el backend no acepta el token de BACKEND_JWT_TOKEN. Compruebe que está entero y es de este backend"


def same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    """Si dos URL comparten esquema, servidor y puerto (el que toca por esquema cuando no se dice)."""
    return _origin(one) == _origin(other)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


def token_expiry(token: str) -> datetime | None:
    """Cuándo caduca un JWT, según él mismo (`exp`, RFC 7519); `None` si no lo dice. No comprueba la firma.

    Se lee a mano porque importar PyJWT cuesta más que todo lo demás que hace una pasada sin eventos.
    """
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return datetime.fromtimestamp(claims["exp"], UTC)
    except (IndexError, KeyError, TypeError, ValueError, OverflowError, OSError, RecursionError):
        return None
