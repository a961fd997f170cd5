"""Una respuesta HTTP por stdin y stdout: `/health`, `/` y `/metrics` del servicio antiguo, sin demonio.

systemd acepta cada conexión y arranca un proceso, que contesta a una petición y acaba. No se importa nada pesado (ni
httpx, ni pydantic, ni asyncio): lo que se tarda en arrancar se paga en cada petición.
"""

import contextlib
import json
import logging
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import chain
from pathlib import Path
from urllib.parse import unquote

import h11

from estado_eventos import __version__
from estado_eventos.domain.report import REPORT_HEAD_BYTES, read_last_report
from estado_eventos.domain.text import printable, spoken_lag
from estado_eventos.output.files import read_file

EXCHANGE_SECONDS = 5.0  # De la primera lectura al adiós, por despacio que vaya el cliente.
MAX_REQUEST_BYTES = 16 * 1024
MAX_METRICS_BYTES = _MAX_DRAINED_BYTES = 1 << 20
_STALE_INTERVALS = 3
_STDIN, _STDOUT = 0, 1
# Cómo puede empezar una petición: una línea a medias, o entera y lo que la siga.
_BEGINNING = re.compile(rb"[!-~]+( [!-~]*){0,2}\r?|[!-~]+ [!-~]+ HTTP/\d\.\d\r?\n.*", re.DOTALL)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """De dónde salen las respuestas. Con `problem`, lo único que se contesta es que no se puede y por qué."""

    interval_seconds: int = 60
    report_file: Path | None = None
    metrics_file: Path | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Answer:
    status: HTTPStatus
    body: bytes
    content_type: str = "application/json"


def serve(config: EndpointConfig) -> None:
    """Contesta por stdout a la petición que llega por stdin, sean un socket o tuberías; de la red no lanza nada."""
    # El tiempo se acaba con el proceso: una excepción podría perderse en un `except` ajeno y dejarlo esperando.
    signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    signal.setitimer(signal.ITIMER_REAL, EXCHANGE_SECONDS)
    with contextlib.suppress(OSError):
        os.set_blocking(_STDIN, True)
        os.set_blocking(_STDOUT, True)
        if reply := respond(iter(lambda: os.read(_STDIN, MAX_REQUEST_BYTES), b""), config):
            with os.fdopen(_STDOUT, "wb", closefd=False) as stdout:
                stdout.write(reply)
            _hang_up()
    signal.setitimer(signal.ITIMER_REAL, 0)


def _hang_up() -> None:
    """Se despide y espera a que cuelgue el cliente: cerrar con algo sin leer borraría la respuesta de camino (RST)."""
    # La familia da igual: no se usa. Con una tubería `shutdown` falla, y ahí no hay de qué despedirse.
    with socket.fromfd(_STDIN, socket.AF_INET, socket.SOCK_STREAM) as connection:
        connection.shutdown(socket.SHUT_WR)
        drained = 0
        while drained < _MAX_DRAINED_BYTES and (chunk := connection.recv(64 * 1024)):
            drained += len(chunk)


def respond(chunks: Iterable[bytes], config: EndpointConfig) -> bytes:
    """La respuesta a la primera petición de lo que manda el cliente; nada, si no manda nada.

    Solo pide los trozos de la cabecera: ni el cuerpo ni lo que venga detrás cambian la respuesta.
    """
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_REQUEST_BYTES - 1)
    try:
        request = _read_request(connection, chunks)
    except h11.RemoteProtocolError as error:
        return _written(connection, _error(HTTPStatus(error.error_status_hint), "no es una petición que se entienda"))
    return _written(connection, _answer(request, config), with_body=request.method != b"HEAD") if request else b""


def _read_request(connection: h11.Connection, chunks: Iterable[bytes]) -> h11.Request | None:
    room = MAX_REQUEST_BYTES
    for chunk in chain(chunks, (b"",)):
        connection.receive_data(chunk[:room])
        room -= len(chunk)
        event = connection.next_event()
        if isinstance(event, h11.Request):
            return event
        if event is h11.NEED_DATA and not _BEGINNING.fullmatch(connection.trailing_data[0]):
            raise h11.RemoteProtocolError("lo que sigue no puede hacer de esto una petición")
    return None


def _written(connection: h11.Connection, answer: _Answer, *, with_body: bool = True) -> bytes:
    headers = [
        ("Content-Type", answer.content_type),
        ("Content-Length", str(len(answer.body))),
        ("Date", time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())),
        ("Server", "estado-eventos"),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Allow", "GET, HEAD"),
        ("Connection", "close"),
    ]
    head = h11.Response(status_code=answer.status, headers=headers, reason=answer.status.phrase)
    events = (head, h11.Data(data=answer.body if with_body else b""), h11.EndOfMessage())
    return b"".join(connection.send(event) or b"" for event in events)


