"""Una pasada de principio a fin: las dos transiciones a la vez, el límite de tiempo, las señales y el informe."""

import json
import re
import resource
import signal
import time
from pathlib import Path

import pytest

from estado_eventos.domain.transitions import FINISH, START
from tests.support.faults import FaultyServer
from tests.support.inside import account, run_inside
from tests.support.obliging import crowd
from tests.support.passes import config, moves, part_of, posts
from tests.support.processes import NO_COVERAGE, POLITE, limit, sabotage
from tests.support.program import run, start, wait
from tests.support.reactions import Drip, Fault, Request, Rule
from tests.support.reference.server import ReferenceBackend


@pytest.mark.slow
def test_a_hanging_start_list_does_not_delay_finish(backend: ReferenceBackend) -> None:
    """Aunque la lista de inicio no conteste nunca, lo que hay que finalizar se finaliza enseguida."""
    backend.add_events(due_start=1, due_finish=1)

    def hang(request: Request) -> Fault | None:
        return Fault.STALL if request.path == START.list_path else None

    with FaultyServer(hang, backend.url) as proxy:
        completed = run_inside("run-once", "--json", **config(backend, proxy.url, PASS_TIMEOUT=4))

    # La lista de inicio cuelga hasta el límite: si algo esperase por ella, no llegaría a hacerse.
    assert completed.code == 69
    assert part_of(completed, FINISH)["done"] == 1
    assert part_of(completed, FINISH)["error"] is None
    assert "no llegó" in part_of(completed)["error"]


def test_the_run_id_reaches_the_backend(backend: ReferenceBackend) -> None:
    """Cada petición lleva el `run_id` del informe en `X-Request-ID`."""
    completed = run_inside("run-once", "--json", **config(backend))

    assert {request.request_id for request in backend.requests()} == {completed.report["run_id"]}


def test_the_deadline_cuts_and_the_report_adds_up(backend: ReferenceBackend) -> None:
    """Cuando se acaba el tiempo, lo hecho está hecho, lo demás queda como `skipped`, y el código es 75."""
    backend.configure(latency_ms=300)
    backend.add_events(due_start=60)

    completed = run_inside("start", "--json", **config(backend, PASS_TIMEOUT=1.5, MAX_CONCURRENCY=2))

    assert completed.code == 75
    part = part_of(completed)
    assert part["done"] > 0
    assert part["skipped"] > 40
    assert completed.report["duration_seconds"] < 2
    assert "se acabó el tiempo de la pasada (1.5 s)" in completed.report["error"]


@pytest.mark.slow
@pytest.mark.parametrize("rule_name", ["stall", "drip-head", "drip-body", "early-hints"])
def test_the_deadline_holds_whatever_the_server_does(rule_name: str) -> None:
    """Ni un servidor callado ni uno que gotea alargan la pasada medio segundo más de su límite."""
    rules: dict[str, Rule] = {
        "stall": lambda _: Fault.STALL,
        "drip-head": lambda _: Drip(b"HTTP/1.1 200 OK\r\n", b"X-Gota: 1\r\n"),
        "drip-body": lambda _: Drip(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n[", b" "),
        "early-hints": lambda _: Drip(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    }
    with FaultyServer(rules[rule_name]) as server:
        completed = run_inside("run-once", "--json", BACKEND_URL=server.url, PASS_TIMEOUT=1)

    assert completed.code == 69
    assert completed.report["duration_seconds"] < 1.5


@pytest.mark.slow
@pytest.mark.parametrize("signal_name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_lets_go_of_nothing(backend: ReferenceBackend, signal_name: str) -> None:
    """Una señal a media pasada deja acabar lo que está en camino, no empieza nada más, e informa: 75."""
    backend.configure(latency_ms=200)
    backend.add_events(due_start=200)

    process = start("start", "--json", env=config(backend, MAX_CONCURRENCY=2))
    while len(posts(backend)) < 4:
        time.sleep(0.02)
    process.send_signal(signal.Signals[signal_name])
    completed = wait(process, timeout=10)

    assert completed.code == 75
    part = part_of(completed)
    assert part["done"] == len(moves(backend)) >= 4
    assert part["skipped"] == 200 - part["done"]
    assert signal_name in completed.report["error"]


_KILL_AT_THE_START = """
import os, signal
from estado_eventos.reconcile import run
real = run.BearerAuth
def interrupted(*arguments):
    os.kill(os.getpid(), signal.{name})
    return real(*arguments)
run.BearerAuth = interrupted
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", POLITE)
def test_a_signal_before_the_pass_starts_is_told(backend: ReferenceBackend, tmp_path: Path, name: str) -> None:
    """Leída la configuración, una señal antes de la primera petición ya se cuenta: 75, ninguna petición, informe."""
    backend.add_events(due_start=1)
    files = {"METRICS_FILE": tmp_path / "estado.prom", "REPORT_FILE": tmp_path / "informe.json"}
    trap = sabotage(tmp_path / "trampa", _KILL_AT_THE_START.format(name=name))

    completed = run("run-once", "--json", env=account(backend) | files | trap)

    assert completed.code == 75
    assert completed.report["error"] == f"la interrumpió {name}"
    assert completed.report["requests"] == 0
    assert backend.requests() == []
    assert json.loads(files["REPORT_FILE"].read_text()) == completed.report
    assert re.search(r"^estado_eventos_last_exit_code\{.*\} 75.0$", files["METRICS_FILE"].read_text(), re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("files", [64, 12])
def test_few_open_files_only_slow_it_down(files: int, host: str) -> None:
    """Con `ulimit -n` corto y MAX_CONCURRENCY alta se usan las conexiones que caben: 0, un POST por evento."""
    with FaultyServer(crowd(150)) as server:
        completed = run(
            "run-once",
            "--json",
            env={"BACKEND_URL": server.url.replace("127.0.0.1", host), "MAX_CONCURRENCY": 128} | NO_COVERAGE,
            preexec_fn=limit(resource.RLIMIT_NOFILE, files),
        )

    assert completed.code == 0
    assert server.count("POST") == 300


def test_too_few_open_files_are_named() -> None:
    """Si no se puede abrir ni lo imprescindible, se dice que es eso, sin volcados y sin culpar al backend."""
    with FaultyServer(crowd(3)) as server:
        env = {"BACKEND_URL": server.url, "LOG_LEVEL": "ERROR"} | NO_COVERAGE
        completed = run("run-once", "--json", env=env, preexec_fn=limit(resource.RLIMIT_NOFILE, 8))

    assert completed.code == 70
    assert completed.report["error"].startswith("el sistema no deja seguir: Too many open files.")
    assert len(completed.stderr.splitlines()) == 1
