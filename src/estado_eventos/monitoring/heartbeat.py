"""El latido: un aviso por pasada a un servicio como Healthchecks, que da la alarma si deja de oírlo."""

import asyncio
import uuid
from dataclasses import dataclass
from urllib.parse import quote

import httpx

from estado_eventos import __version__
from estado_eventos.backend.authorities import NoAuthoritiesError
from estado_eventos.backend.network import explain_transport, tls_for
from estado_eventos.backend.transport import Connection
from estado_eventos.config.values import HEARTBEAT_FIELD
from estado_eventos.domain.exit_codes import ExitCode, spoken_code
from estado_eventos.domain.report import Report
from estado_eventos.domain.text import printable
from estado_eventos.output.streams import guarded
from estado_eventos.output.summary import PassSummary, lines

_RETRY_SECONDS = 0.3
_MAX_BYTES = 1 << 10
_CURES_ITSELF = {ExitCode.UNAVAILABLE, ExitCode.TEMPFAIL}
"""De esto no se avisa a nadie: si no se cura en lo que el monitor espera un éxito, avisa él."""
_OURS = {ExitCode.SOFTWARE, ExitCode.TEMPFAIL, ExitCode.CONFIG}
"""Los códigos cuya frase es nuestra entera; en las de los demás puede haber palabras del backend."""
_UNHEARD = {
    b"OK (not found)": "el monitor no conoce esa dirección",
    b"OK (rate limited)": "el monitor recibe demasiados latidos y no cuenta este",
}
"""Lo que Healthchecks contesta, con un 200, a un latido que no apunta."""


@dataclass(frozen=True, slots=True)
class _Ping:
    """Lo que se manda: con qué método, a dónde y con qué cuerpo."""

    method: str
    url: httpx.URL
    body: str = ""


async def beat(url: str, report: Report) -> str | None:
    """Da el latido de una pasada; devuelve qué salió mal, en palabras y sin la URL, que es un secreto."""
    ping = _filled_in(url, report) if HEARTBEAT_FIELD.search(url) else _for_healthchecks(httpx.URL(url), report)
    if ping is None:
        return None
    try:
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
                return await _send(client, ping)
            except httpx.TransportError:
                await asyncio.sleep(_RETRY_SECONDS)
                return await _send(client, ping)
    except httpx.ProtocolError:
        # Las palabras de este error pueden ser las que el servidor quiera, la URL entre ellas.
        return "el monitor cortó la conexión o no habla HTTP"
    except NoAuthoritiesError as error:
        return str(error)
    except (httpx.TransportError, OSError) as error:
        return explain_transport(error)


async def _send(client: httpx.AsyncClient, ping: _Ping) -> str | None:
    async with client.stream(ping.method, ping.url, content=ping.body or None) as response:
        if not response.is_success:
            return f"el monitor contestó HTTP {response.status_code}"
        body = b""
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > _MAX_BYTES:
                break
    return _UNHEARD.get(body.strip())


def _for_healthchecks(url: httpx.URL, report: Report) -> _Ping:
    """Según el código: la URL misma, `/log` para un tropiezo que se cura solo, o `/<código>`."""
    path, _, query = url.raw_path.partition(b"?")
    suffix = f"/{report.exit_code:d}" if report.exit_code else ""
    if report.exit_code in _CURES_ITSELF:
        suffix = "/log"
    # Con la barra final, Healthchecks no conoce las direcciones que llevan un nombre («/clave/nombre/»).
    path = path.rstrip(b"/") + suffix.encode() or b"/"
    # Solo admite un UUID con sus guiones; el INVOCATION_ID de systemd viene sin ellos.
    run_id = f"rid={uuid.UUID(report.run_id)}".encode()
    target = url.copy_with(raw_path=path + b"?" + (query + b"&" if query else b"") + run_id)
    # Cuentas y el motivo; ni eventos ni las palabras del backend, que pueden ser cualesquiera.
    first = f"{report.command}: {_cause(report)} ({report.duration_seconds:.1f} s)"
    return _Ping("POST", target, guarded("\n".join((first, *lines(PassSummary(report))))))


def _filled_in(url: str, report: Report) -> _Ping | None:
    """La URL con sus huecos rellenos, para los demás servicios; nada, si se cura solo."""
    if report.exit_code in _CURES_ITSELF:
        return None
    well = report.exit_code is ExitCode.OK
    values = {
        "status": "up" if well else "down",
        "state": "complete" if well else "fail",
        "exit_code": str(int(report.exit_code)),
        "message": _cause(report),
        "duration_ms": str(round(report.duration_seconds * 1000)),
        "run_id": report.run_id,
    }
    return _Ping("GET", httpx.URL(HEARTBEAT_FIELD.sub(lambda field: quote(values[field[1]], safe=""), url)))


def _cause(report: Report) -> str:
    """El código y por qué, con palabras nuestras y en pocas."""
    own = report.error if report.exit_code in _OURS else None
    return printable(guarded(f"{report.exit_code:d} {own or spoken_code(report.exit_code)}"))
