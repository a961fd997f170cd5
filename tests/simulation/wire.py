"""La red, por debajo de httpx: lleva cada petición al modelo, con sus averías, y apunta lo que pasó de verdad."""

import asyncio
import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, NamedTuple

import httpx

from tests.simulation.model import VERBS, Ask, Model, Reply, Save, dated, reply
from tests.simulation.weather import Fault, Weather
from tests.support.reference.contract import FOLLOW_UP

if TYPE_CHECKING:
    from tests.simulation.machine import Process

_KEEPALIVE_SECONDS = 1.0
_LOGIN_SECONDS = 0.8
_GARBAGE = (b"<html>502</html>", b'{"results": [{"id": 1, "sta', b'{"detail": 1}', b"", b"null")


@dataclass(slots=True, eq=False)
class Exchange:
    """Una petición y lo que fue de ella; las horas, las del bucle.

    `reply` es lo que contestó el backend y `got`, lo que llegó a la pasada: no siempre es lo mismo, ni llega.
    """

    process: "Process"
    ask: Ask
    kind: str
    verb: str
    key: str
    begun_at: float
    """Cuándo se pidió; sale (`sent_at`) cuando hay conexión y, la primera lista, cuando llega el tic."""
    sent_at: float
    fault: Fault | None
    handled_at: float | None = None
    saved_at: float | None = None
    answered_at: float | None = None
    settled_at: float | None = None
    abandoned: bool = False
    reply: Reply | None = None
    got: Reply | None = None

    @property
    def is_renewal(self) -> bool:
        """Si pide un token."""
        return self.kind in {"login", "refresh-token"}


class Moved(NamedTuple):
    """Un cambio de estado que se guardó, y quién lo pidió; `None`, una persona en el propio backend."""

    at: float
    key: str
    verb: str
    before: int
    exchange: Exchange | None


@dataclass(slots=True)
class Wire:
    """La red y, al otro lado, el backend."""

    model: Model
    weather: Weather
    random: Random
    backend_now: Callable[[], float]
    latency: float
    gap: float
    """Lo que pasa entre que el backend comprueba y guarda."""
    exchanges: list[Exchange] = field(default_factory=list)
    history: list[Moved] = field(default_factory=list)

    def arrive(self, exchange: Exchange, answer: "asyncio.Future[Reply]", stale: Reply | None) -> None:
        """La petición llega al backend."""
        loop = answer.get_loop()
        now, fault = loop.time(), exchange.fault
        kind = fault.kind if fault else ""
        if kind == "lost":
            return
        if kind == "reset_before" or self.weather.is_down(now):
            _fail(answer, httpx.ReadError("reset"), errno.ECONNRESET)
            return
        exchange.handled_at = now
        made_up = _made_up(fault, exchange) if fault else None
        if made_up is not None:
            self._answer(exchange, made_up, answer, None)
            return
        received = self.model.receive(exchange.ask, self.backend_now())
        if isinstance(received, Save):
            gap = self.gap * self.random.random()
            loop.call_later(gap, self._save, exchange, received, answer, stale)
        elif exchange.kind == "login":
            loop.call_later(_LOGIN_SECONDS, self._answer, exchange, received, answer, stale)
        else:
            self._answer(exchange, received, answer, stale)

    def _save(self, exchange: Exchange, save: Save, answer: "asyncio.Future[Reply]", stale: Reply | None) -> None:
        now = answer.get_loop().time()
        if self.weather.is_down(now):
            _fail(answer, httpx.ReadError("reset"), errno.ECONNRESET)
            return
        self.history.append(Moved(now, save.key, save.verb, self.model.events[save.key].state, exchange))
        exchange.saved_at = now
        self._answer(exchange, self.model.save(save), answer, stale)

    def _answer(self, exchange: Exchange, made: Reply, answer: "asyncio.Future[Reply]", stale: Reply | None) -> None:
        loop, fault = answer.get_loop(), exchange.fault
        exchange.answered_at = loop.time()
        exchange.reply = sent = dated(made, self.backend_now())
        delay = self.latency
        if fault:
            match fault.kind:
                case "reset_after":
                    loop.call_later(delay, _fail, answer, httpx.RemoteProtocolError("Server disconnected"), 0)
                    return
                case "unwell_after":
                    sent = dated(_troubled(fault), self.backend_now())
                case "slow_out":
                    delay += fault.amount
                case "stale" if stale and exchange.kind == "move":
                    sent = stale
        loop.call_later(delay, _deliver, answer, sent)


