"""Cuánto mueve por minuto una máquina, y cuánto más varias partes (SHARD) a la vez; las cifras de docs/escala.md."""

import os
import subprocess
import time
from contextlib import ExitStack

from estado_eventos.domain.transitions import START
from tests.benchmarks.measure import PROGRAM, Row
from tests.benchmarks.stub import Stub, serving
from tests.support.postgres import PostgresUnavailableError, postgres_server
from tests.support.reference.server import ReferenceBackend

EVENTS = 2_000
LATENCIES_MS = (50, 0)
TIMES = 3
SHARDS = (1, 2, 4, 8)
CONCURRENCY = (16, 32, 64, 128)


def measure() -> list[Row]:
    """Todas las filas de la escala."""
    return [*_stub(), *_reference()]


def _stub() -> list[Row]:
    rows = []
    for latency in LATENCIES_MS:
        with serving(EVENTS, latency=latency / 1000) as stub:
            rows += [_row("de mentira", latency, count, 8, _best(stub, count)) for count in SHARDS]
            for concurrency in CONCURRENCY:
                seconds = _best(stub, 1, MAX_CONCURRENCY=concurrency)
                rows.append(_row("de mentira", latency, 1, concurrency, seconds))
    return rows


def _reference() -> list[Row]:
    rows = []
    with ExitStack() as stack:
        try:
            url = stack.enter_context(postgres_server())
        except PostgresUnavailableError as reason:
            return [Row("backend de referencia sobre PostgreSQL", f"sin medir: {reason}")]
        backend = stack.enter_context(ReferenceBackend(database_url=url, workers=2, threads=64))
        for latency in LATENCIES_MS:
            for count in SHARDS:
                seconds = min(_move(backend, latency, count) for _ in range(TIMES))
                rows.append(_row("Django y PostgreSQL", latency, count, 8, seconds))
    return rows


def _move(backend: ReferenceBackend, latency: int, count: int) -> float:
    backend.reset()
    backend.configure(latency_ms=latency)
    backend.add_events(due_start=EVENTS)
    seconds = _run(count, BACKEND_URL=backend.url, BACKEND_JWT_TOKEN=backend.token())
    if len(backend.history()) != EVENTS:
        raise RuntimeError("no se movió cada evento una vez")
    return seconds


def _best(stub: Stub, count: int, **env: object) -> float:
    return min(_again(stub, count, **env) for _ in range(TIMES))


def _again(stub: Stub, count: int, **env: object) -> float:
    stub.reset()
    return _run(count, BACKEND_URL=stub.url, **env)


def _run(count: int, **env: object) -> float:
    """Segundos que tardan en acabar `count` partes arrancadas a la vez; los códigos de salida tienen que ser 0."""
    variables = {"PATH": os.environ["PATH"], "SCHEDULER_INTERVAL_SECONDS": "3600"}
    variables |= {name: str(value) for name, value in env.items()}
    command = (*PROGRAM, START.name, "--quiet")
    started = time.perf_counter()
    processes = [
        subprocess.Popen(command, env={**variables, "SHARD": f"{number}/{count}"}, cwd="/")
        for number in range(1, count + 1)
    ]
    codes = [process.wait() for process in processes]
    if any(codes):
        raise RuntimeError(f"{command} acabó con {codes}")
    return time.perf_counter() - started


def _row(backend: str, latency: int, shards: int, concurrency: int, seconds: float) -> Row:
    what = f"backend {backend}, {latency} ms; partes: {shards}; MAX_CONCURRENCY={concurrency}"
    per_minute = f"{EVENTS / seconds * 60:,.0f}".replace(",", ".")
    return Row(what, f"{per_minute} eventos/min ({seconds:.1f} s)")
