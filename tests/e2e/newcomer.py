"""Quien llega sin saber nada: un Debian recién instalado, de dónde clona, y lo que teclea."""

import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

from tests.e2e import wheelhouse
from tests.e2e.container import Container
from tests.support.documents import ROOT

USER = "ana"
PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}
_EXAMPLE_HOST = "https://git.ejemplo.es/"
_ORIGIN = "/srv/origen"
_GIT_CONFIG = f"""\
[url "{_ORIGIN}/"]
    insteadOf = {_EXAMPLE_HOST}
[safe]
    directory = *
"""


class Origin:
    """El repositorio que los documentos mandan clonar, con lo confirmado aquí."""

    def __init__(self, directory: Path) -> None:
        """Hace el de verdad, sin árbol, y una copia desde la que publicar."""
        self.directory = directory
        self._work = directory.with_name("trabajo")
        # Lo que hay puede ser una etiqueta o un commit suelto: quien clona recibe una rama.
        _git(ROOT, "clone", "--quiet", str(ROOT), str(self._work))
        _git(self._work, "checkout", "--quiet", "-B", "main")
        _git(self._work, "clone", "--quiet", "--bare", str(self._work), str(directory / "estado-eventos.git"))

    def publish(self, version: str) -> None:
        """Publica una versión nueva del programa."""
        source = self._work / "src/estado_eventos/__init__.py"
        source.write_text(re.sub(r'(?<=__version__ = ").+?(?=")', version, source.read_text()))
        author = ("-c", "user.name=otra", "-c", "user.email=otra@ejemplo.es")
        _git(self._work, *author, "commit", "--quiet", "--all", "--message", version)
        _git(self._work, "push", "--quiet", str(self.directory / "estado-eventos.git"), "main")


@contextmanager
def fresh(release: str) -> Iterator[tuple[Container, Origin]]:
    """Ese Debian recién instalado, con una persona que no es root, y el repositorio que clonará."""
    with wheelhouse.for_sources(PYTHONS[release]) as wheels, tempfile.TemporaryDirectory() as directory:
        place = Path(directory, "origen")
        place.mkdir()
        origin = Origin(place)
        with Container({**wheels, _ORIGIN: place}, release=release) as machine:
            machine.put("/etc/pip.conf", wheelhouse.pip_conf(wheelhouse.DEPENDENCIES))
            machine.put("/etc/gitconfig", _GIT_CONFIG)
            machine.run(["useradd", "--create-home", "--shell", "/bin/bash", USER])
            yield machine, origin


def put_editor(machine: Container, text: str) -> None:
    """Pone un `editor` que, abra lo que abra, lo deja así."""
    machine.put("/usr/local/bin/editor", f'#!/bin/sh\nprintf %s {shlex.quote(text)} > "$1"\n', 0o755)


def type_in(machine: Container, lines: Sequence[str], timeout: float = 300) -> str:
    """Teclea unas líneas, las de `#` como root y las de `$` como `USER`; lo que salió. Para en la primera que falla."""
    said = ""
    for prompt, group in groupby(lines, key=lambda line: line[0]):
        user = None if prompt == "#" else USER
        script = "\n".join(["cd", *(line[2:] for line in group)])
        env = {"DEBIAN_FRONTEND": "noninteractive"}
        said += machine.run(["sh", "-ec", script], user=user, env=env, timeout=timeout).stdout
    return said


def _git(where: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(where), *arguments], check=True, capture_output=True)
