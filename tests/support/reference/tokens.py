"""Los JWT del backend de referencia: HS256, como los del real. No importa Django."""

import time
from dataclasses import dataclass

import jwt

_SECRET = "secreto solo para pruebas, de más de 32 bytes"
_ALGORITHM = "HS256"

InvalidTokenError = jwt.InvalidTokenError


@dataclass(frozen=True)
class Claims:
    """De quién es un token y qué papel tiene."""

    email: str
    role: str


def mint(claims: Claims, life_seconds: int) -> str:
    """Firma un token que caduca dentro de `life_seconds` (ya caducado, si es negativo)."""
    now = int(time.time())
    payload = {"email": claims.email, "role": claims.role, "iat": now, "exp": now + life_seconds}
    return jwt.encode(payload, _SECRET, algorithm=_ALGORITHM)


def read(token: str) -> Claims:
    """Comprueba firma y caducidad; si algo falla, `InvalidTokenError`."""
    payload = jwt.decode(
        token,
        _SECRET,
        algorithms=[_ALGORITHM],
        options={"require": ["email", "role", "exp"]},
    )
    return Claims(payload["email"], payload["role"])
