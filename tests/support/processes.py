"""El programa como proceso, en una máquina que se lo pone difícil: trampas, límites y señales."""

import fcntl
import resource
import subprocess
import termios
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import IO

POLITE = ["SIGTERM", "SIGINT", "SIGHUP"]
"""Las señales que piden acabar; SIGKILL no pide."""

NO_COVERAGE: dict[str, object] = {"COVERAGE_PROCESS_CONFIG": "", "COVERAGE_PROCESS_START": ""}
"""Donde se mide la máquina, no se mide la cobertura, que también gasta."""

MEMORY = 64 << 20
"""Lo que el proceso puede pedir para datos, suyos o de sus hilos, tocados o no (RLIMIT_DATA).

Se queda más corto que un límite de un cgroup, que solo cuenta lo tocado y que, en vez de decir que no, mata.
"""


def limit(name: int, value: int) -> Callable[[], None]:
    """Lo que el proceso hijo hace antes de empezar, para no pasar de ese límite."""
    return lambda: resource.setrlimit(name, (value, value))


def until(ready: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Espera a que pase algo mientras el programa siga en marcha."""
    while not ready():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def is_full(pipe: IO[str] | None) -> bool:
    """Si la tubería está llena y nadie la lee."""
    waiting = array("i", [0])
    assert pipe
    fcntl.ioctl(pipe, termios.FIONREAD, waiting)
    # Una línea no se parte: la que no cabe entera espera fuera.
    return waiting[0] >= 4096 - 200


def sabotage(folder: Path, code: str) -> dict[str, object]:
    """El entorno con que el intérprete ejecuta `code` antes que el programa."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(code)
    return {"PYTHONPATH": folder}


KILL_WHILE_WRITING = """
import os, signal
real = os.fchmod
def interrupted(*arguments):
    os.kill(os.getpid(), signal.{name})
    return real(*arguments)
os.fchmod = interrupted
"""
"""Una trampa: la señal llega mientras se escribe un archivo."""
