"""Quien firma las peticiones, visto por quien las hace."""

from collections.abc import Generator

import httpx

from estado_eventos.backend.errors import BackendError, Denied
from estado_eventos.config.redactor import Redactor

SENT = "sent"
"""La marca, en las `extensions` de una petición, de que ya salió: antes solo se renovaba el token."""


class Signer(httpx.Auth):
    """Quien firma las peticiones al backend. Así, sin más, no firma ninguna."""

    @property
    def failure(self) -> BackendError | None:
        """Por qué no hay token, si hay cuenta y no se pudo tener ninguno."""
        return None

    def __init__(self, redactor: Redactor | None = None) -> None:
        """`redactor` sabe los secretos del proceso; sin él, no hay ninguno."""
        self.redactor = redactor or Redactor()

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Deja la petición como está."""
        request.extensions[SENT] = True
        yield request

    def give_up(self, failure: BackendError) -> None:
        """Lo que se pidió para firmar no salió bien; aquí no se pide nada."""
        raise failure

    def denial(self) -> BackendError:
        """El error con que se explica un 401, y qué hacer."""
        hint = "Ponga BACKEND_EMAIL y BACKEND_PASSWORD, o BACKEND_JWT_TOKEN"
        return Denied("el backend pide credenciales y no hay", hint, status=httpx.codes.UNAUTHORIZED)
