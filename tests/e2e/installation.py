"""Lo que `schedule install systemd` deja en un contenedor: sus unidades, sus pasadas y sus archivos."""

import re

from tests.e2e.container import Container

SERVICE, TIMER = "estado-eventos.service", "estado-eventos.timer"


def show(container: Container, unit: str, name: str) -> str:
    """Una propiedad de una unidad."""
    return container.run(["systemctl", "show", unit, "--value", f"--property={name}"]).stdout.strip()


def run_now(container: Container) -> int:
    """Hace una pasada como la haría el temporizador; el código con que acabó."""
    # Con el backend caído dura hasta su límite.
    container.run(["systemctl", "start", SERVICE], check=False, timeout=120)
    return int(show(container, SERVICE, "ExecMainStatus"))


def everything(container: Container) -> set[str]:
    """Todo lo que `install` podría dejar en el sistema."""
    found = container.run(["find", "/etc", "/var/lib", "/run/systemd/system", "/home", "/root", "-xdev"]).stdout
    volatile = re.compile(r"/var/lib/(systemd|private)|/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|/etc/\.pwd")
    return {path for path in found.splitlines() if not volatile.match(path)}
