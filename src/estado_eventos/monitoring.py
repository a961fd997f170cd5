"""Lo que se cuenta a quien vigila al acabar una pasada: el archivo de métricas, el último informe y el latido."""

import asyncio
import logging
import os
import stat
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from estado_eventos import render
from estado_eventos.report import Report, printable
from estado_eventos.settings import Settings
from estado_eventos.signals import RELEASE_SECONDS, Signals
from estado_eventos.transitions import Transition

BUDGET_SECONDS = 2.5
"""Lo que se espera a todos los monitores juntos. El contrato dice 3 s: el resto es para soltarlos."""

_FILES_SECONDS = 1.0
_MAX_OLD_BYTES = 16 << 10
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
    signals.guard(BUDGET_SECONDS + RELEASE_SECONDS)
    loop = asyncio.new_event_loop()
    try:
        with suppress(TimeoutError):
            loop.run_until_complete(asyncio.wait_for(_tell_all(files, heartbeat, signals), BUDGET_SECONDS))
    finally:
        signals.guard(0)
        # Como en `runner`, un hilo que se haya quedado colgado (un DNS, un disco) no se espera.
        loop.close()


def _files(report: Report, transitions: Sequence[Transition], settings: Settings) -> list[_Monitor]:
    renderings = (
        ("METRICS_FILE", settings.metrics_file, lambda path: _metrics(path, report, transitions)),
        ("REPORT_FILE", settings.report_file, lambda _: f"{render.report_json(report)}\n".encode()),
    )
    return [
        _Monitor(variable, partial(asyncio.to_thread, _save, path, content))
        for variable, path, content in renderings
        if path
    ]


def _heartbeat(report: Report, settings: Settings) -> _Monitor | None:
    if settings.heartbeat_url is None:
        return None
    from estado_eventos.heartbeat import beat

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


def _metrics(path: Path, report: Report, transitions: Sequence[Transition]) -> bytes:
    # Importar prometheus_client cuesta más que todo lo demás: solo si se usa.
    from estado_eventos import metrics

    return metrics.text(report, transitions, _read_old(path))


def _read_old(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_OLD_BYTES).decode(errors="replace")
    except OSError:
        return ""


def _save(path: Path, content: Callable[[Path], bytes]) -> str | None:
    """Pone en `path` ese contenido; devuelve por qué no se pudo."""
    try:
        _check_replaceable(path)
        _replace(path, content(path))
    except OSError as error:
        return f"no se puede escribir en {path}: {printable(str(error.strerror or error))}"
    return None


def _check_replaceable(path: Path) -> None:
    """Lanza `OSError` si lo que hay no es un archivo: sustituir `/dev/stdout` dejaría sin él a toda la máquina."""
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise OSError(0, "no es un archivo normal")


def _replace(path: Path, content: bytes) -> None:
    """Pone un archivo nuevo, legible para todos, en el sitio del anterior: quien lea ve uno u otro, nunca medio."""
    # No acaba como el de verdad: node_exporter no lo lee aunque lo vea.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(content)
        Path(temporary).replace(path)
    except OSError:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
