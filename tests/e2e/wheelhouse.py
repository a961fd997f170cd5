"""Las ruedas del programa y de lo que necesita, para instalarlas dentro del contenedor sin red."""

import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.cache import cached
from tests.e2e.container import Container
from tests.e2e.rootfs import python_version, rootfs

_ROOT = Path(__file__).parents[2]
_REQUIREMENTS = tuple(_ROOT / f"requirements/{name}.txt" for name in ("run", "build", "e2e"))
PROJECT = "/srv/wheels/project"
"""Dónde está, dentro, la rueda del programa."""

CONSTRAINTS = "requirements/constraints.txt"
"""Lo que se probó, como lo nombra el README desde una copia del repositorio."""

DEPENDENCIES = "/srv/wheels/dependencies"

# Así valen dentro, tal cual, los `pip install` y `pipx install` del README.
_PIP_CONF = """\
[global]
no-index = true
find-links = {}
disable-pip-version-check = true
root-user-action = ignore
"""


@contextmanager
def for_sources(python: str) -> Iterator[dict[str, Path]]:
    """El montaje con lo que hace falta para instalar y probar una copia del repositorio con esa versión de Python."""
    files = [_ROOT / f"requirements/{name}.txt" for name in ("dev", "e2e")]
    recipe = [python, platform.machine(), *(file.read_text() for file in files)]
    with cached(f"sources-{python}", recipe, lambda directory: _download(directory, python, files)) as dependencies:
        yield {DEPENDENCIES: dependencies}


@contextmanager
def wheels() -> Iterator[dict[str, Path]]:
    """Hace las ruedas y da los montajes que necesita el contenedor; las dependencias se guardan."""
    with rootfs() as tree:
        python = python_version(tree)
    recipe = [python, platform.machine(), *(file.read_text() for file in _REQUIREMENTS)]
    download = cached("wheels", recipe, lambda directory: _download(directory, python, _REQUIREMENTS))
    with download as dependencies, tempfile.TemporaryDirectory(prefix="estado-eventos-wheel-") as project:
        build(Path(project))
        Path(project).chmod(0o755)  # También instala quien no es root.
        yield {DEPENDENCIES: dependencies, PROJECT: Path(project)}


def build(directory: Path) -> Path:
    """Hace la rueda del programa en el directorio."""
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(directory), str(_ROOT))
    return next(directory.glob("*.whl"))


def pip_conf(*places: str) -> str:
    """La configuración de pip con que encuentra las ruedas en esos sitios, y no busca en otro."""
    return _PIP_CONF.format("\n    ".join(places))


def configure(container: Container) -> None:
    """Hace que el pip de dentro encuentre las ruedas y no busque en otro sitio."""
    container.put("/etc/pip.conf", pip_conf(DEPENDENCIES, PROJECT))


def put_constraints(container: Container, directory: str) -> None:
    """Deja en un directorio de dentro lo que se probó, donde está en una copia del repositorio."""
    container.put(f"{directory}/{CONSTRAINTS}", (_ROOT / CONSTRAINTS).read_text())


def install(container: Container) -> None:
    """Instala el programa en un venv de root, y lo deja en el PATH de todos."""
    configure(container)
    install_in(container, "/opt/estado-eventos")
    container.run(["ln", "-s", "/opt/estado-eventos/bin/estado-eventos", "/usr/local/bin/estado-eventos"])


def install_in(container: Container, venv: str) -> None:
    """Instala el programa en un venv nuevo."""
    container.run(["python3", "-m", "venv", venv], timeout=120)
    container.run([f"{venv}/bin/pip", "install", "--quiet", "estado-eventos"], timeout=120)


def install_pipx(container: Container) -> None:
    """Pone un pipx que conoce `--global`; el de Debian 12 todavía no."""
    container.run(["python3", "-m", "venv", "/usr/local/lib/pipx"])
    container.run(["/usr/local/lib/pipx/bin/pip", "install", "--quiet", "pipx"])
    container.run(["ln", "--symbolic", "--force", "/usr/local/lib/pipx/bin/pipx", "/usr/local/bin/pipx"])


def _download(directory: Path, python: str, files: Sequence[Path]) -> None:
    requirements = [word for file in files for word in ("--requirement", str(file))]
    target = ["--only-binary=:all:", f"--python-version={python}"]  # El Python de dentro, no el de fuera.
    _pip("download", "--require-hashes", *target, "--dest", str(directory), *requirements)


def _pip(*argv: str) -> None:
    command = [sys.executable, "-m", "pip", *argv]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"pip {argv[0]} terminó con {done.returncode}:\n{done.stdout[-4000:]}")
