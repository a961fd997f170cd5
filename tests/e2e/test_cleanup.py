"""De un contenedor no queda nada, acabe como acabe, y varios a la vez no se estorban."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.container import Container
from tests.e2e.guardian import cgroup_parents

_OWNER = """\
import sys
from tests.e2e.container import Container
with Container() as container:
    print(container.name, flush=True)
    sys.stdin.read()
"""

pytestmark = pytest.mark.usefixtures("capable")


def _traces(name: str) -> list[str]:
    """Los procesos, grupos de control y directorios que quedan del contenedor."""
    places = [*cgroup_parents().values(), Path("/run/systemd/nspawn/propagate")]
    traces = [str(place / name) for place in places if (place / name).exists()]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if name.encode() in (process / "cmdline").read_bytes():
                traces.append(process.name)
        except OSError:
            continue
    mounts = Path("/proc/self/mounts").read_text()
    return [*traces, *(line for line in mounts.splitlines() if name in line)]


def _wait_for_no_traces(name: str) -> None:
    deadline = time.monotonic() + 30
    while traces := _traces(name):
        assert time.monotonic() < deadline, traces
        time.sleep(0.05)


def test_nothing_is_left() -> None:
    """Al salir del `with` ya no hay procesos, montajes, grupos de control ni directorios."""
    with Container() as container:
        container.run(["systemd-run", "sleep", "infinity"])
        assert _traces(container.name)
    assert _traces(container.name) == []


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_after_an_interruption(end: signal.Signals) -> None:
    """Aunque maten a las pruebas, el contenedor se apaga y se limpia."""
    command = [sys.executable, "-c", _OWNER]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as owner:
        assert owner.stdout is not None
        name = owner.stdout.readline().strip()
        assert _traces(name)
        owner.send_signal(end)
    _wait_for_no_traces(name)


def test_several_containers_do_not_clash() -> None:
    """Dos contenedores a la vez tienen sus propias unidades y archivos, y uno sobrevive al otro."""
    with Container() as first:
        with Container() as second:
            for each in (first, second):
                each.put("/etc/who", each.name)
                each.run(["systemd-run", "--unit=same-name", "sleep", "infinity"])
            assert first.read("/etc/who") == first.name
            second.run(["systemctl", "stop", "same-name"])
            assert first.run(["systemctl", "is-active", "same-name"]).stdout == "active\n"
        assert first.run(["systemctl", "is-active", "same-name"]).stdout == "active\n"
