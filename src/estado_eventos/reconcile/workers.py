"""El reparto de un trabajo entre varios a la vez."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


async def share_out(
    items: Sequence[T], workers: int, work: Callable[[T, int], Awaitable[None]], may_go_on: Callable[[], bool]
) -> None:
    """Hace `work` con cada uno, en ese orden y con hasta `workers` a la vez, mientras `may_go_on` diga que sí.

    `work` recibe además el número del trabajador, que es el de su conexión.
    """
    queue = iter(items)

    async def keep_working(worker: int) -> None:
        while may_go_on() and (item := next(queue, None)) is not None:
            await work(item, worker)

    async with asyncio.TaskGroup() as group:
        for worker in range(min(workers, len(items))):
            group.create_task(keep_working(worker))
