"""Señales en cualquier momento de una pasada."""

import fcntl
import json
import os
import pty
import signal
import subprocess
import termios
from collections.abc import Callable
from contextlib import ExitStack
from itertools import cycle, product
from pathlib import Path

import pytest

from estado_eventos.domain.transitions import START
from tests.support.faults import FaultyServer, check_no_blind_repeats
from tests.support.inside import account
from tests.support.passes import moved_once, moves
from tests.support.processes import POLITE, until
from tests.support.program import PROGRAM, check_adds_up, environment, run, start, wait
from tests.support.reactions import Fault, Reaction, Request, Spoiled, answer
from tests.support.reference.server import ReferenceBackend

_PHASES: dict[str, Callable[[Request], Reaction]] = {
    "al iniciar sesión": lambda request: Fault.STALL if request.path.endswith("/login/") else None,
    "al leer una lista": lambda request: Fault.STALL if request.path == START.list_path else None,
    "al pedir un evento": lambda request: Fault.STALL if "/start/" in request.path else None,
    "al pedir un evento, ya aplicado": lambda request: (
        Spoiled(lambda _: b"", Fault.STALL) if "/start/" in request.path else None
    ),
    "al esperar entre rondas": lambda request: answer(429, Retry_After="30") if "/start/" in request.path else None,
}
"""En qué está la pasada, y lo que el servidor hace para dejarla ahí."""


def is_there(request: Request, phase: str) -> bool:
    """Si con esa petición la pasada llegó a donde se quería."""
    return _PHASES[phase](request) is not None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("phase", "name"),
    [*product(_PHASES, ("SIGTERM", "SIGKILL")), *zip(_PHASES, cycle(("SIGINT", "SIGHUP")))],
)
def test_a_signal_in_any_phase_loses_nothing(backend: ReferenceBackend, tmp_path: Path, phase: str, name: str) -> None:
    """Cortada donde sea: nada empieza después, el informe cuadra, y una pasada limpia deja todo hecho, una vez."""
    ids = backend.add_events(due_start=3, due_finish=2)
    report_file = tmp_path / "informe.json"
    healed = False

    def rule(request: Request) -> Reaction:
        return None if healed else _PHASES[phase](request)

    with FaultyServer(rule, backend.url) as server:
        env = account(backend, server.url, REPORT_FILE=report_file, MAX_CONCURRENCY=2)
        process = start("start", "--json", env=env)
        arrivals = 3 if "rondas" in phase else 1
        until(lambda: sum(is_there(request, phase) for request in server.requests) >= arrivals, process)
        process.send_signal(signal.Signals[name])
        cut = wait(process)
        posts_when_cut = server.count("POST", f"/{START.name}/")
        healed = True
        clean = run("run-once", "--json", env=env)

    if name == "SIGKILL":
        assert cut.code == -signal.SIGKILL
    else:
        assert cut.code == cut.report["exit_code"] == 75
        assert cut.report["error"] == f"la interrumpió {name}"
        assert cut.report["transitions"]["start"]["done"] == 0
        assert "Traceback" not in cut.stderr
        assert posts_when_cut <= (2 if "evento" in phase else 3 if "rondas" in phase else 0)
    assert clean.code == 0
    assert moved_once(backend, ids)
    assert json.loads(report_file.read_text()) == clean.report
    check_no_blind_repeats(server.requests)


