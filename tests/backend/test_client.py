"""Las conexiones de cada trabajador."""

from tests.support.faults import FaultyServer
from tests.support.obliging import Obliging
from tests.support.program import run
from tests.support.reactions import Raw, Request, keep_alive


def test_a_worker_reuses_its_connection() -> None:
    """Con un solo trabajador, la lista y todos los eventos van por la misma conexión; la última mirada, por otra."""
    obliging = Obliging([{"id": 1}, {"id": 2}, {"id": 3}])

    with FaultyServer(lambda request: keep_alive(obliging(request))) as server:
        completed = run("start", env={"BACKEND_URL": server.url, "MAX_CONCURRENCY": 1})

    peers = [request.peer for request in server.requests]
    assert completed.code == 0
    assert len(peers) == 5
    assert len(set(peers[:4])) == 1
    assert peers[4] != peers[0]


def test_a_cookie_is_not_sent_back() -> None:
    """Lo que el backend quiera guardar en una cookie no se guarda: cada pasada empieza de cero."""
    obliging = Obliging([{"id": 1}])

    def rule(request: Request) -> Raw:
        head, _, rest = obliging(request).data.partition(b"\r\n")
        return Raw(head + b"\r\nSet-Cookie: sesion=1; Path=/\r\n" + rest)

    with FaultyServer(rule) as server:
        completed = run("start", env={"BACKEND_URL": server.url})

    assert completed.code == 0
    assert all("cookie" not in request.headers for request in server.requests)
