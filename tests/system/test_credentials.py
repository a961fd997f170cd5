"""Quien no puede pasar: tokens caducados, papeles que no valen, y a quién se le enseñan."""

import json
import time

import jwt

from estado_eventos.domain.transitions import START
from tests.support.faults import FaultyServer
from tests.support.inside import endure, run_inside
from tests.support.obliging import Obliging
from tests.support.passes import config, results
from tests.support.reactions import Reaction, Request, answer, listing
from tests.support.reference.server import ReferenceBackend


def test_an_expired_token_is_named_with_its_expiry(backend: ReferenceBackend) -> None:
    """Un token caducado se dice como tal, con la hora en que caducó: 77."""
    completed = run_inside("run-once", "--json", BACKEND_URL=backend.url, BACKEND_JWT_TOKEN=backend.token(-60))

    assert completed.code == 77
    assert "el token de BACKEND_JWT_TOKEN caducó el 20" in completed.report["error"]


def test_a_wrong_role_is_not_permitted(backend: ReferenceBackend) -> None:
    """Un usuario sin el rol debido: 77 y lo que hay que ser."""
    completed = run_inside(
        "run-once", "--json", BACKEND_URL=backend.url, BACKEND_JWT_TOKEN=backend.token(role="docente")
    )

    assert completed.code == 77
    assert "admin o superadmin" in completed.report["error"]


def test_without_credentials_nothing_is_sent(backend: ReferenceBackend) -> None:
    """Sin token no se manda `Authorization`; si el backend lo pide, se dice qué variable falta."""
    open_door = run_inside("run-once", BACKEND_URL=backend.url)
    backend.configure(require_token=False)
    let_in = run_inside("run-once", BACKEND_URL=backend.url)

    assert open_door.code == 77
    assert "Ponga BACKEND_EMAIL y BACKEND_PASSWORD, o BACKEND_JWT_TOKEN" in open_door.stderr
    assert let_in.code == 0
    assert all(request.authorization is None for request in backend.requests())


def test_environment_proxies_are_not_used(backend: ReferenceBackend) -> None:
    """Un `HTTP_PROXY` del entorno no ve ni una petición; `BACKEND_PROXY`, sí."""
    with FaultyServer(lambda _: answer(200, "[]")) as proxy:
        unseen = run_inside("run-once", **config(backend, HTTP_PROXY=proxy.url, ALL_PROXY=proxy.url))
        before = len(proxy.requests)
        seen = run_inside("run-once", **config(backend, BACKEND_PROXY=proxy.url))

    assert (unseen.code, before) == (0, 0)
    assert (seen.code, len(proxy.requests)) == (0, 2)


def test_an_event_that_is_not_permitted_is_77() -> None:
    """Un 401 o un 403 al pedir un evento, con la lista bien: 77, y los demás se hacen."""
    obliging = Obliging([{"id": 1}, {"id": 2}, {"id": 3}])
    denied = {START.action_path(1): answer(401), START.action_path(2): answer(403)}

    def rule(request: Request) -> Reaction:
        return denied.get(request.path) or obliging(request)

    with FaultyServer(rule) as server:
        completed = endure(server, BACKEND_JWT_TOKEN="abc.def.ghi", seconds=2)

    assert completed.code == 77
    assert results(completed) == {"1": "failed", "2": "failed", "3": "done"}


def test_a_fresh_token_that_is_refused_is_not_asked_for_again() -> None:
    """Si el backend rechaza también el token recién dado, no se inicia sesión por cada evento: 77."""

    def rule(request: Request) -> Reaction:
        if request.path == "/auth/login/":
            claims = {"iat": int(time.time()), "exp": int(time.time()) + 1800, "jti": request.nth}
            return answer(200, json.dumps({"token": jwt.encode(claims, "clave" * 8, "HS256")}))
        return listing(*range(100)) if request.method == "GET" else answer(401)

    with FaultyServer(rule) as server:
        completed = endure(server, BACKEND_EMAIL="a", BACKEND_PASSWORD="b", seconds=2)

    assert completed.code == 77
    assert "ni el token recién dado" in completed.report["error"]
    assert server.count("POST", "/login/") <= 1 + server.count("GET")
