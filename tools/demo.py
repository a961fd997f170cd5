"""`make demo`: el programa de verdad mueve los eventos de un backend de usar y tirar."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

from tests.support.reference.contract import EventId
from tests.support.reference.server import ReferenceBackend

_BEFORE = {
    "algebra": "programado",
    "biologia": "programado",
    "calculo": "programado",
    "dibujo": "en_progreso",
    "etica": "en_progreso",
    "fisica": "programado",
    "griego": "programado",
}
_EXPECTED = {
    "algebra": "en_progreso",
    "biologia": "en_progreso",
    "calculo": "en_progreso",
    "dibujo": "completado",
    "etica": "completado",
    "fisica": "programado",
    "griego": "programado",
}
_PROGRAM_SECONDS = 60


def main() -> int:
    """Enseña los eventos antes y después de una pasada; 0 si los debidos cambiaron y los demás no."""
    signal.signal(signal.SIGTERM, _stop)
    with ReferenceBackend() as backend:
        backend.add_events(due_start=3, due_finish=2, future=2, public_ids=[*_BEFORE])
        _say(f"Backend de prueba en {backend.url}: tres exámenes por empezar, dos por terminar y dos futuros.")
        _show("Antes", backend.states())
        codes = [_run(backend, command) for command in ("pending", "run-once")]
        after = backend.states()
        _show("Después", after)
    if any(codes):
        _say(f"\n✗ El programa terminó mal (códigos de salida: {codes}).")
        return 1
    if after != _EXPECTED:
        _say("\n✗ Algún evento no está como debería.")
        return 1
    _say("\n✓ Cada evento debido cambió de estado y los futuros siguen esperando.")
    return 0


def _run(backend: ReferenceBackend, command: str) -> int:
    """Ejecuta el programa sin nada de la configuración de esta máquina."""
    _say(f"\n$ estado-eventos {command}")
    with tempfile.TemporaryDirectory(prefix="estado-eventos-demo-") as directory:
        empty = Path(directory, "vacio.env")
        empty.touch()
        return subprocess.run(
            [sys.executable, "-m", "estado_eventos", "--env-file", empty, command],
            cwd=directory,
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "PYTHONUTF8": "1",
                "BACKEND_URL": backend.url,
                "AUTH_URL": backend.auth_url,
                "BACKEND_JWT_TOKEN": backend.token(),
            },
            stdin=subprocess.DEVNULL,
            timeout=_PROGRAM_SECONDS,
            check=False,
        ).returncode


def _show(title: str, states: dict[EventId, str]) -> None:
    _say(f"\n{title}:")
    for event_id, state in states.items():
        _say(f"  {event_id:<10} {state}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    # El programa escribe en la misma salida: que no se le adelante.
    sys.stdout.flush()


def _stop(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
