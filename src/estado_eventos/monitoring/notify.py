"""Lo que se cuenta a quien vigila al acabar una pasada: el archivo de métricas, el último informe y el latido."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from estado_eventos.config.settings import Settings
from estado_eventos.domain.report import Report
from estado_eventos.domain.text import printable
from estado_eventos.domain.transitions import Transition
from estado_eventos.monitoring.handover import EndpointConfig, handover_file
from estado_eventos.output.files import check_replaceable, read_file, update_file
from estado_eventos.output.streams import json_line
from estado_eventos.reconcile.signals import RELEASE_SECONDS, Signals

BUDGET_SECONDS = 2.5
"""Lo que se espera a todos los monitores juntos. El contrato dice 3 s: el resto es para soltarlos."""

_ENDING_SECONDS = 4.0
"""Cuánto después de una señal tienen que haber acabado. El contrato dice 4,5 s para todo: el resto es para salir."""
_LEAST_SECONDS = 0.3
_FILES_SECONDS = 1.0
_MAX_OLD_BYTES = 1 << 20
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Monitor:
    """Un monitor: la variable que lo pide y cómo se le cuenta la pasada (devuelve qué salió mal, en palabras)."""

    variable: str
    tell: Callable[[], Coroutine[Any, Any, str | None]]


def notify(report: Report, transitions: Sequence[Transition], settings: Settings, signals: Signals) -> None:
    """Cuenta a los monitores cómo acabó una pasada por `transitions`.

    Un monitor que falla es un aviso en el registro y nada más. El tiempo los deja a medias; una señal, solo al latido:
    los archivos son un instante.
    """
    files = _files(report, transitions, settings)
    heartbeat = _heartbeat(report, settings)
    seconds = _budget(signals)
    with signals.guard(seconds + RELEASE_SECONDS):
        # Como el de la pasada, no espera a un hilo que se haya quedado colgado (un DNS, un disco).
        loop = asyncio.new_event_loop()
        try:
            with suppress(TimeoutError):
                loop.run_until_complete(asyncio.wait_for(_tell_all(files, heartbeat, signals), seconds))
        finally:
            loop.close()


def _budget(signals: Signals) -> float:
    """Los segundos que hay para los monitores: si ya pidieron acabar, lo que quede para hacerlo a tiempo."""
    if not signals.received:
        return BUDGET_SECONDS
    _, first = signals.received[0]
    return max(_LEAST_SECONDS, min(BUDGET_SECONDS, first + _ENDING_SECONDS - time.monotonic()))


def _files(report: Report, transitions: Sequence[Transition], settings: Settings) -> list[_Monitor]:
    savers = (
        ("METRICS_FILE", settings.metrics_file, partial(_save_metrics, report, transitions, settings)),
        ("REPORT_FILE", settings.report_file, partial(_save_report, report)),
        ("STATE_DIRECTORY", handover_file(os.environ), partial(_leave, settings)),
    )
    return [_Monitor(variable, partial(asyncio.to_thread, save, path)) for variable, path, save in savers if path]


def _heartbeat(report: Report, settings: Settings) -> _Monitor | None:
    if settings.heartbeat_url is None:
        return None
    from estado_eventos.monitoring.heartbeat import beat

    return _Monitor("HEARTBEAT_URL", partial(beat, settings.heartbeat_url.get_secret_value(), report))


async def _tell_all(files: Sequence[_Monitor], heartbeat: _Monitor | None, signals: Signals) -> None:
    async with asyncio.TaskGroup() as group:
        writing = [group.create_task(_tell(file)) for file in files]
        if writing:
            # Primero los archivos, que son un instante; pero un disco colgado no puede callar el latido.
            await asyncio.wait(writing, timeout=_FILES_SECONDS)
        if heartbeat:
            beating = group.create_task(_tell(heartbeat))
            with signals.told_to(lambda *_: beating.cancel()):
                await asyncio.wait([beating])


async def _tell(monitor: _Monitor) -> None:
    try:
        problem = await monitor.tell()
    except asyncio.CancelledError:
        _log.warning("%s: no contesta; no se espera más", monitor.variable)
        raise
    except Exception as error:  # noqa: BLE001  Nada de lo que vigila puede estropear lo vigilado.
        # Solo su nombre: en sus palabras podría ir la URL del latido.
        problem = f"fallo interno ({type(error).__name__})"
    if problem:
        _log.warning("%s: %s", monitor.variable, problem)


def _save_metrics(report: Report, transitions: Sequence[Transition], settings: Settings, path: Path) -> str | None:
    # Importar prometheus_client cuesta más que todo lo demás: solo si se usa, y antes de que otros esperen por este.
    from estado_eventos.monitoring import metrics

    owner = {"name": settings.schedule_name, "shard": str(settings.part)}
    return _save(path, lambda: metrics.text(report, transitions, owner, _read_old(path)))


def _save_report(report: Report, path: Path) -> str | None:
    return _save(path, f"{json_line(report.to_dict())}\n".encode)


def _leave(settings: Settings, path: Path) -> str | None:
    """Lo que necesita saber quien contesta por HTTP, si no está ya."""
    left = EndpointConfig(settings.scheduler_interval_seconds, settings.report_file, settings.metrics_file).to_json()
    return None if _read_old(path).encode() == left else _save(path, lambda: left)


def _read_old(path: Path) -> str:
    try:
        return read_file(path, _MAX_OLD_BYTES).decode(errors="replace")
    except OSError:
        return ""


def _save(path: Path, content: Callable[[], bytes]) -> str | None:
    """Pone en `path` ese contenido; devuelve por qué no se pudo."""
    try:
        check_replaceable(path)
        update_file(path, content, 0o644)
    except OSError as error:
        return f"no se puede escribir en {path}: {printable(str(error.strerror or error))}"
    return None
