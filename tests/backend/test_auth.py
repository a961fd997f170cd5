"""Los tokens: que nadie tenga que pensar en ellos, que no cuesten de más y que no se escapen."""

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
from tests.support.reference.server import ReferenceBackend

LOGIN, REFRESH = "/auth/login/", "/auth/refresh-token/"


def mint(life: int, issued: float | None = None) -> str:
    """Un token con esa vida, emitido ahora o cuando se diga, con los datos que trae el de verdad."""
    claims = {"user_id": 1, "email": "a", "exp": int(issued or time.time()) + life}
    return jwt.encode(claims, "clave-de-prueba-de-treinta-y-dos-bytes", "HS256")


@pytest.mark.slow
def test_without_a_token_it_logs_in_once(backend: ReferenceBackend) -> None:
    """Sin token, la pasada inicia sesión una vez para las dos listas y todos los eventos."""
    backend.add_events(due_start=10, due_finish=10)

    completed = run("run-once", "--json", env=account(backend))

    assert completed.code == 0
    assert backend.asked(LOGIN) == 1
    assert completed.report["requests"] == 25
    assert completed.report["token_expires_at"].endswith("Z")


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


def test_a_refused_login_is_tried_once(backend: ReferenceBackend) -> None:
    """Si cambian la contraseña: 77, un solo intento en toda la pasada, y la variable que hay que mirar."""
    backend.set_password("otra")

    completed = run("run-once", "--json", env=account(backend))

    assert completed.code == 77
    assert backend.asked(LOGIN) == 1
    # Y las dos listas, sin token: por si el backend no lo pide.
    assert len(backend.requests()) == 3
    assert "BACKEND_PASSWORD" in completed.report["error"]


def test_a_login_refused_ahead_of_time_is_tried_once() -> None:
    """Rechazado al renovar un token que aún valía, no se repite aunque luego rechacen también el token."""
    secrets = {"BACKEND_JWT_TOKEN": mint(60), "BACKEND_EMAIL": "admin@example.com", "BACKEND_PASSWORD": "la-de-antes"}
    with FaultyServer(lambda _: answer(401, '{"error": "Credenciales inválidas"}')) as server:
        completed = run_inside("start", BACKEND_URL=server.url, **secrets)
        logins = [request.path for request in server.requests].count(LOGIN)

    assert completed.code == 77
    assert "BACKEND_PASSWORD" in completed.stderr
    assert logins == 1


def test_a_login_that_fails_for_now_is_tried_again(backend: ReferenceBackend) -> None:
    """Un 503 al iniciar sesión se cura en la misma pasada, como el de una lista."""
    backend.add_events(due_start=1)

    def busy_once(request: Request) -> Any:
        return answer(503) if request.path == LOGIN and request.nth == 1 else None

    with FaultyServer(busy_once, backend.url) as proxy:
        completed = run("run-once", "--json", env=account(backend, proxy.url))

    assert completed.code == 0
    assert proxy.count("POST", LOGIN) == 2


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


