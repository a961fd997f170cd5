"""Podman con su propio almacén: lo que se hace con él desaparece al acabar."""

import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.cache import cache_home

_PACKAGES = {"podman": "podman", "runc": "runc"}

# crun no entiende una máquina con las dos versiones de grupos de control montadas; y los límites de fábrica de Podman
# pasan de lo que una máquina así permite.
_SETTINGS = """\
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
netns = "host"
pids_limit = 0
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "runc"
"""


@dataclass(frozen=True, slots=True)
class Podman:
    """Ejecuta mandatos de Podman sobre el almacén de `home`; lo de cada contenedor en marcha está en `scratch`."""

    home: Path
    scratch: Path

    def command(self, *arguments: str) -> list[str]:
        """El mandato entero, para quien lo quiera arrancar por su cuenta."""
        settings = f"CONTAINERS_CONF={self.home / 'containers.conf'}"
        places = ["--root", str(self.home / "root"), "--runroot", str(self.scratch)]
        return ["env", settings, "BUILDAH_FORMAT=docker", "podman", "--log-level=fatal", *places, *arguments]

    def run(
        self, *arguments: str, text: str | None = None, check: bool = True, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Lo ejecuta y espera a que acabe."""
        done = subprocess.run(
            self.command(*arguments),
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            raise RuntimeError(f"podman {arguments} terminó con {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    def load(self, tree: Path, name: str) -> None:
        """Hace una imagen con un árbol de archivos; sin bytecode, como vienen las de Python."""
        packing = ["tar", "--create", "--directory", str(tree), "--exclude=__pycache__", "."]
        with subprocess.Popen(packing, stdout=subprocess.PIPE) as packed:
            done = subprocess.run(
                self.command("import", "-", name), stdin=packed.stdout, capture_output=True, text=True, check=False
            )
        if packed.returncode or done.returncode:
            raise RuntimeError(f"podman import terminó con {done.returncode}:\n{done.stderr}")


@contextmanager
def podman() -> Iterator[Podman]:
    """Un Podman recién estrenado.

    El almacén no está en /tmp, que dentro de un contenedor no admite sus capas; lo demás sí, porque ahí Podman no
    quiere un nombre largo.
    """
    cache_home().mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="podman-", dir=cache_home()))
    scratch = Path(tempfile.mkdtemp(prefix="podman-"))
    limits = {
        "files": min(1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
        "processes": min(1024, resource.getrlimit(resource.RLIMIT_NPROC)[1]),
    }
    (home / "containers.conf").write_text(_SETTINGS.format(**limits))
    engine = Podman(home, scratch)
    try:
        yield engine
    finally:
        engine.run("rm", "--all", "--force", "--time=0", check=False)
        subprocess.run(["umount", "--recursive", "--quiet", str(home / "root/overlay")], check=False)
        shutil.rmtree(home)
        shutil.rmtree(scratch)


def unavailable() -> str | None:
    """Por qué no se puede usar aquí, o None si se puede."""
    if missing := [package for program, package in _PACKAGES.items() if shutil.which(program) is None]:
        return f"faltan paquetes: ejecute «apt-get install {' '.join(missing)}»"
    if os.geteuid() != 0:
        return "hace falta ser root para arrancar contenedores"
    return None
