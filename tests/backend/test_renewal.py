"""Un token que caduca: se renueva a tiempo y una vez, sin que se pierda nada ni importen los relojes."""

import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from estado_eventos.domain.transitions import START
from tests.support.faults import FaultyServer
from tests.support.inside import account, addresses, run_inside
from tests.support.obliging import Obliging
from tests.support.program import run
from tests.support.reactions import Fault, Request, answer
from tests.support.reference.contract import LOGIN, REFRESH
from tests.support.reference.server import ReferenceBackend


def mint(life: int, issued: float | None = None) -> str:
    """Un token con esa vida, emitido ahora o cuando se diga, con los datos que trae el de verdad."""
    claims = {"user_id": 1, "email": "a", "exp": int(issued or time.time()) + life}
    return jwt.encode(claims, "clave-de-prueba-de-treinta-y-dos-bytes", "HS256")


def test_a_token_with_little_left_is_refreshed_not_logged_in(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Con menos de dos intervalos por delante, el token guardado se renueva sin gastar un inicio de sesión."""
    env = account(backend, TOKEN_CACHE_FILE=tmp_path / "token")
    backend.configure(token_seconds=100)
    run("run-once", env=env)
    backend.configure(token_seconds=1800)

    reports = [run("run-once", "--json", env=env).report for _ in range(3)]

    assert [report["requests"] for report in reports] == [3, 2, 2]
    assert (backend.asked(LOGIN), backend.asked(REFRESH)) == (1, 1)


@pytest.mark.slow
def test_a_pass_survives_tokens_that_expire_under_it(backend: ReferenceBackend) -> None:
    """Aunque el token caduque varias veces en una pasada de 300 eventos no se pierde ninguno; un inicio por token."""
    backend.configure(token_seconds=2, latency_ms=100)
    backend.add_events(due_start=300)

    with FaultyServer(lambda request: answer(503) if request.path == REFRESH else None, backend.url) as proxy:
        completed = run("start", "--json", env=account(backend, proxy.url, MAX_CONCURRENCY=6))

    assert completed.code == 0
    assert completed.report["transitions"][START.name]["done"] == 300
    assert completed.report["duration_seconds"] > 4
    assert 2 <= backend.asked(LOGIN) <= 1 + completed.report["duration_seconds"] / 1
    assert len(backend.history()) == 300


def test_many_refusals_at_once_cause_one_renewal() -> None:
    """Treinta peticiones rechazadas a la vez causan un solo inicio de sesión, y cada una se repite una vez."""
    good = [mint(1800)]
    posts: list[str] = []
    obliging = Obliging([{"id": number} for number in range(30)])

    def rule(request: Request) -> Any:
        if request.path == LOGIN:
            good.append(mint(1800, time.time() + len(good)))
            return answer(200, json.dumps({"token": good[-1]}))
        if request.method == "GET":
            return obliging(request)
        posts.append(request.path)
        if len(posts) == 1:
            # El backend cambia de clave: todo lo firmado hasta ahora deja de valer.
            good.append("ninguno")
        accepted = request.headers["authorization"] == f"Bearer {good[-1]}"
        return obliging(request) if accepted else answer(401)

    with FaultyServer(rule) as server:
        env = {"BACKEND_URL": server.url, "BACKEND_EMAIL": "a", "BACKEND_PASSWORD": "b", "MAX_CONCURRENCY": 30}
        completed = run("start", "--json", env=env)

    assert completed.code == 0
    assert completed.report["transitions"][START.name]["done"] == 30
    assert server.count("POST", LOGIN) == 2
    assert all(posts.count(path) <= 2 for path in posts)


def test_a_login_refused_ahead_of_time_is_tried_once() -> None:
    """Rechazado al renovar un token que aún valía, no se repite aunque luego rechacen también el token."""
    secrets = {"BACKEND_JWT_TOKEN": mint(60), "BACKEND_EMAIL": "admin@example.com", "BACKEND_PASSWORD": "la-de-antes"}
    with FaultyServer(lambda _: answer(401, '{"error": "Credenciales inválidas"}')) as server:
        completed = run_inside("start", BACKEND_URL=server.url, **secrets)
        logins = [request.path for request in server.requests].count(LOGIN)

    assert completed.code == 77
    assert "BACKEND_PASSWORD" in completed.stderr
    assert logins == 1


@pytest.mark.slow
@pytest.mark.parametrize("fault", [Fault.CUT, answer(500), answer(401)])
def test_a_valid_token_needs_no_renewal_to_work(backend: ReferenceBackend, tmp_path: Path, fault: Any) -> None:
    """Si renovar falla pero el token aún vale, la pasada se hace con él."""
    env = account(backend, TOKEN_CACHE_FILE=tmp_path / "token")
    backend.configure(token_seconds=100)
    run("run-once", env=env)
    backend.add_events(due_start=1)

    with FaultyServer(lambda request: fault if request.path.startswith("/auth/") else None, backend.url) as proxy:
        text = (tmp_path / "token").read_text().replace(backend.url, proxy.url)
        (tmp_path / "token").write_text(text)
        completed = run("run-once", "--json", env=env | addresses(backend, proxy.url) | {"AUTH_URL": proxy.url})

    assert completed.code == 0
    assert len(backend.history()) == 1


@pytest.mark.parametrize("skew", [-3600, 3600])
def test_clocks_an_hour_apart_do_not_matter(backend: ReferenceBackend, tmp_path: Path, skew: float) -> None:
    """Con el reloj del backend una hora atrasado o adelantado, un inicio de sesión sirve para varias pasadas."""
    backend.configure(clock_offset_seconds=skew)
    env = account(backend, TOKEN_CACHE_FILE=tmp_path / "token")

    codes = [run_inside("run-once", **env).code for _ in range(3)]

    assert codes == [0, 0, 0]
    assert (backend.asked(LOGIN), backend.asked(REFRESH)) == (1, 0)


@pytest.mark.parametrize("skew", [-3600, 3600])
def test_clocks_an_hour_apart_and_no_date(tmp_path: Path, skew: float) -> None:
    """Aunque el backend tampoco diga qué hora es, un token recién dado se usa, y el guardado, mientras lo acepte."""

    def rule(request: Request) -> Any:
        if request.path == LOGIN:
            return answer(200, json.dumps({"token": mint(1800, time.time() + skew)}))
        return answer(200 if request.headers.get("authorization") else 401, "[]")

    with FaultyServer(rule) as server:
        env = {"BACKEND_URL": server.url, "BACKEND_EMAIL": "a", "BACKEND_PASSWORD": "b"}
        codes = [run_inside("run-once", **env, TOKEN_CACHE_FILE=tmp_path / "token").code for _ in range(3)]

    assert codes == [0, 0, 0]
    assert server.count("POST") == 1


@pytest.mark.parametrize(("left", "renewals"), [(300, 1), (600, 0)])
def test_a_cached_token_is_renewed_in_its_last_quarter(
    backend: ReferenceBackend, tmp_path: Path, left: int, renewals: int
) -> None:
    """Del guardado se sabe cuándo llegó: uno de media hora se renueva en sus últimos siete minutos y medio."""
    cache = tmp_path / "token"
    env = account(backend, TOKEN_CACHE_FILE=cache)
    run_inside("run-once", **env)
    entry = json.loads(cache.read_text())
    # El mismo, más viejo: dado hace lo que le falta para la media hora.
    moments = {name: entry[name] - (1800 - left) for name in ("received_at", "issued_at")}
    cache.write_text(json.dumps(entry | moments | {"token": backend.token(left)}))

    reports = [run_inside("run-once", "--json", **env).report for _ in range(2)]

    assert (backend.asked(LOGIN), backend.asked(REFRESH)) == (1, renewals)
    assert [report["requests"] for report in reports] == [2 + renewals, 2]
    assert json.loads(cache.read_text())["role"] == "admin"


def test_a_static_token_about_to_expire_is_one_warning(backend: ReferenceBackend) -> None:
    """Un token sin cuenta al que le quedan menos de diez minutos se avisa una vez, y su hora va en el informe."""
    soon = run("run-once", "--json", env={"BACKEND_URL": backend.url, "BACKEND_JWT_TOKEN": backend.token(300)})
    later = run("run-once", "--json", env={"BACKEND_URL": backend.url, "BACKEND_JWT_TOKEN": backend.token(1700)})

    assert [message for message in soon.messages if "WARNING" in message] == [
        "WARNING - El token de BACKEND_JWT_TOKEN caduca en 4 min. Con BACKEND_EMAIL y BACKEND_PASSWORD se renueva solo"
    ]
    assert soon.report["token_expires_at"] < later.report["token_expires_at"]
    assert "WARNING" not in later.stderr
