"""Un PostgreSQL de usar y tirar, con los binarios del paquete de Debian."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BINARIES = Path("/usr/lib/postgresql")
_READY = "database system is ready to accept connections"
_TRIES = 3
_STOP_SECONDS = 10
_SETTINGS = (
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=200",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    # Lo justo para saber que está listo: nadie sigue leyendo después.
    "log_min_messages=log",
    "log_checkpoints=off",
)


class PostgresUnavailableError(Exception):
    """No hay PostgreSQL en esta máquina, o no arranca; el mensaje dice por qué."""


@contextmanager
def postgres_server() -> Iterator[str]:
    """Arranca un servidor en un puerto libre, da su DATABASE_URL y al final lo para y lo borra."""
    binaries = _find_binaries()
    account = _unprivileged_account()
    home = Path(tempfile.mkdtemp(prefix="reference-postgres-"))
    try:
        if account is not None:
            shutil.chown(home, account)
        data = home / "data"
        _initialize(binaries, data, account)
        process, port = _start(binaries, data, account)
        with process:
            try:
                yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
            finally:
                _stop(process)
    finally:
        shutil.rmtree(home)


def _find_binaries() -> Path:
    """El directorio de la versión más nueva instalada."""
    versions = sorted(_BINARIES.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not versions:
        raise PostgresUnavailableError("no hay PostgreSQL: instale el paquete «postgresql»")
    return versions[-1].parent


def _unprivileged_account() -> str | None:
    """PostgreSQL no arranca como root: entonces, de qué otro usuario será."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in known:
            return name
    raise PostgresUnavailableError("PostgreSQL no arranca como root y no hay usuario «postgres» ni «nobody»")


def _popen(command: list[str | Path], account: str | None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        cwd="/",
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        user=account,
        group=None if account is None else pwd.getpwnam(account).pw_gid,
        extra_groups=None if account is None else [],
        # Ctrl-C es cosa de las pruebas, que ya lo paran ellas.
        start_new_session=True,
    )


def _initialize(binaries: Path, data: Path, account: str | None) -> None:
    options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
    process = _popen([binaries / "initdb", "-D", data, *options], account)
    output, _ = process.communicate()
    if process.returncode != 0:
        raise PostgresUnavailableError(f"initdb falló:\n{output}")


def _start(binaries: Path, data: Path, account: str | None) -> tuple[subprocess.Popen[str], int]:
    """Lo arranca y espera su línea de listo; si otro le quita el puerto, prueba con uno nuevo."""
    output = ""
    for _ in range(_TRIES):
        port = _free_port()
        command: list[str | Path] = [binaries / "postgres", "-D", data, "-p", str(port)]
        for setting in _SETTINGS:
            command += ["-c", setting]
        process = _popen(command, account)
        output = ""
        for line in process.stdout or ():
            output += line
            if _READY in line:
                return process, port
        with process:
            _stop(process)
    raise PostgresUnavailableError(f"PostgreSQL no arrancó:\n{output}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def _stop(process: subprocess.Popen[str]) -> None:
    """Parada inmediata: nadie va a leer esos datos."""
    process.send_signal(signal.SIGQUIT)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
