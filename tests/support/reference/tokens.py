"""Los JWT del backend de referencia: HS256 y con los datos del real, ni uno más. No importa Django."""

from dataclasses import dataclass
from datetime import datetime

import jwt

_SECRET = "secreto solo para pruebas, de más de 32 bytes"
_ALGORITHM = "HS256"

InvalidTokenError = jwt.InvalidTokenError


@dataclass(frozen=True)
class Claims:
    """De quién es un token; el papel no lo dice él, sino su usuario."""

    user_id: int
    email: str


def mint(claims: Claims, life_seconds: int, now: datetime) -> str:
    """Firma un token que caduca dentro de `life_seconds` (ya caducado, si es negativo)."""
    payload = {"user_id": claims.user_id, "email": claims.email, "exp": int(now.timestamp()) + life_seconds}
    return jwt.encode(payload, _SECRET, algorithm=_ALGORITHM)


def read(token: str, now: datetime) -> Claims:
    """Comprueba firma y caducidad, con el reloj del backend; si algo falla, `InvalidTokenError`."""
    payload = jwt.decode(
        token,
        _SECRET,
        algorithms=[_ALGORITHM],
        options={"require": ["user_id", "email", "exp"], "verify_exp": False},
    )
    if payload["exp"] <= now.timestamp():
        raise jwt.ExpiredSignatureError
    return Claims(payload["user_id"], payload["email"])