class Connection(httpx.AsyncBaseTransport):
    """Una conexión de una pasada."""

    def __init__(self, wire: Wire, process: "Process") -> None:
        """Nada se conecta hasta la primera petición."""
        self._wire = wire
        self._process = process
        self._fresh_until = -1.0
        self._last: Reply | None = None

    async def aclose(self) -> None:
        """Se cierra en el acto."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """La lleva, o lanza lo que lanza httpx."""
        self._process.must_be_alive()
        wire, loop = self._wire, asyncio.get_running_loop()
        fault = wire.weather.draw(self._process.machine.name, loop.time(), wire.random)
        exchange = _exchange(self._process, request, loop.time(), fault)
        refused = fault is not None and fault.kind == "refused"
        self._process.unsent += 1
        if loop.time() > self._fresh_until or refused:
            await asyncio.sleep(wire.latency)
        self._process.unsent -= 1
        if not refused and (trace := request.extensions.get("trace")):
            await trace("http11.send_request_headers.started", {"request": SimpleNamespace(method=b"GET")})
        exchange.sent_at = loop.time()
        wire.exchanges.append(exchange)
        self._process.exchanges.append(exchange)
        if refused:
            exchange.settled_at = loop.time()
            raise httpx.ConnectError("refused") from OSError(errno.ECONNREFUSED, "refused")
        answer: asyncio.Future[Reply] = loop.create_future()
        slow = fault.amount if fault and fault.kind == "slow_in" else 0.0
        loop.call_later(wire.latency + slow, wire.arrive, exchange, answer, self._last)
        try:
            got = await answer
        except BaseException as error:
            exchange.abandoned = not isinstance(error, httpx.TransportError)
            raise
        finally:
            exchange.settled_at = loop.time()
        exchange.got = self._last = got
        self._fresh_until = loop.time() + _KEEPALIVE_SECONDS
        return httpx.Response(got.status, headers=list(got.headers), stream=httpx.ByteStream(got.body))


def _exchange(process: "Process", request: httpx.Request, now: float, fault: Fault | None) -> Exchange:
    path = request.url.path
    _, _, token = request.headers.get("Authorization", "").partition(" ")
    ask = Ask(request.method, path, request.url.query.decode(), token or None, request.content)
    parts = path.strip("/").split("/")
    kind, verb, key = "move", parts[-1], parts[-2]
    if parts[0] == "auth":
        kind, verb, key = parts[1], "", ""
    elif path == FOLLOW_UP:
        kind, verb, key = "follow_up", "", request.content.decode().split(":")[1].strip(' "}')
    elif parts[-1].startswith("pending-"):
        kind, verb, key = "list", parts[-1].removeprefix("pending-"), ""
    return Exchange(process, ask, kind, verb, key, now, now, fault)


def _made_up(fault: Fault, exchange: Exchange) -> Reply | None:
    """Lo que contesta la avería sin que el backend haga nada, si es de las que contestan."""
    match fault.kind:
        case "unwell" | "limited" | "unauthorized":
            return _troubled(fault)
        case "refusal" if exchange.kind == "move":
            return _troubled(fault)
        case "garbage":
            return Reply(200, _GARBAGE[int(fault.amount)])
        case "lie" if exchange.kind == "move":
            return reply(200, {"success": True, "status": VERBS})
    return None


def _troubled(fault: Fault) -> Reply:
    headers = () if fault.wait is None else (("Retry-After", str(fault.wait)),)
    return reply(int(fault.amount), {"error": "avería"})._replace(headers=headers)


def _fail(answer: "asyncio.Future[Reply]", error: httpx.TransportError, number: int) -> None:
    if not answer.done():
        error.__cause__ = OSError(number, "reset") if number else None
        answer.set_exception(error)


def _deliver(answer: "asyncio.Future[Reply]", sent: Reply) -> None:
    if not answer.done():
        answer.set_result(sent)
