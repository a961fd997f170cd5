"""Lo que contesta `/auth/`: un token, o por qué no lo da."""

from datetime import datetime
from typing import NamedTuple

from estado_eventos.backend.answers import REDIRECTS, Answer, in_between, is_unwell, redirected, unavailable, with_words
from estado_eventos.backend.clock import read_date
from estado_eventos.backend.errors import BackendError, Denied, WrongProtocol
from estado_eventos.config.redactor import Redactor
from estado_eventos.domain.text import is_token


class Grant(NamedTuple):
    """Lo que da `/auth/`: un token, de qué rol es su usuario, si lo dice, y qué hora era allí."""

    token: str
    role: str | None
    at: datetime | None


def read_token(answer: Answer, redactor: Redactor) -> Grant:
    """El token que da `/auth/login/` o `/auth/refresh-token/`, que desde ahora se tacha.

    Lanza `Denied` si no acepta las credenciales, `Unavailable` o `WrongProtocol`.
    """
    # Un sí se lee como llegó, que trae el token; de lo demás se tacha lo que repita.
    if answer.status != 200:
        answer = answer.cleaned(redactor)
        raise _login_error(answer)
    content = answer.content()
    content = content if isinstance(content, dict) else {}
    token = content.get("token")
    if not isinstance(token, str) or not is_token(token):
        raise _no_token(answer)
    redactor.add(token)
    return Grant(token, _role(content.get("user"), redactor), read_date(answer.headers.get("date", "")))


def _no_token(answer: Answer) -> BackendError:
    return WrongProtocol(
        f"HTTP {answer.status} sin token al iniciar sesión", "Compruebe AUTH_URL", status=answer.status
    )


def _login_error(answer: Answer) -> BackendError:
    from estado_eventos.backend.in_between import WAIT_UNLOCK, is_locked

    if error := in_between(answer):
        return error
    if answer.status == 423 or (answer.status == 403 and is_locked(answer.body)):
        return Denied(f"el backend no deja entrar ({with_words(answer)})", WAIT_UNLOCK, status=answer.status)
    if answer.status in {400, 401, 403}:
        return Denied(
            f"el backend no acepta BACKEND_EMAIL y BACKEND_PASSWORD ({with_words(answer)})",
            "Compruebe BACKEND_PASSWORD: quizá la cambiaron",
            status=answer.status,
        )
    if answer.status in REDIRECTS:
        return redirected(answer, "/auth/login/", "AUTH_URL")
    if is_unwell(answer.status):
        hint = WAIT_UNLOCK if answer.status == 429 else ""
        return unavailable(answer, "no se puede iniciar sesión: ", hint)
    return _no_token(answer)


def _role(user: object, redactor: Redactor) -> str | None:
    role = user.get("role") if isinstance(user, dict) else None
    return redactor.clean(role) if isinstance(role, str) and not redactor.is_blind else None
