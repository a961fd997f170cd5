"""Si esta máquina puede arrancar contenedores."""

import os
import shutil
import subprocess
import uuid

from tests.e2e import rootfs
from tests.e2e.guardian import cgroup_parents, has_systemd

# El paquete de Debian que trae cada programa.
_PROGRAMS = {
    "apt-get": "apt",
    "debootstrap": "debootstrap",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "systemd-nspawn": "systemd-container",
    "unshare": "util-linux",
}

# Monta una capa como la de `--volatile=overlay` en espacios de nombres que se llevan los montajes consigo.
_TRY_MOUNTS = """\
set -e
mount -t tmpfs tmpfs /mnt
mkdir /mnt/lower /mnt/upper /mnt/work /mnt/merged
mount -t overlay -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/merged
"""


def unavailable() -> str | None:
    """Por qué no puede, o None si puede."""
    if os.geteuid() != 0:
        return "hace falta ser root para arrancar contenedores"
    if missing := {package for program, package in _PROGRAMS.items() if shutil.which(program) is None}:
        return f"faltan paquetes: ejecute «apt-get install {' '.join(sorted(missing))}»"
    if rootfs.mirror() is None:
        return "apt no conoce ningún espejo de este Debian: quizá falte un «apt-get update»"
    return _without_mounts() or _without_cgroups()


def _without_mounts() -> str | None:
    namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--fork"]
    command = ["unshare", *namespaces, "sh", "-c", _TRY_MOUNTS]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"no se puede montar en espacios de nombres propios: {tried.stderr.strip()}" if tried.returncode else None


def _without_cgroups() -> str | None:
    if has_systemd():
        return None
    parents = cgroup_parents()
    if not parents:
        return "no hay ninguna jerarquía de grupos de control que entienda systemd"
    try:
        for parent in parents.values():
            probe = parent / f"estado-eventos-e2e-{uuid.uuid4().hex}"
            probe.mkdir()
            probe.rmdir()
    except OSError as error:
        return f"no se pueden crear grupos de control: {error}"
    return None
