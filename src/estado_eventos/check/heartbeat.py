"""El latido mirado por el diagnóstico: si se llegaría a quien lo espera. No se le da ninguno."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx

from estado_eventos.backend.network import is_address, resolvable
from estado_eventos.check.findings import Finding, good, problem
from estado_eventos.config.settings import Settings

_SECONDS = 5.0


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Si el nombre que hay en `HEARTBEAT_URL` se resuelve; el resto de la URL es un secreto."""
    if settings.heartbeat_url is None:
        return
    host = httpx.URL(settings.heartbeat_url.get_secret_value()).raw_host.decode("ascii")
    if is_address(resolvable(host)) or await _resolves(host, min(_SECONDS, 0.5 * settings.pass_timeout)):
        yield good("heartbeat", f"HEARTBEAT_URL: se sabe dónde está «{host}»")
        return
    message = f"HEARTBEAT_URL: no se pudo resolver «{host}»; quien espera el latido dará la alarma"
    yield problem("heartbeat", message, f"Compruebe HEARTBEAT_URL y el DNS de esta máquina: getent hosts {host}")


async def _resolves(host: str, seconds: float) -> bool:
    with suppress(OSError, UnicodeError, TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().getaddrinfo(host, 443)
            return True
    return False
