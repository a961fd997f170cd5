"""Los diez primeros minutos: las recetas del README, tecleadas tal cual en un Debian recién instalado."""

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from estado_eventos import __version__
from tests.e2e.container import Container
from tests.e2e.newcomer import Origin, fresh, put_editor, type_in
from tests.support.documents import ROOT
from tests.support.faults import FaultyServer
from tests.support.reactions import answer
from tests.support.reference.server import ReferenceBackend

pytestmark = [pytest.mark.usefixtures("capable"), pytest.mark.timeout(2400)]
README = (ROOT / "README.md").read_text()
NEXT_VERSION = "99.0.0"


@contextmanager
def server(release: str, backend: ReferenceBackend) -> Iterator[tuple[Container, Origin, FaultyServer]]:
    """Ese Debian, con quien sabe qué poner en la configuración del README: el backend de la prueba y un latido."""
    (example,) = re.findall(r"```sh\n(.+?)```", README, re.DOTALL)
    with FaultyServer(lambda _: answer(200, "OK")) as heartbeat, fresh(release) as (machine, origin):
        here = {
            "https://admin.ejemplo.es": backend.auth_url,
            "planificador@ejemplo.es": backend.email,
            "la contraseña, con # y espacios": backend.password,
            "https://hc-ping.com/el-identificador-de-su-check": f"{heartbeat.url}/check",
        }
        for theirs, ours in here.items():
            assert theirs in example
            example = example.replace(theirs, ours)
        put_editor(machine, example)
        yield machine, origin, heartbeat


def leftovers(machine: Container) -> list[str]:
    """Lo que hay en el disco con el nombre del programa, fuera de lo que pone la prueba y de la caché de pip."""
    places = ["/etc", "/home", "/opt", "/root", "/usr", "/var", "-path", "/root/.cache", "-prune"]
    return machine.run(["find", *places, "-o", "-iname", "*estado*eventos*", "-print"]).stdout.split()


def until_moved(machine: Container, backend: ReferenceBackend) -> None:
    """Pone un examen que ya tenía que haber empezado y espera a que alguien lo mueva."""
    (event,) = backend.add_events(due_start=1)
    machine.wait_until(lambda: backend.states()[event] == "en_progreso", "el tic siguiente", timeout=150)


def follow_the_recipe(release: str, typed: list[list[str]], backend: ReferenceBackend) -> None:
    """De nada al primer tic con systemd, una versión nueva, y nada otra vez."""
    (install, upgrade, remove), others = typed[:3], typed[3:]
    with server(release, backend) as (machine, origin, heartbeat):
        said = type_in(machine, install)
        assert "no hay temporizador" in said.lower(), said
        until_moved(machine, backend)
        machine.wait_until(lambda: heartbeat.requests, "el latido")
        assert heartbeat.requests[0].path.startswith("/check?rid=")
        score = machine.run(["systemd-analyze", "security", "estado-eventos.service", "--no-pager"]).stdout
        assert float(re.findall(r"exposure level for \S+: ([\d.]+)", score)[0]) <= 1.1
        assert machine.run(["find", "/opt", "-path", "*/share/estado-eventos/prometheus/alerts.yml"]).stdout
        checked = machine.run(["estado-eventos", "check"]).stdout
        assert re.findall(r"^[!✗].*", checked, re.MULTILINE) == [], checked
        for name, value in {"EMAIL": backend.email, "PASSWORD": backend.password}.items():
            machine.put(f"/etc/credstore/estado-eventos.BACKEND_{name}", value, 0o600)
        for block in others:
            type_in(machine, block)
        machine.run(["rm", "-r", "/etc/credstore"])
        for line in itertools.chain.from_iterable(others):
            if "--name" in line and "install" in line:
                machine.run(line[2:].replace("install", "remove").split())

        origin.publish(NEXT_VERSION)
        assert machine.run(["estado-eventos", "--version"]).stdout.split()[-1] == __version__
        type_in(machine, upgrade)
        assert machine.run(["estado-eventos", "--version"]).stdout.split()[-1] == NEXT_VERSION
        assert machine.run(["systemctl", "is-active", "estado-eventos.timer"]).stdout == "active\n"
        machine.run(["systemctl", "start", "estado-eventos.service"])

        type_in(machine, remove)
        assert leftovers(machine) == []
        assert "estado-eventos" not in machine.run(["systemctl", "list-unit-files", "--no-pager"]).stdout


def test_the_recipe_of_debian_13(typed: list[list[str]], backend: ReferenceBackend) -> None:
    """Con pipx, en un Debian 13."""
    follow_the_recipe("trixie", typed, backend)


def test_the_recipe_of_debian_12(typed: list[list[str]], backend: ReferenceBackend) -> None:
    """Con venv, en un Debian 12."""
    follow_the_recipe("bookworm", typed, backend)


def test_the_recipe_of_cron(typed: list[list[str]], backend: ReferenceBackend) -> None:
    """Sin systemd: de nada al primer tic con cron, y nada otra vez, en un Debian 12."""
    install, look, remove = typed
    with server("bookworm", backend) as (machine, _, heartbeat):
        type_in(machine, install)
        until_moved(machine, backend)
        type_in(machine, look)
        machine.wait_until(lambda: heartbeat.requests, "el latido")
        assert heartbeat.requests[0].path.startswith("/check?rid=")
        type_in(machine, remove)
        assert leftovers(machine) == []
