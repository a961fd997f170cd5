"""El latido: un aviso por pasada a un servicio como Healthchecks, que da la alarma si deja de oírlo."""

import asyncio
import uuid

import httpx

from estado_eventos import __version__
from estado_eventos.backend.authorities import NoAuthoritiesError
from estado_eventos.backend.network import explain_transport, tls_for
from estado_eventos.backend.transport import Connection
from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.report import Report
from estado_eventos.output.summary import PassSummary, lines

_RETRY_SECONDS = 0.3
_MAX_BYTES = 1 << 10
_UNHEARD = {
    b"OK (not found)": "el monitor no conoce esa dirección",
    b"OK (rate limited)": "el monitor recibe demasiados latidos y no cuenta este",
}
"""Lo que Healthchecks contesta, con un 200, a un latido que no apunta."""


async def beat(url: str, report: Report) -> str | None:
    """Da el latido de una pasada; devuelve qué salió mal, en palabras y sin la URL, que es un secreto."""
    try:
        target = _target(httpx.URL(url), report)
        # Solo lo que ya va en la URL: ni el token del backend, ni los proxies ni las claves del entorno.
        async with httpx.AsyncClient(
            transport=Connection(tls_for(url)),
            timeout=None,  # noqa: S113  El tiempo lo pone `monitoring`, y cuenta el latido entero.
            trust_env=False,
            headers={
                "Accept-Encoding": "identity",
                "Content-Type": "text/plain; charset=utf-8",
                "User-Agent": f"estado-eventos/{__version__}",
            },
        ) as client:
            try:
                return await _post(client, target, report)
            except httpx.TransportError:
                await asyncio.sleep(_RETRY_SECONDS)
                return await _post(client, target, report)
    except httpx.ProtocolError:
        # Las palabras de este error pueden ser las que el servidor quiera, la URL entre ellas.
        return "el monitor cortó la conexión o no habla HTTP"
    except NoAuthoritiesError as error:
        return str(error)
    except (httpx.TransportError, OSError) as error:
        return explain_transport(error)


async def _post(client: httpx.AsyncClient, target: httpx.URL, report: Report) -> str | None:
    async with client.stream("POST", target, content=_body(report)) as response:
        if not response.is_success:
            return f"el monitor contestó HTTP {response.status_code}"
        body = b""
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > _MAX_BYTES:
                break
    return _UNHEARD.get(body.strip())


def _target(url: httpx.URL, report: Report) -> httpx.URL:
    """La URL del latido según el código: ella misma, `/log` para un tropiezo que se cura solo, o `/<código>`."""
    path, _, query = url.raw_path.partition(b"?")
    suffix = {ExitCode.OK: "", ExitCode.TEMPFAIL: "/log"}.get(report.exit_code, f"/{report.exit_code:d}")
    if suffix:
        path = path.rstrip(b"/") + suffix.encode()
    # Healthchecks solo admite un UUID con sus guiones; el INVOCATION_ID de systemd viene sin ellos.
    run_id = f"rid={uuid.UUID(report.run_id)}".encode()
    return url.copy_with(raw_path=path + b"?" + (query + b"&" if query else b"") + run_id)


def _body(report: Report) -> str:
    """Lo que se ve junto al latido: cuentas; ni eventos ni las palabras del backend, que pueden ser cualesquiera."""
    first = f"{report.command}: {report.exit_code:d} {report.exit_code.name}, {report.duration_seconds:.1f} s"
    return "\n".join((first, *lines(PassSummary(report))))
