"""El turno: dos pasadas a la vez en la misma máquina no piden lo mismo, porque la segunda espera a la primera."""

import asyncio
import hashlib
import logging
import socket
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

_log = logging.getLogger(__name__)
_MAX_WAITING = 128
_RETRY_SECONDS = 0.01


class PassLock:
    """Los turnos que tiene esta pasada.

    El backend lee, comprueba y guarda sin cerrojo: el mismo POST dos veces a la vez se aplicaría dos veces. El
    cerrojo está aquí, en un socket de nombre abstracto (unix(7)): vale entre usuarios y dentro del aislamiento de
    systemd, no deja archivo, y el núcleo lo suelta al morir el proceso, aunque sea con SIGKILL.
    """

    def __init__(self) -> None:
        """Ninguno todavía."""
        self._held: list[socket.socket] = []

    @asynccontextmanager
    async def hold(self, what: str, closing: asyncio.Event) -> AsyncIterator[bool]:
        """Espera el turno de `what` y lo guarda mientras dure el bloque, o hasta `release`.

        Da `False`, sin turno, si entretanto se pone `closing`.
        """
        name = "\0estado-eventos-" + hashlib.sha256(what.encode()).hexdigest()[:32]
        announced = False
        while (held := _take(name)) is None:
            if closing.is_set():
                yield False
                return
            if not announced:
                _log.info("Otra pasada está en marcha: se espera a que acabe")
                announced = True
            await _first(_wait_for_holder(name), closing.wait())
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
    """Espera a que acabe una de las esperas y deja las demás."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


async def _wait_for_holder(name: str) -> None:
    """Espera a que quien tiene el turno lo suelte: al cerrarse su socket, se corta la conexión a él."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as waiting:
        waiting.settimeout(0)
        try:
            await loop.sock_connect(waiting, name)
            await loop.sock_recv(waiting, 1)
        except OSError:
            # Lo acaba de soltar, o aún no escucha, o ya esperan demasiados.
            await asyncio.sleep(_RETRY_SECONDS)
