"""Qué se habla en un puerto donde no contesta la API: se conecta y mira; no pide nada."""

import asyncio
import ssl
from contextlib import suppress

import httpx

from estado_eventos.backend.network import resolvable

_BANNER_BYTES = 64
_MAX_SECONDS = 3.0
_NOT_HTTP = {b"SSH-": "SSH", b"220 ": "correo o FTP", b"* OK": "correo", b"RFB ": "escritorio remoto"}


async def cure_for_port(variable: str, base: str, seconds: float) -> str:
    """Qué hacer si en la URL `base`, que dice `variable`, se corta o se contesta algo que no es HTTP."""
    seconds = min(_MAX_SECONDS, seconds)
    if base.startswith("http:") and await speaks_tls(base, seconds):
        return use_https(variable, base)
    if name := await greeting(*_address(base), seconds):
        return f"Ahí contesta {name}, no el backend: ¿es ese el puerto de {variable}?"
    return f"¿Habla https ese puerto?, ¿es ese el puerto? Compruebe {variable} y lo que haya delante del backend"


def use_https(variable: str, base: str) -> str:
    """Qué hacer si en un puerto al que se le habla http se habla https."""
    return f"En ese puerto se habla https: ponga {variable}={base.replace('http:', 'https:', 1)}"


async def speaks_tls(base: str, seconds: float) -> bool:
    """Si ahí se negocia TLS, con el certificado que sea: no se le manda nada."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    host, port = _address(base)
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
            writer.transport.abort()
            return True
    return False


async def greeting(host: str, port: int, seconds: float) -> str | None:
    """Quién es, si es de los que saludan sin que nadie les pregunte."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                banner = await reader.read(_BANNER_BYTES)
            finally:
                writer.transport.abort()
            return next((name for start, name in _NOT_HTTP.items() if banner.startswith(start)), None)
    return None


def _address(base: str) -> tuple[str, int]:
    url = httpx.URL(base)
    return resolvable(url.raw_host.decode("ascii")), url.port or (443 if url.scheme == "https" else 80)
