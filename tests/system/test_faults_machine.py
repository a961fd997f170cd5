"""Lo que la máquina puede hacerle a una pasada: señales, salidas que nadie lee, discos llenos.

La tabla para quien usa el programa está en `docs/fiabilidad.md`. Lo que toca a la memoria, los archivos abiertos, el
reloj y el idioma está en `test_faults_limits.py`.
"""

import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import termios
import time
from array import array
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import pytest

from estado_eventos.domain.transitions import START
from tests.support.faults import Fault, FaultyServer, Reaction, Request, Spoiled, answer, check_no_blind_repeats
from tests.support.inside import account
from tests.support.program import PROGRAM, check_adds_up, environment, run, start, wait
from tests.support.reference.server import ReferenceBackend

POLITE = ["SIGTERM", "SIGINT", "SIGHUP"]
"""Las señales que piden acabar; SIGKILL no pide."""


def moved(backend: ReferenceBackend) -> list[str]:
    """El evento de cada cambio que hubo en la base de datos."""
    return sorted(str(change.event_id) for change in backend.history())


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
@pytest.mark.parametrize("name", [*POLITE, "SIGKILL"])
@pytest.mark.parametrize("phase", _PHASES)
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
    assert moved(backend) == sorted(map(str, ids))
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


_KILL_AT_THE_START = """
import os, signal, estado_eventos.runner as runner
real = runner.BearerAuth
def interrupted(*arguments):
    os.kill(os.getpid(), signal.{name})
    return real(*arguments)
runner.BearerAuth = interrupted
"""


@pytest.mark.parametrize("name", POLITE)
def test_a_signal_before_the_pass_starts_is_told(backend: ReferenceBackend, tmp_path: Path, name: str) -> None:
    """Leída la configuración, una señal antes de la primera petición ya se cuenta: 75, ninguna petición, informe."""
    backend.add_events(due_start=1)
    files = {"METRICS_FILE": tmp_path / "estado.prom", "REPORT_FILE": tmp_path / "informe.json"}
    trap = sabotage(tmp_path / "trampa", _KILL_AT_THE_START.format(name=name))

    completed = run("run-once", "--json", env=account(backend, backend.url) | files | trap)

    assert completed.code == 75
    assert completed.report["error"] == f"la interrumpió {name}"
    assert completed.report["requests"] == 0
    assert backend.requests() == []
    assert json.loads(files["REPORT_FILE"].read_text()) == completed.report
    assert "estado_eventos_last_exit_code 75.0" in files["METRICS_FILE"].read_text()


