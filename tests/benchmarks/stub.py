"""Un backend de mentira que no gasta, para medir al cliente: contesta siempre lo mismo, con la latencia que se pida."""

import asyncio
import json
import multiprocessing
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from estado_eventos.transitions import START


class _Answers(asyncio.Protocol):
    def __init__(self, events: bytes, latency: float) -> None:
        self._events = events
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
            posted = head.startswith(b"POST")
            due = START.list_path.encode() in head
            body = b'{"success": true, "status": "x"}' if posted else self._events if due else b'{"results": []}'
            asyncio.get_running_loop().call_later(self._latency if posted else 0, self._answer, body)

    def _answer(self, body: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        if self._transport:
            self._transport.write(head.encode() + body)


async def _serve(listener: socket.socket, events: int, latency: float) -> None:
    items = [{"id": number, START.date_field: "2026-01-01T10:00:00+00:00"} for number in range(events)]
    body = json.dumps({"results": items}).encode()
    server = await asyncio.get_running_loop().create_server(lambda: _Answers(body, latency), sock=listener)
    await server.serve_forever()


def _main(listener: socket.socket, events: int, latency: float) -> None:
    asyncio.run(_serve(listener, events, latency))


@contextmanager
def serving(events: int = 0, latency: float = 0.0) -> Iterator[str]:
    """Sirve en otro proceso una lista con esos eventos; da la URL."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    context = multiprocessing.get_context("fork")
    process = context.Process(target=partial(_main, listener, events, latency), daemon=True)
    process.start()
    listener.close()
    try:
        yield url
    finally:
        process.terminate()
        process.join()