def test_auth_url_may_be_elsewhere_and_never_sees_a_token(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Con `AUTH_URL` en otro origen se inicia sesión allí, y allí no llega ningún token, ni para renovarlo."""
    with FaultyServer(lambda _: None, backend.url) as elsewhere:
        env = account(backend, AUTH_URL=elsewhere.url, TOKEN_CACHE_FILE=tmp_path / "token")
        backend.configure(token_seconds=100)
        codes = [run("run-once", env=env).code for _ in range(2)]

    assert codes == [0, 0]
    assert [request.path for request in elsewhere.requests] == [LOGIN, LOGIN]
    assert all("authorization" not in request.headers and b"eyJ" not in request.body for request in elsewhere.requests)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (answer(404), 76, "AUTH_URL"),
        (answer(200, "{}"), 76, "AUTH_URL"),
        (answer(200, '{"token": "a\\nb"}'), 76, "AUTH_URL"),
        (answer(200, '{"token": 7}'), 76, "AUTH_URL"),
        (answer(302, Location="http://otro.example/"), 76, "AUTH_URL"),
        (answer(403), 77, "BACKEND_PASSWORD"),
        (answer(503), 69, "iniciar sesión"),
        (Fault.CUT, 69, "AUTH_URL"),
    ],
)
def test_what_a_login_answers_decides_the_code(reply: Any, code: int, words: str) -> None:
    """Cada mala respuesta al inicio de sesión tiene su código y nombra lo que hay que mirar."""
    with FaultyServer(lambda request: reply if request.path == LOGIN else answer(200, "[]")) as server:
        env = {"BACKEND_URL": server.url, "BACKEND_EMAIL": "a", "BACKEND_PASSWORD": "b"}
        completed = run("start", "--json", env=env)

    assert completed.code == code
    assert words in completed.report["error"]


def test_a_role_that_is_not_enough_is_named(backend: ReferenceBackend) -> None:
    """Una cuenta sin el rol debido: 77 y lo que hay que ser."""
    backend.add_user("profe@example.com", "x", "docente")
    env = account(backend) | {"BACKEND_EMAIL": "profe@example.com", "BACKEND_PASSWORD": "x"}

    completed = run("run-once", "--json", env=env)

    assert completed.code == 77
    assert "admin o superadmin" in completed.report["error"]


def test_half_an_account_is_a_wrong_setting() -> None:
    """Correo sin contraseña, o al revés: 78 y el nombre de la que falta."""
    only_email = run("run-once", env={"BACKEND_EMAIL": "a"})
    only_password = run("run-once", env={"BACKEND_PASSWORD": "a"})

    assert (only_email.code, only_password.code) == (78, 78)
    assert "BACKEND_PASSWORD: falta" in only_email.stderr
    assert "BACKEND_EMAIL: falta" in only_password.stderr


def test_secrets_come_from_systemd_credentials(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Los secretos de `$CREDENTIALS_DIRECTORY` valen, con su salto de línea final o sin él."""
    (tmp_path / "BACKEND_PASSWORD").write_text(backend.password + "\n")
    (tmp_path / "BACKEND_EMAIL").write_text(backend.email)
    by_account = run("run-once", env=addresses(backend) | {"CREDENTIALS_DIRECTORY": tmp_path})
    for path in tmp_path.iterdir():
        path.unlink()
    (tmp_path / "BACKEND_JWT_TOKEN").write_text(backend.token() + "\r\n")
    by_token = run("run-once", env={"BACKEND_URL": backend.url, "CREDENTIALS_DIRECTORY": tmp_path})

    assert (by_account.code, by_token.code) == (0, 0)


def test_a_static_token_about_to_expire_is_one_warning(backend: ReferenceBackend) -> None:
    """Un token sin cuenta al que le quedan menos de diez minutos se avisa una vez, y su hora va en el informe."""
    soon = run("run-once", "--json", env={"BACKEND_URL": backend.url, "BACKEND_JWT_TOKEN": backend.token(300)})
    later = run("run-once", "--json", env={"BACKEND_URL": backend.url, "BACKEND_JWT_TOKEN": backend.token(1700)})

    assert [message for message in soon.messages if "WARNING" in message] == [
        "WARNING - El token de BACKEND_JWT_TOKEN caduca en 4 min. Con BACKEND_EMAIL y BACKEND_PASSWORD se renueva solo"
    ]
    assert soon.report["token_expires_at"] < later.report["token_expires_at"]
    assert "WARNING" not in later.stderr


def test_an_expired_static_token_does_not_matter_with_an_account(backend: ReferenceBackend) -> None:
    """Con cuenta, un `BACKEND_JWT_TOKEN` caducado no estorba: se inicia sesión."""
    completed = run("run-once", env=account(backend, BACKEND_JWT_TOKEN=backend.token(-60)))

    assert completed.code == 0
    assert backend.asked(LOGIN) == 1
