"""Lo que el backend pide esperar se espera, conteste quien conteste después."""

from estado_eventos.domain.transitions import START
from tests.support.faults import FaultyServer, Late, Obliging, Reaction, Request, answer
from tests.support.inside import endure


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
