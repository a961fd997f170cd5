"""La cuenta con que se inicia sesión, y lo que se pide a `/auth/`."""

from collections.abc import Mapping
from typing import NamedTuple

import httpx
from pydantic import SecretStr

from estado_eventos.config.settings import Settings


class Account(NamedTuple):
    """Con qué se inicia sesión."""

    email: SecretStr
    password: SecretStr

    @property
    def secrets(self) -> list[str]:
        """El correo y la contraseña, para tacharlos."""
        return [self.email.get_secret_value(), self.password.get_secret_value()]


def account_of(settings: Settings) -> Account | None:
    """La cuenta configurada, si está entera."""
    if settings.backend_email and settings.backend_password:
        return Account(settings.backend_email, settings.backend_password)
    return None


def login_request(settings: Settings, account: Account, headers: Mapping[str, str]) -> httpx.Request:
    """La petición que inicia sesión; al backend le cuesta de 0,5 a 1,5 s de CPU."""
    body = {"email": account.email.get_secret_value(), "password": account.password.get_secret_value()}
    return auth_request(settings, "login", body, headers)


def auth_request(settings: Settings, action: str, body: Mapping[str, str], headers: Mapping[str, str]) -> httpx.Request:
    """Una petición a `/auth/<action>/`."""
    url = f"{settings.auth_url or settings.backend_url}/auth/{action}/"
    return httpx.Request("POST", url, json=body, headers=headers)
