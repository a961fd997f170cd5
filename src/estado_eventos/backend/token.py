"""Un token del backend: hasta cuándo vale y para quién, según él mismo. No comprueba la firma."""

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from estado_eventos.backend.grants import Grant
from estado_eventos.domain import wall_clock
from estado_eventos.domain.text import printable, spoken_lag, spoken_moment


@dataclass(frozen=True, slots=True)
class Token:
    """Un JWT (RFC 7519). Cuándo lo dio el backend, si se sabe: `received_at` en esta máquina, `issued_at` allí."""

    text: str = field(repr=False)
    received_at: datetime | None = None
    expires_at: datetime | None = None
    issued_at: datetime | None = None
    role: str | None = None

    @classmethod
    def read(
        cls, text: str, received_at: datetime | None = None, issued_at: datetime | None = None, role: object = None
    ) -> "Token":
        """Lee lo que el token dice de sí; lo que no se entiende queda a `None`. Nunca falla.

        El del backend de verdad no dice cuándo se emitió ni de qué rol es: eso lo sabe quien lo recibió.
        """
        claims = _claims(text)
        return cls(
            text,
            received_at,
            expires_at=_moment(claims.get("exp")),
            issued_at=_moment(claims.get("iat")) or issued_at or received_at,
            role=printable(role, 64) if isinstance(role, str) else None,
        )

    @classmethod
    def granted(cls, grant: Grant) -> "Token":
        """El que el backend acaba de dar."""
        return cls.read(grant.token, wall_clock.now(), grant.at, grant.role)

    @property
    def life(self) -> timedelta | None:
        """Cuánto vive desde que se emite, si los datos tienen sentido."""
        life = self.expires_at - self.issued_at if self.expires_at and self.issued_at else timedelta()
        return life if life > timedelta() else None

    def left(self, now: datetime) -> timedelta | None:
        """Cuánto le queda, o `None` si no se sabe.

        De un token que dio el backend cuenta su vida desde que llegó: así no importa que los relojes no coincidan.
        Si llegó «más tarde» que ahora es que el reloj ha saltado, y no le queda más que su vida.
        """
        if self.received_at:
            return self.life - max(now - self.received_at, timedelta()) if self.life else None
        return self.expires_at - now if self.expires_at else None

    def expired(self, now: datetime) -> bool:
        """Si ya no vale, hasta donde se sabe."""
        left = self.left(now)
        return left is not None and left <= timedelta()


def spoken_token(token: Token, now: datetime) -> str:
    """Hasta cuándo vale un token y para quién, en palabras y sin el token."""
    left = token.left(now)
    role = f", rol {token.role}" if token.role else ""
    if left is None or token.expires_at is None:
        return f"no dice cuándo caduca{role}"
    moment = spoken_moment(token.expires_at)
    if left <= timedelta():
        return f"caducó el {moment}{role}"
    return f"le quedan {spoken_lag(left.total_seconds())} (caduca el {moment}){role}"


def _claims(text: str) -> dict[str, Any]:
    # A mano porque importar PyJWT cuesta más que todo lo demás que hace una pasada sin eventos.
    try:
        payload = text.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _moment(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