def _open_for_writing(fifo: Path, stack: ExitStack) -> bool:
    """Si alguien está leyendo esa tubería; la deja abierta, para que siga esperando."""
    try:
        stack.callback(os.close, os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("name", [*POLITE, "SIGKILL"])
def test_a_signal_while_settings_are_read_just_kills(backend: ReferenceBackend, tmp_path: Path, name: str) -> None:
    """Antes de saber con quién hablar no hay nada que contar: muere por la señal, callado y sin pedir nada."""
    settings = tmp_path / "env"
    os.mkfifo(settings)
    process = start("run-once", "--json", "--env-file", str(settings), env={"BACKEND_URL": backend.url})

    with ExitStack() as stack:
        until(lambda: _open_for_writing(settings, stack), process)
        process.send_signal(signal.Signals[name])
        completed = wait(process)

    assert (completed.code, completed.stdout, completed.stderr) == (-signal.Signals[name], "", "")
    assert backend.requests() == []


@pytest.mark.slow
@pytest.mark.parametrize("name", POLITE)
def test_a_signal_while_waiting_for_the_turn_asks_nothing(backend: ReferenceBackend, name: str) -> None:
    """Quien espera a que acabe otra pasada y recibe una señal se va sin pedir nada: 75. La otra ni se entera."""
    ids = backend.add_events(due_start=2)
    free = False

    def hold(request: Request) -> Reaction:
        return Fault.STALL if request.path == START.list_path and not free else None

    with FaultyServer(hold, backend.url) as server:
        env = account(backend, server.url)
        holder = start("start", "--json", env=env)
        until(lambda: server.count("GET"), holder)
        waiting = start("start", "--json", "--log-format", "text", env=env)
        assert waiting.stderr
        while "Otra pasada está en marcha" not in waiting.stderr.readline():
            assert waiting.poll() is None
        waiting.send_signal(signal.Signals[name])
        cut = wait(waiting)
        holder.terminate()
        wait(holder)
        free = True
        clean = run("start", env=env)

    assert cut.code == 75
    assert cut.report["error"] == f"otra pasada no acaba; la interrumpió {name}"
    assert cut.report["requests"] == 0
    assert (clean.code, moves(backend)) == (0, sorted(map(str, ids)))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "code"), [("SIGHUP", 0), ("SIGINT", 75)])
def test_nohup_is_obeyed(backend: ReferenceBackend, name: str, code: int) -> None:
    """Con `nohup`, cerrar la sesión no corta la pasada; SIGINT sí, aunque un guion se la quite a lo que deja atrás."""
    backend.configure(latency_ms=50)
    ids = backend.add_events(due_start=100)
    number = signal.Signals[name]
    env = account(backend)
    process = start("start", "--json", env=env, preexec_fn=lambda: signal.signal(number, signal.SIG_IGN))
    until(lambda: moves(backend), process)
    process.send_signal(number)

    assert wait(process).code == code
    assert (moved_once(backend, ids)) is (code == 0)


@pytest.mark.slow
def test_sigpipe_is_nobody_leaving(backend: ReferenceBackend) -> None:
    """SIGPIPE no corta la pasada: 0, todo movido."""
    backend.configure(latency_ms=50)
    ids = backend.add_events(due_start=20)
    process = start("start", "--json", env=account(backend))
    until(lambda: moves(backend), process)
    process.send_signal(signal.SIGPIPE)

    assert wait(process).code == 0
    assert moved_once(backend, ids)


def _own_terminal() -> None:
    """Que la entrada del proceso sea su terminal de control: al colgarse, el núcleo le manda SIGHUP."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _own_terminal_with_nohup() -> None:
    _own_terminal()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


@pytest.mark.slow
@pytest.mark.parametrize(("prepare", "code"), [(_own_terminal, 75), (_own_terminal_with_nohup, 0)])
def test_a_terminal_that_hangs_up(
    backend: ReferenceBackend, tmp_path: Path, prepare: Callable[[], None], code: int
) -> None:
    """Al cerrarse la sesión de quien lo ejecuta a mano, con la barra puesta: 75 y su informe; con `nohup`, sigue: 0."""
    backend.configure(latency_ms=100)
    ids = backend.add_events(due_start=60)
    report_file = tmp_path / "informe.json"
    master, slave = pty.openpty()
    env = account(backend, REPORT_FILE=report_file, TERM="xterm", LOG_LEVEL="WARNING", MAX_CONCURRENCY=2)
    process = subprocess.Popen(
        [*PROGRAM, "start"],
        env=environment(**env),
        cwd="/",
        stdin=slave,
        stdout=slave,
        stderr=slave,
        preexec_fn=prepare,  # noqa: PLW1509  Solo así se le da su terminal.
    )
    os.close(slave)
    with process:
        seen = b""
        while b"/60" not in seen:
            seen += os.read(master, 4096)
        os.close(master)
        assert process.wait(60) == code

    report = json.loads(report_file.read_text())
    check_adds_up(report)
    assert report["exit_code"] == code
    assert report["transitions"]["start"]["done"] == len(moves(backend)) > 0
    assert code or moved_once(backend, ids)
