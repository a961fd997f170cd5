"""Los Debian que arrancan los contenedores, hechos con debootstrap según la configuración de apt de la máquina."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
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

# Lo que tiene un servidor recién instalado, sin Python siquiera…
_BARE = ("ca-certificates", "dbus", "libpam-systemd", "systemd", "systemd-sysv")
# … y lo que los documentos dicen de instalar en él, que espera en la caché de apt: `apt install` funciona sin red.
_ARCHIVED = ("cron", "git", "make", "pipx", "python3", "python3-venv")
_APT_CONF = """\
APT::Get::Assume-Yes "true";
APT::Install-Recommends "false";
Dpkg::Use-Pty "false";
Acquire::Languages "none";
Binary::apt::APT::Keep-Downloaded-Packages "true";
"""

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

_NETWORK = {
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "etc/machine-id": "",  # Vacío: systemd pone uno nuevo en cada arranque.
    "etc/resolv.conf": "",
}
_FILES = {
    **_NETWORK,
    MAIL_FILE.lstrip("/"): "",
    "usr/sbin/sendmail": _SENDMAIL,
}


def rootfs() -> AbstractContextManager[Path]:
    """Presta el árbol de solo lectura, que tarda alrededor de un minuto en hacerse si no está guardado."""
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    recipe = [release, platform.machine(), *_PACKAGES, *_MASKED, *_FILES, *_FILES.values()]
    return cached("rootfs", recipe, lambda directory: _build(directory, release))


def bare(release: str) -> AbstractContextManager[Path]:
    """Presta un Debian de esa versión, pelado, con la caché de apt llena de lo que los documentos instalan."""
    recipe = [release, platform.machine(), *_BARE, *_ARCHIVED, _APT_CONF, *_MASKED]
    return cached(f"bare-{release}", recipe, lambda directory: _build_bare(directory, release))


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
    _debootstrap(directory, release, _PACKAGES)
    for name in ("var/cache/apt", "var/lib/apt/lists"):
        shutil.rmtree(directory / name)
        (directory / name).mkdir()
    _configure(directory, _FILES)
    (directory / MAIL_FILE.lstrip("/")).chmod(0o666)
    (directory / "usr/sbin/sendmail").chmod(0o755)


def _build_bare(directory: Path, release: str) -> None:
    _debootstrap(directory, release, _BARE)
    _configure(directory, {**_NETWORK, "etc/apt/apt.conf.d/90e2e": _APT_CONF})
    # Con el apt de fuera, que sabe salir a la red, y los índices de dentro.
    places = {
        "Dir::Etc::SourceList": "etc/apt/sources.list",
        "Dir::Etc::TrustedParts": "etc/apt/trusted.gpg.d",
        "Dir::State": "var/lib/apt",
        "Dir::State::status": "var/lib/dpkg/status",
        "Dir::Cache": "var/cache/apt",
    }
    options = [f"--option={name}={directory / place}" for name, place in places.items()]
    options += ["--option=Dir::Etc::SourceParts=-", "--option=APT::Install-Recommends=false", "--quiet", "--yes"]
    _run("apt-get", ["apt-get", *options, "update"])
    _run("apt-get", ["apt-get", *options, "--download-only", "install", *_ARCHIVED])


def _debootstrap(directory: Path, release: str, packages: Sequence[str]) -> None:
    source = mirror()
    if source is None:
        raise RuntimeError("apt no conoce ningún espejo de Debian: ejecute «apt-get update»")
    # Dentro del árbol, para que no quede suelto si esto muere a medias.
    wgetrc = directory / "wgetrc"
    wgetrc.write_text(_download_settings())
    # En espacios de nombres propios: tampoco quedan procesos ni montajes.
    command = ["setpriv", "--pdeathsig=KILL"]
    command += ["unshare", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child"]
    command += ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}"]
    _run("debootstrap", [*command, release, str(directory), source], WGETRC=str(wgetrc))
    wgetrc.unlink()


def _run(name: str, command: Sequence[str], **env: str) -> None:
    done = subprocess.run(
        command,
        env={**os.environ, **env, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{name} terminó con {done.returncode}:\n{done.stdout[-4000:]}")


def _configure(tree: Path, files: Mapping[str, str]) -> None:
    (tree / "etc/hostname").unlink()  # El nombre lo pone systemd-nspawn.
    for name, text in files.items():
        path = tree / name
        path.unlink(missing_ok=True)
        path.write_text(text)
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