_KILL_WHILE_WRITING = """
import os, signal, tempfile
real = tempfile.mkstemp
def interrupted(*arguments, **options):
    made = real(*arguments, **options)
    os.kill(os.getpid(), signal.{name})
    return made
tempfile.mkstemp = interrupted
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", POLITE)
def test_a_signal_while_files_are_written_changes_nothing(tmp_path: Path, name: str) -> None:
    """Una señal mientras se guardan las métricas y el informe: se guardan los dos, se da el latido, y es 0."""
    files = {"METRICS_FILE": tmp_path / "estado.prom", "REPORT_FILE": tmp_path / "informe.json"}
    trap = sabotage(tmp_path / "trampa", _KILL_WHILE_WRITING.format(name=name))

    with FaultyServer(lambda _: answer(200, "[]")) as server, FaultyServer(lambda _: answer(200, "OK")) as monitor:
        env = {"BACKEND_URL": server.url, "HEARTBEAT_URL": monitor.url} | files | trap
        completed = run("run-once", "--json", env=env)

    assert completed.code == 0
    assert "WARNING" not in completed.stderr
    assert json.loads(files["REPORT_FILE"].read_text()) == completed.report
    assert len(monitor.requests) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["estado.prom", "informe.json", "trampa"]


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
    assert (clean.code, moved(backend)) == (0, sorted(map(str, ids)))


@pytest.mark.parametrize(("name", "code"), [("SIGHUP", 0), ("SIGINT", 75)])
def test_nohup_is_obeyed(backend: ReferenceBackend, name: str, code: int) -> None:
    """Con `nohup`, cerrar la sesión no corta la pasada; SIGINT sí, aunque un guion se la quite a lo que deja atrás."""
    backend.configure(latency_ms=50)
    ids = backend.add_events(due_start=100)
    number = signal.Signals[name]
    env = account(backend, backend.url)
    process = start("start", "--json", env=env, preexec_fn=lambda: signal.signal(number, signal.SIG_IGN))
    until(lambda: moved(backend), process)
    process.send_signal(number)

    assert wait(process).code == code
    assert (moved(backend) == sorted(map(str, ids))) is (code == 0)


@pytest.mark.slow
def test_sigpipe_is_nobody_leaving(backend: ReferenceBackend) -> None:
    """SIGPIPE no corta la pasada: 0, todo movido."""
    backend.configure(latency_ms=50)
    ids = backend.add_events(due_start=20)
    process = start("start", "--json", env=account(backend, backend.url))
    until(lambda: moved(backend), process)
    process.send_signal(signal.SIGPIPE)

    assert wait(process).code == 0
    assert moved(backend) == sorted(map(str, ids))


@pytest.mark.parametrize("command", ['"$@" | head -c0', '"$@" 2>&1 | head -c0', '"$@" --json | head -c1'])
def test_a_reader_that_leaves_costs_no_event(backend: ReferenceBackend, command: str) -> None:
    """Si quien lee la salida, o también el registro, se va enseguida: 0, todo movido, ninguna queja."""
    ids = backend.add_events(due_start=20, due_finish=20)
    shell = ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}", "bash", *PROGRAM, "run-once"]

    finished = subprocess.run(
        shell, env=environment(**account(backend, backend.url)), cwd="/", check=False, capture_output=True, timeout=60
    )

    assert finished.returncode == 0
    assert b"Traceback" not in finished.stderr
    assert b"BrokenPipe" not in finished.stderr
    assert moved(backend) == sorted(map(str, ids))


@pytest.mark.slow
@pytest.mark.parametrize("name", POLITE)
def test_a_signal_ends_a_pass_whose_log_nobody_reads(backend: ReferenceBackend, tmp_path: Path, name: str) -> None:
    """Parada porque nadie lee el registro (un Ctrl-S, un paginador), una señal la acaba igual: 75 y su informe."""
    backend.add_events(due_start=150)
    report_file = tmp_path / "informe.json"
    with start("start", "--json", env=account(backend, backend.url, REPORT_FILE=report_file)) as stuck:
        assert stuck.stderr
        # Su tubería de errores, pequeña, se llena a media pasada.
        fcntl.fcntl(stuck.stderr, fcntl.F_SETPIPE_SZ, 4096)
        until(lambda: _is_full(stuck.stderr), stuck)
        stuck.send_signal(signal.Signals[name])
        code = stuck.wait(30)
        stuck.communicate()

    report = json.loads(report_file.read_text())
    check_adds_up(report)
    assert code == report["exit_code"] == 75
    assert report["transitions"]["start"]["done"] == len(moved(backend))


def _is_full(pipe: IO[str] | None) -> bool:
    """Si la tubería está llena y nadie la lee."""
    waiting = array("i", [0])
    assert pipe
    fcntl.ioctl(pipe, termios.FIONREAD, waiting)
    # Una línea no se parte: la que no cabe entera espera fuera.
    return waiting[0] >= 4096 - 200


@pytest.mark.slow
def test_a_signal_ends_a_process_whose_output_nobody_reads(tmp_path: Path) -> None:
    """Con la pasada hecha y contada, y el informe atascado en la salida, una señal acaba el proceso con su código."""
    report_file = tmp_path / "informe.json"
    with FaultyServer(lambda _: answer(200, json.dumps([{}] * 2000))) as server:
        env = {"BACKEND_URL": server.url, "LOG_LEVEL": "ERROR", "REPORT_FILE": report_file}
        with start("start", "--json", env=env) as stuck:
            assert stuck.stdout
            select.select([stuck.stdout], [], [])
            stuck.terminate()
            code = stuck.wait(30)
            stuck.communicate()

    assert code == json.loads(report_file.read_text())["exit_code"] == 1


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
    env = account(backend, backend.url, REPORT_FILE=report_file, TERM="xterm", LOG_LEVEL="WARNING", MAX_CONCURRENCY=2)
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
    assert report["transitions"]["start"]["done"] == len(moved(backend)) > 0
    assert code or moved(backend) == sorted(map(str, ids))


@pytest.mark.slow
def test_sigkill_while_files_are_written_keeps_the_old_ones(tmp_path: Path) -> None:
    """SIGKILL mientras se guardan: quien los lea ve los de antes, enteros; la pasada siguiente pone los suyos."""
    files = {"METRICS_FILE": tmp_path / "estado.prom", "REPORT_FILE": tmp_path / "informe.json"}
    trap = sabotage(tmp_path / "trampa", _KILL_WHILE_WRITING.format(name="SIGKILL"))
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        env = {"BACKEND_URL": server.url} | files
        first = run("run-once", "--json", env=env)
        before = [path.read_bytes() for path in files.values()]
        killed = run("run-once", "--json", env=env | trap)
        after = [path.read_bytes() for path in files.values()]
        last = run("run-once", "--json", env=env)

    assert (first.code, killed.code, last.code) == (0, -signal.SIGKILL, 0)
    assert before == after
    assert json.loads(files["REPORT_FILE"].read_text()) == last.report
