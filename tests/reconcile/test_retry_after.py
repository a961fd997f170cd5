"""Lo que el backend pide esperar se espera, conteste quien conteste después."""

import pytest

from estado_eventos.domain.transitions import START
from tests.support.faults import FaultyServer
from tests.support.inside import endure
from tests.support.obliging import Obliging
from tests.support.passes import results
from tests.support.reactions import YES, Fault, Late, Reaction, Request, answer, listing


@pytest.mark.slow
def test_the_longest_of_the_round_counts() -> None:
    """Un `Retry-After` no se olvida porque otro evento, que se pidió antes, conteste después sin ninguno."""
    obliging = Obliging([{"id": 7}, {"id": 8}])

    def rule(request: Request) -> Reaction:
        if request.method == "GET" or request.nth > 1:
            return obliging(request)
        if request.path == START.action_path(8):
            return answer(503, "{}", Retry_After="2")
        return Late(0.4, answer(503, "{}"))

    with FaultyServer(rule) as server:
        completed = endure(server, seconds=30)

    assert completed.code == 0
    assert completed.report["duration_seconds"] >= 2
    assert server.count("POST") == 4


@pytest.mark.slow
def test_it_counts_from_the_answer_and_not_from_the_end_of_the_round() -> None:
    """Los 5 s que pide uno cuentan desde que los pide, aunque la ronda acabe 4 s después: caben en la pasada."""

    def rule(request: Request) -> Reaction:
        if request.path == START.list_path:
            return listing(1, 2) if not done else listing(2)
        if request.path == START.action_path(2):
            return Fault.STALL
        if request.nth == 1:
            return answer(503, Retry_After="5")
        done.append(1)
        return YES

    done: list[int] = []
    with FaultyServer(rule) as server:
        completed = endure(server, seconds=8, HTTP_TIMEOUT=4)

    assert results(completed)["1"] == "done"
