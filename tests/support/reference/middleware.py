"""Lo que rodea a cada petición: reloj, prefijo, latencia y registro."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse

from tests.support.reference import clock
from tests.support.reference.models import Options

Handler = Callable[[HttpRequest], HttpResponse]

_OPTIONS = "reference.options"
_API = "/api/"
_CONTROL = "/_control/"


def options_of(request: HttpRequest) -> Options:
    """Las opciones que valían cuando llegó la petición."""
    options: Options = request.META[_OPTIONS]
    return options


def request_log(options: Options) -> Path:
    """El registro de peticiones en curso."""
    return settings.REQUEST_LOG_DIR / f"requests-{options.generation}.jsonl"


def record(get_response: Handler) -> Handler:
    """Pone el reloj en hora, anota cada petición antes de responder y espera la latencia pedida.

    `/_control/` ni se anota ni espera.
    """

    def handle(request: HttpRequest) -> HttpResponse:
        options = Options.current()
        clock.turn(options.clock_offset_seconds)
        if settings.CONTROL and request.path_info.startswith(_CONTROL):
            return get_response(request)
        arrived_at = time.time()
        request.META[_OPTIONS] = options
        response = get_response(request)
        delay = options.latency_ms / 1000
        entry = {
            "method": request.method,
            "path": request.get_full_path(),
            "status": response.status_code,
            "request_id": request.headers.get("X-Request-ID"),
            "authorization": request.headers.get("Authorization"),
            "arrived_at": arrived_at,
            "answered_at": time.time() + delay,
        }
        _append(request_log(options), json.dumps(entry) + "\n")
        if delay:
            time.sleep(delay)
        return response

    return handle


def mount(get_response: Handler) -> Handler:
    """Con un prefijo, la API está solo debajo de él; lo demás sigue en la raíz."""

    def handle(request: HttpRequest) -> HttpResponse:
        prefix = options_of(request).prefix if _OPTIONS in request.META else ""
        if prefix and request.path_info.startswith(_API):
            raise Http404
        if prefix and request.path_info.startswith(prefix + _API):
            request.path_info = request.path_info.removeprefix(prefix)
        return get_response(request)

    return handle


def _append(path: Path, line: str) -> None:
    # Una sola escritura con O_APPEND no se mezcla con las de otros hilos ni procesos.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
