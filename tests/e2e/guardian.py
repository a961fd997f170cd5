"""Vigila un contenedor: lo apaga y limpia en cuanto se cierra la entrada, también si muere quien lo arrancó.

Se ejecuta como `guardian.py NOMBRE systemd-nspawn …`, solo con la biblioteca estándar.
"""

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

# Entra en los grupos de control dados hasta «--» y ejecuta el resto.
_JOIN = 'while [ "$1" != -- ]; do echo 0 > "$1/cgroup.procs" || exit; shift; done; shift; exec "$@"'


def has_systemd() -> bool:
    """Si systemd gestiona esta máquina."""
    return Path("/run/systemd/system").is_dir()


def cgroup_parents() -> dict[str, Path]:
    """El grupo de control de este proceso en cada jerarquía que systemd entiende: `v1` o `v2`.

    Vacío si systemd gestiona la máquina, porque entonces reparte él los grupos.
    """
    if has_systemd():
        return {}
    mine = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        mine[controllers] = path
    parents = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        head, _, tail = line.partition(" - ")
        root, mountpoint = head.split()[3:5]
        kind, _, options = tail.split()
        if kind == "cgroup2":
            version, own = "v2", mine.get("")
        elif kind == "cgroup" and "name=systemd" in options.split(","):
            version, own = "v1", mine.get("name=systemd")
        else:
            continue
        if own is not None:
            parents[version] = Path(mountpoint) / os.path.relpath(own, root)
    return parents


def main(name: str, argv: list[str]) -> None:
    """Arranca el contenedor en grupos de control propios y espera a que haya que apagarlo."""
    signal.signal(signal.SIGTERM, _stop)
    parents = cgroup_parents()
    groups = [parent / name for parent in parents.values()]
    environment = dict(os.environ)
    if "v2" in parents:
        environment["SYSTEMD_NSPAWN_UNIFIED_HIERARCHY"] = "1"
    for group in groups:
        group.mkdir()
    # `--pdeathsig`: si también mataran a este proceso, el contenedor no se queda huérfano.
    command = ["sh", "-c", _JOIN, "sh", *map(str, groups), "--", "setpriv", "--pdeathsig", "TERM", *argv]
    container = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment)
    try:
        ended = os.pidfd_open(container.pid)
        select.select([sys.stdin.fileno(), ended], [], [])
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _shut_down(container)
        for group in groups:
            _remove(group)
        with suppress(OSError):
            Path("/run/systemd/nspawn/propagate", name).rmdir()


def _stop(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _shut_down(container: subprocess.Popen[bytes]) -> None:
    """La primera señal apaga por las buenas; la segunda, en el acto."""
    for end, patience in ((signal.SIGTERM, 3), (signal.SIGTERM, 3), (signal.SIGKILL, None)):
        container.send_signal(end)
        with suppress(subprocess.TimeoutExpired):
            container.wait(patience)
            return


def _remove(group: Path) -> None:
    """Borra el grupo, que puede tardar un instante en quedarse vacío."""
    deadline = time.monotonic() + 5
    while group.exists() and time.monotonic() < deadline:
        for directory, _, _ in os.walk(group, topdown=False):
            with suppress(OSError):
                Path(directory).rmdir()
        time.sleep(0.02)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
