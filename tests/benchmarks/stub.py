"""Un backend de mentira que gasta poco, para medir al cliente: quita de su lista lo que se le pide, y nada más."""

import asyncio
import json
import multiprocessing
import os
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.request import urlopen

import trustme

from estado_eventos.domain.transitions import FINISH, START, Transition

_YES = b'{"success": true, "status": "x"}'
_RESET = b"/otra-vez"


@dataclass(frozen=True, slots=True)
class Stub:
    """El de mentira, en marcha: sus dos URL, y dónde están las autoridades con que se comprueba la de https."""

    url: str
    https: str
    authorities: Path
    """Las del sistema y la suya, con los enlaces por los que se busca cada una; y todas juntas, en `bundle`."""

    @property
    def bundle(self) -> Path:
        """El archivo con todas, que quien no busca en la carpeta lee entero."""
        return self.authorities.with_suffix(".pem")

    def reset(self) -> None:
        """Todo está pendiente otra vez."""
        urlopen(self.url + _RESET.decode(), timeout=60).close()  # noqa: S310  Una URL nuestra, de esta misma máquina.

    def settings(self, *, https: bool = False, **more: object) -> dict[str, object]:
        """El entorno de quien habla con él."""
        if not https:
            return {"BACKEND_URL": self.url, **more}
        return {"BACKEND_URL": self.https, "SSL_CERT_DIR": self.authorities, **more}


class _Lists:
    """Lo que queda pendiente en cada lista."""

    def __init__(self, events: Mapping[Transition, int]) -> None:
        self._events = events
        self.reset()

    def reset(self) -> None:
        self._left = {kind.list_path.encode(): dict(_items(kind, number)) for kind, number in self._events.items()}
        self._of_event = {
            kind.action_path(number).encode(): (kind.list_path.encode(), number)
            for kind, count in self._events.items()
            for number in range(count)
        }

    def answer(self, path: bytes) -> bytes:
        if path == _RESET:
            self.reset()
        if path in self._left:
            return b'{"results": [%s]}' % b", ".join(self._left[path].values())
        if path in self._of_event:
            listed, number = self._of_event[path]
            self._left[listed].pop(number, None)
        return _YES


def _items(kind: Transition, events: int) -> Iterator[tuple[int, bytes]]:
    for number in range(events):
        yield number, json.dumps({"id": number, kind.date_field: "2026-01-01T10:00:00+00:00"}).encode()


class _Conversation(asyncio.Protocol):
    def __init__(self, lists: _Lists, latency: float) -> None:
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
            method, path, _ = head.split(b" ", 2)
            body = self._lists.answer(path)
            if method == b"POST" and self._latency:
                asyncio.get_running_loop().call_later(self._latency, self._answer, body)
            else:
                self._answer(body)

    def _answer(self, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        if self._transport:
            self._transport.write(head + body)


async def _serve(plain: socket.socket, secure: socket.socket, tls: ssl.SSLContext, lists: _Lists, late: float) -> None:
    loop = asyncio.get_running_loop()
    async with (
        await loop.create_server(partial(_Conversation, lists, late), sock=plain) as server,
        await loop.create_server(partial(_Conversation, lists, late), sock=secure, ssl=tls),
    ):
        await server.serve_forever()


def _main(plain: socket.socket, secure: socket.socket, chain: Path, lists: _Lists, latency: float) -> None:
    # En su propio núcleo, si hay más de uno: lo que él gasta no se lo quita al que se mide.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(chain)
    asyncio.run(_serve(plain, secure, tls, lists, latency))


def _certify(folder: Path) -> tuple[Path, Path]:
    """Un certificado de una autoridad nueva, y una carpeta con ella entre las del sistema."""
    authority, chain, authorities = trustme.CA(), folder / "servidor.pem", folder / "certs"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(chain))
    authorities.mkdir()
    for path in Path("/etc/ssl/certs").glob("*.pem"):
        (authorities / path.name).write_bytes(path.read_bytes())
    authority.cert_pem.write_to_path(str(authorities / "nuestra.pem"))
    authorities.with_suffix(".pem").write_bytes(b"".join(path.read_bytes() for path in authorities.glob("*.pem")))
    subprocess.run(["openssl", "rehash", authorities], check=True, capture_output=True)
    return chain, authorities


@contextmanager
def serving(to_start: int = 0, to_finish: int = 0, latency: float = 0.0) -> Iterator[Stub]:
    """Sirve en otro proceso dos listas con esos eventos y contesta a cada uno tras `latency` segundos."""
    lists = _Lists({START: to_start, FINISH: to_finish})
    plain, secure = (socket.create_server(("127.0.0.1", 0), backlog=256) for _ in range(2))
    with tempfile.TemporaryDirectory() as folder:
        chain, authorities = _certify(Path(folder))
        context = multiprocessing.get_context("fork")
        process = context.Process(target=partial(_main, plain, secure, chain, lists, latency), daemon=True)
        process.start()
        ports: Sequence[int] = [each.getsockname()[1] for each in (plain, secure)]
        plain.close()
        secure.close()
        try:
            yield Stub(f"http://127.0.0.1:{ports[0]}", f"https://127.0.0.1:{ports[1]}", authorities)
        finally:
            process.terminate()
            process.join()
