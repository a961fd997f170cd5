"""Las señales que piden acabar: ninguna mata a medias a quien ya sabe a quién tiene que contarlo."""

import asyncio
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

GRACE_SECONDS = 3.0
"""Lo que se espera, antes del límite o tras una señal, a las peticiones que ya están en camino."""

RELEASE_SECONDS = 0.5
"""Lo que se espera, más allá de un límite, para soltar lo que tenga parado al proceso."""

_STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
Listener = Callable[[signal.Signals, float], object]
"""A quien se le cuenta una señal: cuál y cuándo llegó, en el reloj de `time.monotonic`, que es el del bucle."""


class Signals:
    """Las señales que piden acabar. Desde que se crea hasta el final del proceso se apuntan, y no matan.

    Así una que llega cuando la pasada aún no ha empezado, o ya acabó, ni la deja sin contar ni le cambia el código. Con
    `nohup`, SIGHUP se sigue ignorando. SIGINT no: un guion se la quita a lo que deja en segundo plano, sin quererlo.
    """

    def __init__(self) -> None:
        """Desde aquí."""
        self.received: list[tuple[signal.Signals, float]] = []
        self._listener: Listener | None = None
        self._release: Callable[[], object] = list
        self._on_resumed: Callable[[], object] = list
        signal.signal(signal.SIGALRM, self._unblock)
        for number in _STOP:
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._receive)

    @contextmanager
    def told_to(self, listener: Listener, on_resumed: Callable[[], object] = list) -> Iterator[None]:
        """Mientras dura el bloque, `listener` oye en el bucle de asyncio las que lleguen.

        A `on_resumed` se le dice que el proceso estaba parado escribiendo y ya no.
        """
        loop = asyncio.get_running_loop()
        # Sin este timbre, una señal que llegue justo antes de que el bucle se duerma no lo despertaría.
        bell, awake = socket.socketpair()
        with bell, awake:
            bell.settimeout(0)
            awake.settimeout(0)
            loop.add_reader(awake, awake.recv, 512)
            signal.set_wakeup_fd(bell.fileno(), warn_on_full_buffer=False)
            self._listener = lambda number, at: loop.call_soon_threadsafe(listener, number, at)
            self._on_resumed = lambda: loop.call_soon_threadsafe(on_resumed)
            try:
                yield
            finally:
                self._listener, self._on_resumed = None, list
                signal.set_wakeup_fd(-1)
                loop.remove_reader(awake)

    @contextmanager
    def guard(self, seconds: float, release: Callable[[], object] = list) -> Iterator[None]:
        """Si a los `seconds` el bloque sigue, parado escribiendo donde nadie lee, llama a `release`.

        Y si además le han pedido que acabe, deja de escribir: así puede acabar.
        """
        self._release = release
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        self.received.append((signal.Signals(number), time.monotonic()))
        signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS + RELEASE_SECONDS)
        if self._listener:
            self._listener(*self.received[-1])

    def _unblock(self, _number: int, _frame: FrameType | None) -> None:
        self._release()
        if self.received:
            for output in (1, 2):
                # Puede no estar parado: con SIGSTOP y SIGCONT el tiempo pasa sin que nadie haya dejado de leer.
                if _is_stuck(output):
                    nowhere = os.open(os.devnull, os.O_WRONLY)
                    os.dup2(nowhere, output)
                    os.close(nowhere)
            self._on_resumed()


def _is_stuck(output: int) -> bool:
    """Si escribir en esa salida esperaría."""
    poll = select.poll()
    poll.register(output, select.POLLOUT)
    return not poll.poll(0)
