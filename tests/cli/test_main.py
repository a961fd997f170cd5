"""El arranque del proceso, con señales de verdad."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.program import PROGRAM, environment

_FIRST = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--")


@pytest.fixture
def first() -> None:
    """Salta la prueba donde no se pueden crear espacios de procesos; `make e2e` la repite con la imagen."""
    tried = subprocess.run([*_FIRST, "true"], check=False, capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"no se pueden crear espacios de procesos: {tried.stderr.strip()}")


def _signal_until_it_ends(outer: subprocess.Popen[str], inner: int, number: signal.Signals) -> int:
    """Más de una vez, porque Python no ve una señal que llega justo antes de que se ponga a leer."""
    for _ in range(100):
        with suppress(ProcessLookupError):
            os.kill(inner, number)
        with suppress(subprocess.TimeoutExpired):
            return outer.wait(timeout=0.1)
    outer.kill()
    return outer.wait()


@pytest.mark.slow
@pytest.mark.usefixtures("first")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_also_as_the_first_process(number: signal.Signals, tmp_path: Path) -> None:
    """En un contenedor, donde es el proceso 1, una señal antes de la pasada lo acaba igual: 128 y su número."""
    settings = tmp_path / "settings"
    os.mkfifo(settings)
    command = [*_FIRST, *PROGRAM, "--env-file", str(settings), "run-once"]
    with subprocess.Popen(command, env=environment(), cwd="/", stderr=subprocess.PIPE, text=True) as outer:
        with settings.open("w"):  # Se abre cuando el programa lo abre: está leyendo su configuración, que no llega.
            children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
            code = _signal_until_it_ends(outer, int(children[0]), number)
        _, complaints = outer.communicate()

    assert code == 128 + number
    assert complaints == ""


def test_interrupting_the_start_is_a_quiet_death() -> None:
    """Un Ctrl-C mientras el programa arranca no vuelca la pila."""
    code = "import signal, os, sys; sys.argv = ['x', '--version']\nimport estado_eventos.__main__ as m\n"
    code += "import builtins; real = builtins.__import__\n"
    code += "def cut(name, *a, **k):\n    if name == 'estado_eventos.cli': os.kill(os.getpid(), signal.SIGINT)\n"
    code += "    return real(name, *a, **k)\nbuiltins.__import__ = cut\nm.main()\n"

    finished = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, timeout=60)

    assert finished.returncode == -2
    assert finished.stderr == b""
