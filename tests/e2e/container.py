"""Un Debian desechable con systemd de verdad, arrancado con systemd-nspawn."""

import email
import email.policy
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self, TypeVar

from tests.e2e import guardian
from tests.e2e.rootfs import MAIL_FILE, MAIL_SEPARATOR, bare, rootfs

_T = TypeVar("_T")

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_BOOT_SECONDS = 60
_POLL_SECONDS = 0.05

# `run` entra sin el filtro de systemd-nspawn: que al menos no toque el reloj ni el núcleo de la máquina.
_CONFINED = ("setpriv", "--pdeathsig=KILL", "--bounding-set=-sys_boot,-sys_module,-sys_rawio,-sys_time")

_DIAGNOSIS = (
    ("systemctl", "--failed", "--full", "--no-pager"),
    ("systemctl", "list-timers", "--all", "--full", "--no-pager"),
    ("journalctl", "--lines=100", "--output=short-precise", "--no-pager"),
)


class ContainerError(Exception):
    """Algo del contenedor no fue como debía; el mensaje lleva lo que hace falta para entenderlo."""


class Container:
    """Un sistema arrancado sobre una capa en memoria: al salir no queda nada de él.

    `mounts` monta, de solo lectura, rutas de la máquina en las que se dan del contenedor. Comparte la red de la
    máquina, así que 127.0.0.1 es el mismo dentro y fuera; con `private_network=True` solo tiene su bucle local.
    `release` es el Debian pelado de esa versión, en vez del de siempre.
    """

    def __init__(
        self, mounts: Mapping[str, Path] | None = None, *, private_network: bool = False, release: str | None = None
    ) -> None:
        """Todavía no arranca nada: lo hace `with`."""
        self.name = f"estado-eventos-e2e-{secrets.token_hex(6)}"
        self._mounts = dict(mounts or {})
        self._private_network = private_network
        self._release = release
        self._stack = ExitStack()
        self._leader = 0

    def __enter__(self) -> Self:
        """Arranca y espera a que systemd haya terminado."""
        with ExitStack() as stack:
            tree = stack.enter_context(bare(self._release) if self._release else rootfs())
            self._console = stack.enter_context(tempfile.TemporaryFile("w+", errors="replace"))
            # Cerrado en cuanto arranca: systemd avisa en cada recarga y, sin nadie que lo lea, se pararía al llenarse.
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
                notifications.bind(f"\0{self.name}")
                self._guardian = self._start(tree)
                stack.callback(self._shut_down)
                self._leader = self._await_boot(notifications)
            state = self.run(["systemctl", "is-system-running", "--wait"], check=False).stdout.strip()
            if state not in {"running", "degraded"}:
                raise ContainerError(f"El contenedor arrancó en el estado «{state}»\n{self.dump()}")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Lo apaga y lo borra."""
        self._stack.close()

    def run(  # noqa: PLR0913 - las opciones de `subprocess.run`.
        self,
        argv: Sequence[str],
        *,
        check: bool = True,
        input: str | None = None,  # noqa: A002
        env: Mapping[str, str] | None = None,
        timeout: float = 60,
        user: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Ejecuta una orden dentro, con un entorno limpio más `env`, como root o como en una sesión de `user`."""
        environment = {"PATH": _PATH, "HOME": "/root", **self._identity(user), **(env or {})}
        command = ["nsenter", f"--target={self._leader}", "--all", "--", *_CONFINED, "--"]
        if user is not None:
            command += ["runuser", f"--user={user}", "--"]
        try:
            done = subprocess.run(
                [*command, *argv],
                input=input or "",
                env=environment,
                timeout=timeout,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ContainerError(f"No acabó en {timeout} s: {argv}\n{error.stdout!r}\n{error.stderr!r}") from error
        if check and done.returncode:
            raise ContainerError(f"Terminó con {done.returncode}: {argv}\n{done.stdout}\n{done.stderr}")
        return done

    def put(self, path: str, text: str, mode: int = 0o644) -> None:
        """Escribe un archivo del contenedor, con los directorios que falten."""
        self.run(["install", "-D", f"--mode={mode:o}", "/dev/stdin", path], input=text)

    def read(self, path: str) -> str:
        """Lee un archivo del contenedor."""
        return self.run(["cat", path]).stdout

    def journal(self, unit: str) -> list[dict[str, Any]]:
        """Lo que la unidad ha escrito en el diario, con los campos de `journalctl --output=json`."""
        self.run(["journalctl", "--sync"])
        lines = self.run(["journalctl", "--output=json", f"_SYSTEMD_UNIT={unit}"]).stdout
        return [json.loads(line) for line in lines.splitlines()]

    def mails(self) -> list[EmailMessage]:
        """Los correos que se han enviado dentro."""
        texts = self.read(MAIL_FILE).split(MAIL_SEPARATOR)[:-1]
        return [email.message_from_bytes(text.encode(), policy=email.policy.default) for text in texts]

    def wait_until(self, predicate: Callable[[], _T | None], what: str, timeout: float = 60) -> _T:
        """Devuelve lo primero verdadero que dé `predicate`; si no llega, falla contando cómo está el sistema."""
        deadline = time.monotonic() + timeout
        while not (result := predicate()):
            if time.monotonic() > deadline:
                raise ContainerError(f"No ocurrió en {timeout} s: {what}\n{self.dump()}")
            time.sleep(_POLL_SECONDS)
        return result

    def dump(self) -> str:
        """Cómo está el sistema, para los mensajes de error."""
        if self._guardian.poll() is not None:
            return self._console_text()
        answers = ((argv, self.run(argv, check=False, timeout=10)) for argv in _DIAGNOSIS)
        return "\n".join(f"--- {' '.join(argv)}\n{done.stdout}{done.stderr}" for argv, done in answers)

    def _start(self, tree: Path) -> subprocess.Popen[bytes]:
        nspawn = ["systemd-nspawn", "--boot", f"--machine={self.name}", f"--directory={tree}", "--volatile=overlay"]
        nspawn += ["--register=no", "--notify-ready=yes", "--settings=no", "--console=read-only"]
        nspawn += ["--link-journal=no", "--resolv-conf=off", "--timezone=off", "--suppress-sync=yes"]
        nspawn += ["--system-call-filter=bpf"]  # Sin ella IPAddressDeny= no tiene efecto.
        if not guardian.has_systemd():
            nspawn += ["--keep-unit"]
        if self._private_network:
            nspawn += ["--private-network"]
        nspawn += [f"--bind-ro={_escape(outside)}:{inside}" for inside, outside in self._mounts.items()]
        return subprocess.Popen(
            [sys.executable, "-I", "-S", guardian.__file__, self.name, *nspawn],
            stdin=subprocess.PIPE,
            stdout=self._console,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "NOTIFY_SOCKET": f"@{self.name}", "TERM": "dumb"},
            start_new_session=True,  # Ctrl+C no le llega: se entera porque se cierra su entrada.
        )

    def _await_boot(self, notifications: socket.socket) -> int:
        """El primer proceso del contenedor, cuando systemd avisa de que ha arrancado."""
        notifications.settimeout(0.2)
        deadline = time.monotonic() + _BOOT_SECONDS
        leader = 0
        while time.monotonic() < deadline and self._guardian.poll() is None:
            try:
                lines = notifications.recv(4096).decode().splitlines()
            except TimeoutError:
                continue
            told = dict(line.split("=", 1) for line in lines if "=" in line)
            leader = int(told.get("X_NSPAWN_LEADER_PID", leader))
            if leader and told.get("READY") == "1":
                return leader
        raise ContainerError(f"El contenedor no arrancó:\n{self._console_text()}")

    def _shut_down(self) -> None:
        self._guardian.communicate(timeout=30)

    def _identity(self, user: str | None) -> dict[str, str]:
        if user is None:
            return {}
        uid, _, _, home, shell = self.run(["getent", "passwd", user]).stdout.strip().split(":")[2:]
        return {"HOME": home, "USER": user, "LOGNAME": user, "SHELL": shell, "XDG_RUNTIME_DIR": f"/run/user/{uid}"}

    def _console_text(self) -> str:
        self._console.seek(0)
        return self._console.read()[-4000:]


def _escape(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace(":", "\\:")
