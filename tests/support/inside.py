"""El programa en este proceso, que ahorra a cada prueba su arranque, y lo que se promete con cualquier avería."""

import contextlib
import io
import logging
import os
import signal
import time
from typing import Any
from unittest import mock

from estado_eventos.cli.app import main
from estado_eventos.config.redactor import Redactor
from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.output import streams
from tests.support.faults import FaultyServer, check_no_blind_repeats
from tests.support.program import Completed, environment
from tests.support.reference.server import ReferenceBackend

ENDINGS = {
    ExitCode.OK,
    ExitCode.FAILED,
    ExitCode.UNAVAILABLE,
    ExitCode.TEMPFAIL,
    ExitCode.PROTOCOL,
    ExitCode.NOPERM,
}
"""Cómo puede acabar una pasada bien configurada. 70 sería un fallo nuestro."""
NO_TICK = {"SCHEDULER_INTERVAL_SECONDS": 86400, "PASS_TIMEOUT": 48}
"""Lejos de los tics: cerca de uno una pasada espera y puede leer una lista de más, y las pruebas cuentan lecturas."""
_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM)
"""Las señales que el programa atiende; la alarma es también la del plazo de cada prueba."""


def run_inside(*arguments: str, **variables: object) -> Completed:
    """Ejecuta el programa en este proceso, solo con esas variables; lo que cambia del proceso queda como estaba."""
    handlers = {number: signal.getsignal(number) for number in _HANDLED}
    alarm = signal.getitimer(signal.ITIMER_REAL)
    log = logging.getLogger("estado_eventos")
    level = log.level
    out, err = io.StringIO(), io.StringIO()
    try:
        with (
            mock.patch.dict(os.environ, environment(**variables), clear=True),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            time.tzset()
            code = main(["--env-file", os.devnull, *arguments])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.setitimer(signal.ITIMER_REAL, *alarm)
        time.tzset()
        log.setLevel(level)
        streams.protect(Redactor())
    return Completed(code, out.getvalue(), err.getvalue())


def endure(server: FaultyServer, *arguments: str, seconds: float = 8, **variables: Any) -> Completed:
    """Ejecuta el programa contra el servidor averiado y comprueba lo que se promete con cualquier avería.

    Un código del contrato, que es el del informe; sumas que cuadran; ningún volcado de pila ni orden de terminal;
    sin colgarse; y ningún evento pedido dos veces sin que una lista leída entre medias lo siga enseñando.
    """
    settings = {**NO_TICK, "BACKEND_URL": server.url, "PASS_TIMEOUT": seconds, **variables}
    before = len(server.requests)
    completed = run_inside(*(arguments or ("start",)), "--json", **settings)
    check_no_blind_repeats(server.requests)
    assert completed.code in ENDINGS
    assert completed.report["exit_code"] == completed.code
    assert completed.report["requests"] >= len(server.requests) - before
    # Cuánto se pasa del límite lo miden otras; aquí, que no se queda colgado, por cargada que esté la máquina.
    assert completed.report["duration_seconds"] < seconds + 15
    assert "Traceback" not in completed.stderr
    assert all(line.isprintable() for line in completed.stderr.splitlines())
    return completed


def account(backend: ReferenceBackend, url: str | None = None, **variables: object) -> dict[str, Any]:
    """La configuración de quien inicia sesión, en el backend o en lo que haya delante de él (`url`)."""
    secrets = {"BACKEND_EMAIL": backend.email, "BACKEND_PASSWORD": backend.password}
    return {**addresses(backend, url), **secrets, **variables}


def addresses(backend: ReferenceBackend, url: str | None = None) -> dict[str, Any]:
    """Dónde está el backend: la API bajo su prefijo y `/auth/` en la raíz; o `url`, que lo tiene todo en la suya."""
    return {"BACKEND_URL": url} if url else {"BACKEND_URL": backend.url, "AUTH_URL": backend.auth_url}


def settings_text(backend: ReferenceBackend, url: str | None = None, **variables: object) -> str:
    """Un archivo de configuración con la cuenta del backend, que también entiende systemd; `url`, como en `account`."""
    return "".join(f"{name}='{value}'\n" for name, value in account(backend, url, **variables).items())
