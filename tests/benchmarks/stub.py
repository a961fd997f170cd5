"""Un backend de mentira que no gasta, para medir al cliente: contesta siempre lo mismo, con la latencia que se pida."""

import asyncio
import json
import multiprocessing
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from estado_eventos.domain.transitions import FINISH, START, Transition


class _Answers(asyncio.Protocol):
    def __init__(self, lists: dict[bytes, bytes], latency: float) -> None:
        self._lists = lists
        self._latency = latency
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            path = head.split(b" ", 2)[1]
            body = self._lists.get(path, b'{"success": true, "status": "x"}')
            asyncio.get_running_loop().call_later(0 if path in self._lists else self._latency, self._answer, body)

    def _answer(self, body: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        if self._transport:
            self._transport.write(head.encode() + body)


def _listing(transition: Transition, events: int) -> bytes:
    items = [{"id": number, transition.date_field: "2026-01-01T10:00:00+00:00"} for number in range(events)]
    return json.dumps({"results": items}).encode()


async def _serve(listener: socket.socket, lists: dict[bytes, bytes], latency: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Answers(lists, latency), sock=listener)
    await server.serve_forever()


def _main(listener: socket.socket, lists: dict[bytes, bytes], latency: float) -> None:
    asyncio.run(_serve(listener, lists, latency))


@contextmanager
def serving(to_start: int = 0, to_finish: int = 0, latency: float = 0.0) -> Iterator[str]:
    """Sirve en otro proceso dos listas con esos eventos y contesta a cada uno tras `latency` segundos; da la URL."""
    lists = {
        START.list_path.encode(): _listing(START, to_start),
        FINISH.list_path.encode(): _listing(FINISH, to_finish),
    }
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    context = multiprocessing.get_context("fork")
    process = context.Process(target=partial(_main, listener, lists, latency), daemon=True)
    process.start()
    listener.close()
    try:
        yield url
    finally:
        process.terminate()
        process.join()
