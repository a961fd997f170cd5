"""La imagen de contenedor en las pruebas: cómo se ejecuta, cómo se para y qué sabe Podman de ella."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.podman import Podman
from tests.support.inside import account
from tests.support.program import Completed
from tests.support.reference.server import ReferenceBackend

IMAGE = "localhost/estado-eventos"
STATE = "/var/lib/estado-eventos"
USER = 65532
# Nada de lo que un proceso puede llegar a tener: es como lo ejecutaría quien más desconfía.
CONFINED = ("--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", "--no-healthcheck")


def options(backend: ReferenceBackend, state: Path, **settings: object) -> list[str]:
    """Las de `podman run` para una pasada contra ese backend, con la cuenta en el entorno."""
    chosen = account(backend, None, **settings)
    return [*CONFINED, f"--volume={state}:{STATE}", *(f"--env={name}={value}" for name, value in chosen.items())]


def run(image: Podman, *arguments: str) -> Completed:
    """`podman run --rm`, de principio a fin."""
    done = image.run("run", "--rm", *arguments, check=False)
    return Completed(done.returncode, done.stdout, done.stderr)


def inspect(image: Podman, what: str) -> dict[str, Any]:
    """Lo que Podman sabe de una imagen o de un contenedor."""
    (found,) = json.loads(image.run("inspect", what).stdout)
    return dict(found)


@contextmanager
def running(image: Podman, *arguments: str) -> Iterator[str]:
    """El nombre de un contenedor en marcha, que se borra al acabar."""
    name = image.run("run", "--detach", *arguments).stdout.strip()
    try:
        yield name
    finally:
        image.run("rm", "--force", "--time=0", name, check=False)


def stop(image: Podman, name: str) -> tuple[int, str]:
    """`podman stop`, que a los 10 s mataría; el código de salida y lo que dijo."""
    image.run("stop", "--time=10", name)
    logs = image.run("logs", name)
    return inspect(image, name)["State"]["ExitCode"], logs.stdout + logs.stderr


@contextmanager
def waiting_for_settings(image: Podman, backend: ReferenceBackend, state: Path) -> Iterator[str]:
    """Un contenedor cuyo programa se ha quedado leyendo una configuración que no acaba de llegar."""
    os.mkfifo(state / "settings", 0o644)
    # CONFINED sin `--no-healthcheck`: la comprobación de salud se pide a mano.
    chosen = [option for option in options(backend, state) if option != "--no-healthcheck"]
    arguments = [*chosen, IMAGE, "--env-file", f"{STATE}/settings", "run-once"]
    with running(image, *arguments) as name, (state / "settings").open("w"):
        yield name
