"""La red: con quién se habla, con qué TLS, y sus errores en palabras."""

import errno
import ipaddress
import re
import socket
import ssl
from collections.abc import Iterator
from functools import cache

import httpx

from estado_eventos.backend.authorities import context_trusting, trusted_store
from estado_eventos.config.redactor import Redactor
from estado_eventos.config.settings import Settings
from estado_eventos.domain.text import printable

_OS_REASONS = {
    errno.ECONNREFUSED: "conexión rehusada",
    errno.ECONNRESET: "el servidor cortó la conexión",
    errno.EPIPE: "el servidor cortó la conexión",
    errno.EHOSTUNREACH: "no hay camino hasta el servidor",
    errno.ENETUNREACH: "no hay red hasta el servidor",
    errno.ETIMEDOUT: "el servidor no responde",
    errno.EMFILE: "este proceso no puede abrir más archivos (ulimit -n)",
    errno.ENFILE: "esta máquina no puede abrir más archivos",
}


def tls_context(settings: Settings) -> ssl.SSLContext:
    """El contexto TLS de todas las conexiones con el backend; lanza `NoAuthoritiesError`."""
    proxy = settings.backend_proxy
    return tls_for(settings.backend_url, settings.auth_url or "", proxy.get_secret_value() if proxy else "")


def tls_for(*urls: str) -> ssl.SSLContext:
    """El contexto TLS con que se habla con esas URL, uno para todo el proceso; sin autoridades si son todas `http://`."""
    if any(httpx.URL(url).scheme == "https" for url in urls):
        return _trusting(trusted_store())
    return _distrustful()


_trusting = cache(context_trusting)


@cache
def _distrustful() -> ssl.SSLContext:
    # httpx quiere alguno; si lo usara por error, este no se fía de nadie.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    """Si dos URL comparten esquema, servidor y puerto (el que toca por esquema cuando no se dice)."""
    return _origin(one) == _origin(other)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


def resolvable(host: str) -> str:
    """A quién se conecta por ese nombre: `localhost` es 127.0.0.1, que en `[::1]` puede escuchar cualquier usuario."""
    return "127.0.0.1" if host == "localhost" else host


def is_loopback(host: str) -> bool:
    """Si ese servidor es esta máquina: lo que va a él no lo ve nadie por el camino."""
    return is_address(resolvable(host)) and ipaddress.ip_address(resolvable(host)).is_loopback


def in_clear(settings: Settings) -> Iterator[tuple[str, str]]:
    """Las variables por las que una contraseña o un token van en claro por la red, y hasta qué servidor."""
    if settings.backend_jwt_token or settings.backend_password:
        for name in ("backend_url", "auth_url"):
            url = httpx.URL(getattr(settings, name) or "")
            if url.scheme == "http" and not is_loopback(url.host):
                yield name.upper(), url.host


def is_address(host: str) -> bool:
    """Si ya es una dirección y no hay ningún nombre que resolver."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def explain_transport(error: BaseException, redactor: Redactor | None = None) -> str:
    """Por qué no se pudo hablar con el servidor, en palabras y sin la URL ni nada de lo que `redactor` sabe."""
    redactor = redactor or Redactor()
    if isinstance(error, httpx.RemoteProtocolError):
        return _explain_protocol(str(error), redactor)
    reasons = (_reason(cause, redactor) for cause in _causes(error))
    return next((reason for reason in reasons if reason), f"error de red: {type(error).__name__}")


def is_untrusted(error: BaseException) -> bool:
    """Si lo que falló fue el certificado del servidor."""
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error))


def _explain_protocol(text: str, redactor: Redactor) -> str:
    # h11 y httpcore no tienen otra manera de distinguirlo que la frase.
    if any(words in text for words in ("ConnectionClosed", "closed connection", "disconnected")):
        return "el servidor cortó la conexión sin acabar de contestar"
    words = _quoted(text, redactor)
    return f"lo que contesta no es HTTP ({words})" if words else "lo que contesta no es HTTP"


def _quoted(text: str, redactor: Redactor) -> str:
    """Unas palabras que pueden traer algo de lo que se recibió: sin secretos, o nada si no se sabe si los hay."""
    return "" if redactor.is_blind else printable(redactor.clean(text))


def _reason(cause: BaseException, redactor: Redactor) -> str | None:
    match cause:
        case ssl.SSLCertVerificationError():
            words = getattr(cause, "verify_message", None) or str(cause)
            return f"el certificado TLS no vale: {printable(redactor.clean(words))}"
        case ssl.SSLError():
            return f"falló TLS: {printable(getattr(cause, 'reason', None) or str(cause))}"
        case socket.gaierror():
            return "no se pudo resolver el nombre del servidor"
        case OSError() if (number := cause.errno or _errno_inside(cause)) in _OS_REASONS:
            return _OS_REASONS[number]
    strerror = getattr(cause, "strerror", None)
    text = printable(strerror) if strerror else _quoted(str(cause), redactor)
    return f"error de red: {text}" if text else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """El error y sus causas, de dentro afuera: la más honda es la que dice algo."""
    below = error.__cause__ or error.__context__
    if below is not None:
        yield from _causes(below)
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _causes(part)
    yield error


def _errno_inside(error: OSError) -> int | None:
    """El número que asyncio deja solo en el texto cuando falla con varias direcciones («Multiple exceptions: …»)."""
    found = re.search(r"\[Errno (\d+)\]", str(error))
    return int(found[1]) if found else None
