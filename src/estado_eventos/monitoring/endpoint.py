"""Lo que se contesta a una petición HTTP: `/health`, `/` y `/metrics` del servicio antiguo. Los sockets, en `serving`.

No se importa nada pesado (ni httpx, ni pydantic, ni typer): lo que se tarda en arrancar lo espera quien pregunta.
"""

import json
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import unquote

import h11

from estado_eventos import __version__
from estado_eventos.domain.exit_codes import spoken_code
from estado_eventos.domain.report import REPORT_HEAD_BYTES, read_last_report
from estado_eventos.domain.text import spoken_lag
from estado_eventos.monitoring.handover import EndpointConfig
from estado_eventos.output.files import read_file

MAX_REQUEST_BYTES = 16 * 1024
MAX_METRICS_BYTES = 1 << 20
_STALE_INTERVALS = 3
# Cómo puede empezar una petición: una línea a medias, o entera y lo que la siga.
_BEGINNING = re.compile(rb"[!-~]+( [!-~]*){0,2}\r?|[!-~]+ [!-~]+ HTTP/\d\.\d\r?\n.*", re.DOTALL)
_log = logging.getLogger(__name__)


ConfigSource = Callable[[], EndpointConfig]
"""Quien dice, a cada petición, de dónde sale la respuesta."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Una respuesta HTTP: la cabecera, ya escrita, y el cuerpo."""

    head: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class _Answer:
    status: HTTPStatus
    body: bytes
    content_type: str = "application/json"


class Exchange:
    """Una petición, que llega a trozos, y su respuesta; ni el cuerpo ni lo que venga detrás la cambian."""

    def __init__(self, config: ConfigSource) -> None:
        """Aún no ha llegado nada."""
        self._config = config
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_REQUEST_BYTES - 1)
        self._room = MAX_REQUEST_BYTES

    def receive(self, chunk: bytes) -> Reply | None:
        """La respuesta, en cuanto se sabe cuál; un trozo vacío es que el cliente no manda más."""
        try:
            request = self._read(chunk)
        except h11.RemoteProtocolError as error:
            status = HTTPStatus(error.error_status_hint)
            return self._written(_error(status, "no es una petición que se entienda"))
        if request is None:
            return None
        return self._written(_answer(request, self._config()), with_body=request.method != b"HEAD")

    def _read(self, chunk: bytes) -> h11.Request | None:
        self._connection.receive_data(chunk[: self._room])
        self._room -= len(chunk)
        event = self._connection.next_event()
        if event is h11.NEED_DATA and not _BEGINNING.fullmatch(self._connection.trailing_data[0]):
            raise h11.RemoteProtocolError("lo que sigue no puede hacer de esto una petición")
        return event if isinstance(event, h11.Request) else None

    def _written(self, answer: _Answer, *, with_body: bool = True) -> Reply:
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
        return Reply(self._connection.send(head) or b"", answer.body if with_body else b"")


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
    return route(config)


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
    # En nuestras palabras: las del informe pueden ser del backend, y aquí pregunta cualquiera.
    detail = f"la última pasada falló con {last.exit_code}, {spoken_code(last.exit_code)}"
    if stale := abs(age) > _STALE_INTERVALS * config.interval_seconds:
        when = f"hace {spoken_lag(age)}" if age > 0 else f"en el futuro, dentro de {spoken_lag(-age)}"
        detail = f"la última pasada acabó {when}; tiene que haber una cada {spoken_lag(config.interval_seconds)}"
    if stale or last.exit_code:
        return _error(HTTPStatus.SERVICE_UNAVAILABLE, detail)
    return _json(HTTPStatus.OK, status="ok")


def _unreadable(reason: str | None) -> _Answer:
    _log.warning("REPORT_FILE: no se puede leer: %s", reason)
    return _error(HTTPStatus.SERVICE_UNAVAILABLE, "el informe de la última pasada no se puede leer")


def _metrics(config: EndpointConfig) -> _Answer:
    if config.metrics_file is None:
        return _error(HTTPStatus.NOT_FOUND, "no se guardan métricas: falta METRICS_FILE, o una pasada con ella")
    try:
        body = read_file(config.metrics_file, MAX_METRICS_BYTES + 1)
    except FileNotFoundError:
        return _error(HTTPStatus.NOT_FOUND, "todavía no hay métricas: no ha acabado ninguna pasada")
    except OSError as error:
        _log.warning("METRICS_FILE: no se puede leer: %s", error.strerror)
        return _error(HTTPStatus.INTERNAL_SERVER_ERROR, "las métricas no se pueden leer")
    if len(body) > MAX_METRICS_BYTES:
        return _error(HTTPStatus.INTERNAL_SERVER_ERROR, "las métricas ocupan demasiado")
    return _Answer(HTTPStatus.OK, _shared(body), "text/plain; version=0.0.4; charset=utf-8")


@lru_cache(maxsize=1)
def _shared(body: bytes) -> bytes:
    """Los mismos bytes, en el mismo objeto: doscientos clientes que no leen no son doscientas copias en memoria."""
    return body


_ROUTES: dict[str, Callable[[EndpointConfig], _Answer]] = {"": _info, "/health": _health, "/metrics": _metrics}


def _error(status: HTTPStatus, detail: str) -> _Answer:
    return _json(status, status="error", detail=detail)


def _json(http_status: HTTPStatus, **content: str | int) -> _Answer:
    return _Answer(http_status, json.dumps(content, ensure_ascii=False).encode())
