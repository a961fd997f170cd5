"""Lo que el límite corta, y lo que ocupa lo peor que puede contestar un backend."""

import json

from tests.benchmarks.measure import RUN_ONCE, START, Row, at_most, median, run
from tests.benchmarks.stub import serving
from tests.support.faults import FaultyServer
from tests.support.reactions import OK_HEAD, Drip, answer

TIMES = 3
LIMIT = 4
_TEMPFAIL, _UNAVAILABLE = 75, 69
_PAGE_BYTES = 8 << 20


def measure() -> list[Row]:
    """Cuánto después del límite acaba el proceso, arranque incluido, y su memoria."""
    return [*_floods(), _chunks(), _wide_list()]


def _floods() -> list[Row]:
    rows = []
    for events in (10_000, 100_000):
        with serving(events, latency=0.2) as stub:
            costs = [run(START, stub.settings(PASS_TIMEOUT=LIMIT), _TEMPFAIL) for _ in range(TIMES)]
        what = f"{events:,} eventos y un límite de {LIMIT} s".replace(",", ".")
        rows.append(at_most(f"{what}: cuánto después acaba el proceso", median(costs, "wall") - LIMIT, 0.5, " s"))
        rows.append(at_most(f"{what}: memoria", median(costs, "peak"), 200, " MiB", "{:.0f}"))
    return rows


def _chunks() -> Row:
    drip = Drip(OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", 0)
    with FaultyServer(lambda _: drip) as server:
        env = {"BACKEND_URL": server.url, "PASS_TIMEOUT": LIMIT}
        costs = [run(START, env, _UNAVAILABLE) for _ in range(TIMES)]
    what = f"una lista a trozos de un byte y un límite de {LIMIT} s: cuánto después acaba el proceso"
    return at_most(what, median(costs, "wall") - LIMIT, 0.5, " s")


def _wide_list() -> Row:
    """Con un emoji, cada carácter ocupa cuatro bytes en memoria."""
    item = {"start_date": "2026-01-01T10:00:00+00:00", "end_date": "2026-01-01T10:00:00+00:00", "name": "x" * 400}
    body = json.dumps([{"id": number, **item} for number in range(_PAGE_BYTES // 520)])
    body = f'{body[:-1]}, {{"id": 1, "name": "\N{GRINNING FACE}"}}]'
    with FaultyServer(lambda request: answer(200, body) if request.method == "GET" else answer(500)) as server:
        env = {"BACKEND_URL": server.url, "PASS_TIMEOUT": LIMIT}
        cost = run(RUN_ONCE, env, None)
    return at_most("dos listas de 8 MiB con un emoji, una y otra vez: memoria", cost.peak, 200, " MiB", "{:.0f}")