def _answer(request: h11.Request, config: EndpointConfig) -> _Answer:
    if not request.http_version.startswith(b"1."):
        return _error(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "solo se habla HTTP/1.0 y HTTP/1.1")
    if request.method not in {b"GET", b"HEAD"}:
        return _error(HTTPStatus.METHOD_NOT_ALLOWED, "aquí solo se puede leer, con GET o HEAD")
    # Vale también la forma absoluta, «GET http://servidor/ruta» (RFC 9112).
    path = re.sub(r"^https?://[^/?]*", "", request.target.decode("ascii"), flags=re.IGNORECASE).partition("?")[0]
    route = _ROUTES.get(unquote(path).removesuffix("/"))
    if route is None:
        return _error(HTTPStatus.NOT_FOUND, "aquí no hay nada; pruebe /health, / o /metrics")
    return _error(HTTPStatus.SERVICE_UNAVAILABLE, config.problem) if config.problem else route(config)


def service_info(interval_seconds: int) -> dict[str, str | int]:
    """Qué es esto, con las claves que daba el servicio antiguo."""
    return {
        "service": "Estado de Eventos",
        "version": __version__,
        "status": "running",
        "scheduler_interval_seconds": interval_seconds,
    }


def _info(config: EndpointConfig) -> _Answer:
    return _json(HTTPStatus.OK, **service_info(config.interval_seconds))


def _health(config: EndpointConfig) -> _Answer:
    """Va bien si la última pasada fue un éxito y es reciente; si no, se dice por qué no."""
    if config.report_file is None:
        return _error(HTTPStatus.SERVICE_UNAVAILABLE, "no se guarda ningún informe: falta REPORT_FILE")
    try:
        last = read_last_report(read_file(config.report_file, REPORT_HEAD_BYTES))
    except FileNotFoundError:
        return _error(HTTPStatus.SERVICE_UNAVAILABLE, "todavía no hay ningún informe: no ha acabado ninguna pasada")
    except OSError as error:
        return _unreadable(error.strerror)
    if last is None:
        return _unreadable("no es un informe")
    age = (datetime.now(UTC) - last.ended_at).total_seconds()
    detail = f"la última pasada falló ({last.outcome}, {last.exit_code}): {last.error}"
    if stale := abs(age) > _STALE_INTERVALS * config.interval_seconds:
        when = f"hace {spoken_lag(age)}" if age > 0 else f"en el futuro, dentro de {spoken_lag(-age)}"
        detail = f"la última pasada acabó {when}; tiene que haber una cada {spoken_lag(config.interval_seconds)}"
    if stale or last.exit_code:
        return _error(HTTPStatus.SERVICE_UNAVAILABLE, printable(detail))
    return _json(HTTPStatus.OK, status="ok")


def _unreadable(reason: str | None) -> _Answer:
    _log.warning("REPORT_FILE: no se puede leer: %s", reason)
    return _error(HTTPStatus.SERVICE_UNAVAILABLE, "el informe de la última pasada no se puede leer")


def _metrics(config: EndpointConfig) -> _Answer:
    if config.metrics_file is None:
        return _error(HTTPStatus.NOT_FOUND, "no se guardan métricas: falta METRICS_FILE")
    try:
        body = read_file(config.metrics_file, MAX_METRICS_BYTES + 1)
    except FileNotFoundError:
        return _error(HTTPStatus.NOT_FOUND, "todavía no hay métricas: no ha acabado ninguna pasada")
    except OSError as error:
        _log.warning("METRICS_FILE: no se puede leer: %s", error.strerror)
        return _error(HTTPStatus.INTERNAL_SERVER_ERROR, "las métricas no se pueden leer")
    if len(body) > MAX_METRICS_BYTES:
        return _error(HTTPStatus.INTERNAL_SERVER_ERROR, "las métricas ocupan demasiado")
    return _Answer(HTTPStatus.OK, body, "text/plain; version=0.0.4; charset=utf-8")


_ROUTES: dict[str, Callable[[EndpointConfig], _Answer]] = {"": _info, "/health": _health, "/metrics": _metrics}


def _error(status: HTTPStatus, detail: str) -> _Answer:
    return _json(status, status="error", detail=detail)


def _json(http_status: HTTPStatus, **content: str | int) -> _Answer:
    return _Answer(http_status, json.dumps(content, ensure_ascii=False).encode())
