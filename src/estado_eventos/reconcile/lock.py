"""El turno: dos pasadas a la vez en la misma máquina no piden lo mismo, porque la segunda espera a la primera."""

import asyncio
import hashlib
import logging
import os
import pwd
import socket
import struct
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

_log = logging.getLogger(__name__)
_MAX_WAITING = 128
_RETRY_SECONDS = 0.01
_PATIENCE_SECONDS = 1.0
"""Lo que se insiste con quien tiene el nombre y no escucha: uno de los nuestros tarda microsegundos en escuchar."""
_CREDENTIALS = struct.Struct("iII")

SERVICE_USER = "estado-eventos"
"""El usuario del sistema con que se instala el servicio."""


class _StrangerError(Exception):
    """El turno lo ocupa quien no tiene por qué; `pid` es quién, si se sabe."""

    def __init__(self, pid: int | None = None) -> None:
        super().__init__(pid)
        self.pid = pid


class PassLock:
    """Los turnos que tiene esta pasada.

    El backend lee, comprueba y guarda sin cerrojo: el mismo POST dos veces a la vez se aplicaría dos veces. El
    cerrojo está aquí, en un socket de nombre abstracto (unix(7)): vale entre usuarios y dentro del aislamiento de
    systemd, no deja archivo, y el núcleo lo suelta al morir el proceso, aunque sea con SIGKILL.

    Pero el nombre lo puede ocupar cualquiera: solo se espera a quien el núcleo dice (SO_PEERCRED) que es de confianza.
    """

    def __init__(self) -> None:
        """Ninguno todavía."""
        self._held: list[socket.socket] = []

    @asynccontextmanager
    async def hold(self, what: str, closing: asyncio.Event) -> AsyncIterator[bool]:
        """Espera el turno de `what` y lo guarda mientras dure el bloque, o hasta `release`.

        Da `False`, sin turno, si entretanto se pone `closing`; y `True` sin él si lo ocupa un extraño.
        """
        name = _address(what)
        announced = False
        while (held := _take(name)) is None:
            if closing.is_set():
                yield False
                return
            if not announced:
                _log.info("Otra pasada está en marcha: se espera a que acabe")
                announced = True
            try:
                await _first(_wait_for_holder(name), closing.wait())
            except _StrangerError as stranger:
                _complain(stranger)
                yield True
                return
        self._held.append(held)
        try:
            yield True
        finally:
            held.close()

    @asynccontextmanager
    async def hold_all(self, names: Sequence[str], closing: asyncio.Event) -> AsyncIterator[bool]:
        """Como `hold`, con varios turnos, en ese orden; sin ninguno que esperar, da `True`."""
        async with AsyncExitStack() as stack:
            for name in names:
                if not await stack.enter_async_context(self.hold(name, closing)):
                    yield False
                    return
            yield True

    def release(self) -> None:
        """Suelta todos los turnos: quien esperaba, sigue. Se puede llamar desde una señal."""
        for held in self._held:
            held.close()


def _address(what: str) -> str:
    return "\0estado-eventos-" + hashlib.sha256(what.encode()).hexdigest()[:32]


class Stranger(NamedTuple):
    """Quien ocupa un turno sin ser de confianza; `pid` es `None` si no escucha, que entonces no se sabe quién es."""

    pid: int | None


def find_stranger(what: str) -> Stranger | None:
    """Quién ocupa el turno de `what` sin tener por qué; `None` si está libre o lo tiene alguien de confianza."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(_PATIENCE_SECONDS)
        try:
            asking.connect(_address(what))
        except OSError:
            return None if _is_free(_address(what)) else Stranger(None)
        pid, user = _peer(asking)
        return Stranger(pid) if user not in _trusted_users() else None


def _peer(connection: socket.socket) -> tuple[int, int]:
    """El PID y el usuario que hay al otro lado, según el núcleo (unix(7), SO_PEERCRED)."""
    pid, user, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return pid, user


def _take(name: str) -> socket.socket | None:
    held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        held.bind(name)
        held.listen(_MAX_WAITING)
    except OSError:
        held.close()
        return None
    return held


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    """Espera a que acabe una de las esperas y deja las demás; lo que aquella lance, lo lanza."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()


async def _wait_for_holder(name: str) -> None:
    """Espera a que quien tiene el turno lo suelte: al cerrarse su socket, se corta la conexión a él.

    Lanza `_StrangerError` si no es root, ni esta cuenta, ni la del servicio, o si no escucha.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + _PATIENCE_SECONDS
    while True:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as waiting:
            waiting.settimeout(0)
            try:
                await loop.sock_connect(waiting, name)
                pid, user = _peer(waiting)
                # Sin PID, no se llegó a conectar: ya esperan demasiados.
                if pid and user not in _trusted_users():
                    raise _StrangerError(pid)
                if pid:
                    await loop.sock_recv(waiting, 1)
                    return
            except OSError:
                if _is_free(name):
                    return
        if loop.time() > until:
            raise _StrangerError
        await asyncio.sleep(_RETRY_SECONDS)


def _is_free(name: str) -> bool:
    """Si nadie tiene ya el nombre."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(name)
        except OSError:
            return False
    return True


def _trusted_users() -> set[int]:
    trusted = {0, os.geteuid()}
    try:
        trusted.add(pwd.getpwnam(SERVICE_USER).pw_uid)
    except KeyError:
        return trusted
    return trusted


def _complain(stranger: _StrangerError) -> None:
    if stranger.pid:
        _log.error(
            "El turno de las pasadas lo ocupa otro usuario (PID %d): no se le espera. Mire quién es: ps -fp %d",
            stranger.pid,
            stranger.pid,
        )
    else:
        _log.error(
            "El turno de las pasadas lo ocupa alguien que no lo usa: no se le espera. Mire quién es: sudo ss -xap"
        )
