"""Los límites que se prometen: de tiempo, de renovaciones, de peticiones a la vez y de lo que se pide esperar."""

import math
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from tests.simulation.life import Life
from tests.simulation.machine import Process
from tests.simulation.model import VERBS
from tests.simulation.promises import EPSILON, GRACE_SECONDS, asked_wait, last_start, name
from tests.simulation.wire import Exchange

_OVERRUN_SECONDS = 0.5


def the_deadline_holds(life: Life) -> Iterator[str]:
    """Ninguna pasada dura más de lo suyo, ni más de tres segundos tras una señal, ni pide nada ya al final."""
    for process in life.processes:
        if process.was_killed:
            continue
        if process.ended_at is None:
            yield f"{name(process)}: no acabó nunca"
            continue
        limit = process.started_at + process.settings.pass_timeout
        if process.signalled_at is not None:
            limit = min(limit, process.signalled_at + GRACE_SECONDS)
        if process.ended_at > limit + _OVERRUN_SECONDS:
            yield f"{name(process)}: acabó {process.ended_at - limit:.3f} s tarde"
        latest = min(last_start(process), math.inf if process.signalled_at is None else process.signalled_at)
        for exchange in _beginnings(process):
            if exchange.begun_at > latest + EPSILON and not _waited_for_a_token(exchange, latest):
                yield f"{name(process)}: {exchange.kind} {exchange.key} en {exchange.begun_at:.3f}, ya al final"


def _beginnings(process: Process) -> Iterator[Exchange]:
    """Las peticiones que no siguen a otra: ni la página siguiente, ni lo que se repite con el token renovado."""
    previous: dict[tuple[str, str, str], Exchange] = {}
    for exchange in process.exchanges:
        before = previous.get((exchange.kind, exchange.verb, exchange.key))
        previous[exchange.kind, exchange.verb, exchange.key] = exchange
        is_repeated = before is not None and before.got is not None and before.got.status in {401, 403}
        if exchange.kind in {"list", "move", "follow_up"} and not exchange.ask.query and not is_repeated:
            yield exchange


def _waited_for_a_token(exchange: Exchange, moment: float) -> bool:
    """Si en ese momento la pasada estaba renovando el token con que salió."""
    return any(
        other.is_renewal and other.begun_at <= moment < (other.settled_at or 0.0)
        for other in exchange.process.exchanges
    )


def renewals_are_few(life: Life) -> Iterator[str]:
    """Una sola renovación a la vez, y como mucho un inicio de sesión rechazado en una pasada."""
    for process in life.processes:
        renewals = [exchange for exchange in process.exchanges if exchange.is_renewal]
        for one, other in pairwise(renewals):
            if other.sent_at < (one.settled_at or 0.0):
                yield f"{name(process)}: dos renovaciones a la vez en {other.sent_at:.3f}"
        refused = [
            exchange
            for exchange in renewals
            if exchange.kind == "login" and exchange.got and exchange.got.status in {400, 401, 403}
        ]
        if len(refused) > 1:
            yield f"{name(process)}: {len(refused)} inicios de sesión rechazados"


def concurrency_is_bounded(life: Life) -> Iterator[str]:
    """Nunca más peticiones a la vez que `MAX_CONCURRENCY`, por transición."""
    for process in life.processes:
        for verb in VERBS:
            posts = [exchange for exchange in process.exchanges if exchange.kind == "move" and exchange.verb == verb]
            steps = sorted(
                [(post.sent_at, 1) for post in posts] + [(post.settled_at or float("inf"), -1) for post in posts],
            )
            flying = 0
            for moment, step in steps:
                flying += step
                if flying > process.settings.max_concurrency:
                    yield f"{name(process)}: {flying} peticiones a la vez en {moment:.3f}"
                    break


def retry_after_is_honoured(life: Life) -> Iterator[str]:
    """Si en una ronda el backend pide esperar, y lo que más pide cabe, la lista no se vuelve a leer antes."""
    for process in life.processes:
        until: dict[str, float] = defaultdict(float)
        for moment, is_sent, exchange in _steps(process):
            verb, asked = exchange.verb, asked_wait(exchange)
            if not is_sent and asked:
                until[verb] = max(until[verb], moment + asked)
            elif is_sent and exchange.kind == "list" and not exchange.ask.query:
                if moment < until[verb] - EPSILON and until[verb] < last_start(process) - 2 * EPSILON:
                    yield f"{name(process)}: lista de {verb} en {moment:.3f}; le pidieron esperar a {until[verb]:.3f}"
                until[verb] = 0.0


def _steps(process: Process) -> list[tuple[float, bool, Exchange]]:
    """Cada petición, cuando sale y cuando acaba."""
    sent = [(exchange.sent_at, True, exchange) for exchange in process.exchanges]
    settled = [(exchange.settled_at or 0.0, False, exchange) for exchange in process.exchanges]
    return sorted(sent + settled, key=lambda step: step[:2])
