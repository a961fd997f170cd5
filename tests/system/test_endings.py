"""A quien le piden acabar, acaba a tiempo y entero: con monitores mudos, y con el proceso parado un rato."""

import json
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.support.faults import FaultyServer
from tests.support.program import start, wait
from tests.support.reactions import Fault, Reaction, Request, answer


@pytest.mark.slow
def test_a_signal_with_a_mute_heartbeat_ends_in_time() -> None:
    """SIGTERM con el backend y el latido mudos: 75 y el informe, en cuatro segundos y medio."""
    asked = threading.Event()

    def rule(_: Request) -> Reaction:
        asked.set()
        return Fault.STALL

    with FaultyServer(rule) as server, FaultyServer(lambda _: Fault.STALL) as monitor:
        process = start("start", "--json", env={"BACKEND_URL": server.url, "HEARTBEAT_URL": monitor.url})
        assert asked.wait(30)
        process.terminate()
        told = time.monotonic()
        completed = wait(process)
        took = time.monotonic() - told

    assert completed.code == completed.report["exit_code"] == 75
    # Entre una cosa y la otra, 5,5 s; el margen es para una máquina cargada.
    assert took < 5


@pytest.mark.slow
def test_a_process_stopped_for_a_while_keeps_its_outputs(tmp_path: Path) -> None:
    """SIGTERM, SIGSTOP cinco segundos y SIGCONT: nadie ha dejado de leer, y el informe sale entero."""
    asked = threading.Event()

    def rule(_: Request) -> Reaction:
        asked.set()
        return Fault.STALL

    with FaultyServer(rule) as server:
        process = start("start", "--json", env={"BACKEND_URL": server.url, "REPORT_FILE": tmp_path / "informe.json"})
        assert asked.wait(30)
        process.terminate()
        # Que la haya atendido ya: es entonces cuando empieza a contar. Lo prometido vale también si no.
        time.sleep(0.5)
        process.send_signal(signal.SIGSTOP)
        time.sleep(5)
        process.send_signal(signal.SIGCONT)
        completed = wait(process)

    assert completed.code == 75
    assert completed.report == json.loads((tmp_path / "informe.json").read_text())
    assert "la interrumpió SIGTERM" in completed.stderr.replace("La", "la")


def test_a_good_backend_is_not_cut_short() -> None:
    """Sin señal, los monitores tienen todo su tiempo."""
    with FaultyServer(lambda _: answer(200, "[]")) as server, FaultyServer(lambda _: answer(200, "OK")) as monitor:
        completed = wait(start("start", env={"BACKEND_URL": server.url, "HEARTBEAT_URL": monitor.url}))

    assert completed.code == 0
    assert len(monitor.requests) == 1
