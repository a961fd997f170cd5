"""El Debian que arrancan los contenedores, hecho con debootstrap según la configuración de apt de la máquina."""

import os
import platform
import re
import shutil
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

from tests.e2e.cache import cached

MAIL_FILE = "/var/mail/e2e"
MAIL_SEPARATOR = "\f\n"

_PACKAGES = (
    "ca-certificates",
    "cron",
    "curl",
    "dbus",
    "dbus-user-session",
    "libpam-systemd",
    "python3",
    "python3-venv",
    "systemd",
    "systemd-sysv",
)

# Lo que saldría a la red o molestaría por su cuenta.
_MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "systemd-tmpfiles-clean.timer",
)

# Un `sendmail` que no envía: añade cada correo, de uno en uno, a un archivo.
_SENDMAIL = f"""\
#!/bin/sh
exec flock {MAIL_FILE} sh -c '{{ cat; printf "\\f\\n"; }} >> {MAIL_FILE}'
"""

_FILES = {
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "etc/machine-id": "",  # Vacío: systemd pone uno nuevo en cada arranque.
    "etc/resolv.conf": "",
    MAIL_FILE.lstrip("/"): "",
    "usr/sbin/sendmail": _SENDMAIL,
}


def rootfs() -> AbstractContextManager[Path]:
    """Presta el árbol de solo lectura, que tarda alrededor de un minuto en hacerse si no está guardado."""
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    recipe = [release, platform.machine(), *_PACKAGES, *_MASKED, *_FILES, *_FILES.values()]
    return cached("rootfs", recipe, lambda directory: _build(directory, release))


def python_version(tree: Path) -> str:
    """La versión del Python de ese árbol, como «3.11»."""
    return (tree / "usr/bin/python3").readlink().name.removeprefix("python")


def mirror() -> str | None:
    """El espejo de Debian que usa apt, o None si no conoce ninguno."""
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    wanted = ("Origin: Debian", "Label: Debian", "Created-By: Packages", f"Codename: {release}")
    listed = _output("apt-get", "indextargets", "--format", "$(COMPONENT) $(REPO_URI)", *wanted)
    return next((line.split()[1] for line in listed.splitlines() if line.startswith("main ")), None)


def _build(directory: Path, release: str) -> None:
    source = mirror()
    if source is None:
        raise RuntimeError("apt no conoce ningún espejo de Debian: ejecute «apt-get update»")
    # Dentro del árbol, para que no quede suelto si esto muere a medias.
    wgetrc = directory / "wgetrc"
    wgetrc.write_text(_download_settings())
    # En espacios de nombres propios: tampoco quedan procesos ni montajes.
    command = ["setpriv", "--pdeathsig=KILL"]
    command += ["unshare", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child"]
    command += ["debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}"]
    done = subprocess.run(
        [*command, release, str(directory), source],
        env={**os.environ, "WGETRC": str(wgetrc), "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    wgetrc.unlink()
    if done.returncode:
        raise RuntimeError(f"debootstrap terminó con {done.returncode}:\n{done.stdout[-4000:]}")
    _configure(directory)


def _configure(tree: Path) -> None:
    for name in ("var/cache/apt", "var/lib/apt/lists"):
        shutil.rmtree(tree / name)
        (tree / name).mkdir()
    (tree / "etc/hostname").unlink()  # El nombre lo pone systemd-nspawn.
    for name, text in _FILES.items():
        path = tree / name
        path.unlink(missing_ok=True)
        path.write_text(text)
    (tree / MAIL_FILE.lstrip("/")).chmod(0o666)
    (tree / "usr/sbin/sendmail").chmod(0o755)
    for unit in _MASKED:
        (tree / "etc/systemd/system" / unit).symlink_to("/dev/null")


def _download_settings() -> str:
    """El proxy y las autoridades de certificación de apt, para el wget de debootstrap."""
    options = {
        "http_proxy": "Acquire::http::Proxy",
        "https_proxy": "Acquire::https::Proxy",
        "ca_certificate": "Acquire::https::CaInfo",
    }
    listed = _output("apt-config", "shell", *(word for pair in options.items() for word in pair))
    found = re.findall(r"^(\w+)='(.+)'$", listed, re.MULTILINE)
    return "".join(f"{name} = {value}\n" for name, value in found if value != "DIRECT")


def _output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout
