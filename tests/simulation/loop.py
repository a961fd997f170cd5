"""Un bucle de asyncio en tiempo virtual: cuando no hay nada que hacer, salta al temporizador siguiente."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Generator
from typing import Any


class StalledError(Exception):
    """Todos esperan algo que ya no va a pasar."""


class VirtualLoop(asyncio.BaseEventLoop):
    """El de asyncio, sin selector, sin hilos y sin más reloj que el suyo; `on_task` se entera de cada tarea."""

    def __init__(self, on_task: Callable[[asyncio.Task[Any]], None]) -> None:
        """Empieza en el segundo 0."""
        super().__init__()
        self._elapsed = 0.0
        self._selector = self
        self._on_task = on_task

    def time(self) -> float:
        """La hora virtual, en segundos."""
        return self._elapsed

    def select(self, timeout: float | None) -> list[Any]:
        """Lo que asyncio llama para esperar: aquí el tiempo pasa en el acto."""
        if timeout is None:
            raise StalledError
        self._elapsed += timeout
        return []

    def _process_events(self, events: list[Any]) -> None:
        """No hay sockets."""

    def _write_to_self(self) -> None:
        """Nadie duerme: no hay a quien despertar."""

    def create_task(
        self,
        coro: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
        *,
        name: object = None,
        context: contextvars.Context | None = None,
        **rest: Any,
    ) -> asyncio.Task[Any]:
        """Como siempre, y lo cuenta."""
        task = super().create_task(coro, name=name, context=context, **rest)
        self._on_task(task)
        return task
