"""El camino hasta el backend, paso a paso: resolver el nombre, conectar y el certificado."""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import httpx

from estado_eventos.backend.account import account_of
from estado_eventos.backend.authorities import NoAuthoritiesError, context_trusting, trusted_store
from estado_eventos.backend.network import explain_transport, in_clear, is_address, resolvable, same_origin, tls_context
from estado_eventos.check.findings import Finding, good, problem
from estado_eventos.check.port import greeting
from estado_eventos.config.settings import Settings
from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.text import printable

_WARN_DAYS = 14
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
# Los de OpenSSL (X509_V_ERR_…).
_NOT_YET_VALID, _EXPIRED, _WRONG_NAMES, _NO_ISSUER = 9, 10, {62, 64}, {20, 21}
_GREETING_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Target:
    """Un servidor al que hay que llegar; `variable` es la que lo nombra, y `code`, el código si no se llega."""

    variable: str
    host: str
    port: int
    is_https: bool
    code: ExitCode = ExitCode.UNAVAILABLE

    @property
    def place(self) -> str:
        """El servidor y el puerto, para una persona."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def targets(settings: Settings, *, login_needed: bool) -> Iterator[Target]:
    """Los servidores con que una pasada abre conexiones: el backend y, si es otro, el de la cuenta, o el proxy."""
    backend, auth = httpx.URL(settings.backend_url), httpx.URL(settings.auth_url or settings.backend_url)
    if settings.backend_proxy:
        yield _target("BACKEND_PROXY", httpx.URL(settings.backend_proxy.get_secret_value()))
        return
    yield _target("BACKEND_URL", backend)
    if account_of(settings) and not same_origin(backend, auth):
        yield _target("AUTH_URL", auth, ExitCode.UNAVAILABLE if login_needed else ExitCode.OK)


def _target(variable: str, url: httpx.URL, code: ExitCode = ExitCode.UNAVAILABLE) -> Target:
    is_https = url.scheme == "https"
    return Target(variable, url.raw_host.decode("ascii"), url.port or (443 if is_https else 80), is_https, code)


def ignored_proxies(settings: Settings, *, reached: bool) -> Iterator[Finding]:
    """Los proxies del entorno, que no se usan; son un aviso si sin ellos no se llega."""
    names = [name for name in os.environ if name.upper() in _PROXIES and os.environ[name]]
    if names and not settings.backend_proxy:
        message = f"{' y '.join(sorted(names))} del entorno no se usa: vería el token"
        cure = "Si solo se llega al backend por un proxy, póngalo en BACKEND_PROXY"
        yield good("proxy", message) if reached else problem("proxy", message, cure)


def clear(settings: Settings) -> Iterator[Finding]:
    """Los servidores a los que la contraseña o el token van en claro por la red."""
    for variable, host in in_clear(settings):
        message = f"{variable} es http: la contraseña y el token van en claro hasta «{host}»"
        yield problem("clear", message, f"Si el servidor habla https, ponga https:// en {variable}")


async def reach(target: Target, settings: Settings) -> AsyncIterator[Finding]:
    """Va hasta el servidor y se para donde no puede seguir. No pide nada."""
    # Menos que el límite de la pasada: así se sabe en qué paso se quedó.
    seconds = min(settings.http_timeout, 0.8 * settings.pass_timeout)
    addresses = [resolvable(target.host)]
    if not is_address(addresses[0]):
        finding, addresses = await _resolve(target, seconds)
        yield finding
    if addresses:
        finding, writer = await _connect(target, addresses, seconds)
        yield finding
        if writer:
            if target.is_https:
                yield await _secure(target, settings, addresses, writer, seconds)
            writer.transport.abort()


async def _resolve(target: Target, seconds: float) -> tuple[Finding, list[str]]:
    loop = asyncio.get_running_loop()
    cure = f"Compruebe {target.variable} y el DNS de esta máquina: getent hosts {target.host}"
    try:
        async with asyncio.timeout(seconds):
            found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except TimeoutError:
        return problem("dns", f"DNS: nadie contestó por «{target.host}» en {seconds:g} s", cure, target.code), []
    except (OSError, UnicodeError) as error:
        return problem("dns", f"DNS: «{target.host}»: {explain_transport(error)}", cure, target.code), []
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    return good("dns", f"DNS: «{target.host}» es {', '.join(addresses)}"), addresses


async def _connect(target: Target, addresses: list[str], seconds: float) -> tuple[Finding, asyncio.StreamWriter | None]:
    """Prueba cada dirección por su cuenta: juntas, asyncio mezcla sus errores en una frase que no dice nada."""
    reason = f"no responde en {seconds:g} s"
    try:
        async with asyncio.timeout(seconds):
            for address in addresses:
                try:
                    _, writer = await asyncio.open_connection(address, target.port)
                except OSError as error:
                    reason = explain_transport(error)
                else:
                    return good("tcp", f"TCP: {target.place} acepta conexiones"), writer
    except TimeoutError:
        pass
    what = "el proxy" if target.variable == "BACKEND_PROXY" else "el backend"
    cure = f"Compruebe que {what} está en marcha y que {target.variable} es su dirección"
    return problem("tcp", f"TCP: {target.place}: {reason}", cure, target.code), None


async def _secure(
    target: Target, settings: Settings, addresses: list[str], writer: asyncio.StreamWriter, seconds: float
) -> Finding:
    try:
        async with asyncio.timeout(seconds):
            await writer.start_tls(tls_context(settings), server_hostname=target.host)
    except NoAuthoritiesError as error:
        return problem("tls", f"TLS: {error.message}", error.hint, ExitCode.CONFIG)
    except TimeoutError:
        message = f"TLS: {target.place} no acaba de negociar en {seconds:g} s"
        return problem("tls", message, "Mire su carga", target.code)
    except ssl.SSLCertVerificationError as error:
        return await _bad_certificate(error, target, addresses, seconds)
    except OSError as error:
        cure = f"Compruebe que en ese puerto se habla https y no http ({target.variable}), y que es ese el puerto"
        if name := await greeting(addresses[0], target.port, min(seconds, _GREETING_SECONDS)):
            cure = f"Ahí contesta {name}, no el backend: ¿es ese el puerto de {target.variable}?"
        return problem("tls", f"TLS: {target.place}: {explain_transport(error)}", cure, target.code)
    ends_at = ssl.cert_time_to_seconds(writer.get_extra_info("peercert")["notAfter"])
    days = int((ends_at - time.time()) // 86400)
    message = f"TLS: el certificado vale {days} días más, hasta el {time.strftime('%Y-%m-%d', time.localtime(ends_at))}"
    if days < _WARN_DAYS:
        return problem("tls", message, "Renuévelo antes en el servidor del backend")
    return good("tls", message)


async def _bad_certificate(
    error: ssl.SSLCertVerificationError, target: Target, addresses: list[str], seconds: float
) -> Finding:
    if error.verify_code == _EXPIRED:
        message, cure = "está caducado", "Renuévelo en el servidor del backend"
    elif error.verify_code == _NOT_YET_VALID:
        message, cure = "aún no vale", "Ponga en hora esta máquina: timedatectl"
    elif error.verify_code in _WRONG_NAMES:
        names = await _names(target, addresses, seconds)
        message = f"no es para «{target.host}»" + (f", sino para {names}" if names else "")
        cure = f"Ponga en {target.variable} el nombre que está en el certificado"
    else:
        message = f"no lo firma ninguna autoridad que esta máquina conozca ({printable(error.verify_message)})"
        cure = "Instale la autoridad: cp autoridad.crt /usr/local/share/ca-certificates/ && update-ca-certificates"
        if error.verify_code in _NO_ISSUER:
            message += ", y el servidor no manda el de quien lo firma"
            cure = (
                "Si la autoridad es pública, ponga en el servidor la cadena entera, con el certificado intermedio "
                f"(fullchain.pem); si es privada, {cure[0].lower()}{cure[1:]}"
            )
    return problem("tls", f"TLS: el certificado de {target.place} {message}", cure, target.code)


async def _names(target: Target, addresses: list[str], seconds: float) -> str:
    """Para quién es el certificado: se conecta otra vez sin comprobar el nombre, y no manda nada."""
    # Uno suyo: en el de las conexiones de verdad el nombre se comprueba siempre.
    context = context_trusting(trusted_store())
    context.check_hostname = False
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(
                addresses[0], target.port, ssl=context, server_hostname=target.host
            )
    except OSError:
        return ""
    names = [value for _, value in writer.get_extra_info("peercert").get("subjectAltName", ())]
    writer.transport.abort()
    return printable(", ".join(map(str, names)))
