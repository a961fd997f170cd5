"""El programa como proceso, en una máquina que se lo pone difícil: trampas, límites y señales."""

import resource
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

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
