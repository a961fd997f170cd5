"""La API mirada por el diagnóstico: la cuenta, las listas y el reloj."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from estado_eventos.domain.transitions import FINISH, START
from tests.support.diagnosis import diagnose
from tests.support.faults import FaultyServer
from tests.support.inside import account, run_inside
from tests.support.reactions import Fault, Late, Request, answer
from tests.support.reference.server import ReferenceBackend


@pytest.mark.parametrize("reply", [answer(401), answer(503), answer(404), Fault.CUT])
def test_a_failing_login_is_tried_once(reply: Any) -> None:
    """Aunque el inicio de sesión falle, y sea por lo que sea, no se repite."""
    with FaultyServer(lambda request: reply if request.path == "/auth/login/" else answer(401)) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, BACKEND_EMAIL="alguien", BACKEND_PASSWORD="secreta")

    assert [request.path for request in server.requests if request.method == "POST"].count("/auth/login/") == 1
    assert diagnosis.errors == ["login"]
    assert {finding["level"] for finding in diagnosis.about("list")} == {"ok"}


def test_a_wrong_password_is_named(backend: ReferenceBackend) -> None:
    """Una contraseña que ya no vale: 77 y la variable que hay que mirar."""
    diagnosis = diagnose(**account(backend, BACKEND_PASSWORD="cambiada"))

    assert diagnosis.code == 77
    assert "BACKEND_PASSWORD" in diagnosis.one("login")["cure"]


def test_a_wrong_password_with_a_token_that_still_works_is_a_warning(backend: ReferenceBackend) -> None:
    """Si el token que hay aún vale, la pasada sale bien: avisa de lo que pasará cuando caduque y acaba con 0."""
    env = account(backend, BACKEND_PASSWORD="cambiada", BACKEND_JWT_TOKEN=backend.token())

    diagnosis = diagnose(**env)

    assert diagnosis.code == 0
    assert diagnosis.one("login")["level"] == "warning"
    assert "aún vale" in diagnosis.one("login")["message"]


def test_a_wrong_role_is_named(backend: ReferenceBackend) -> None:
    """Un usuario sin el rol: 77, el rol que tiene y el que hace falta."""
    backend.add_user("alumna@example.com", "clave-de-alumna", "student")

    her = {"BACKEND_EMAIL": "alumna@example.com", "BACKEND_PASSWORD": "clave-de-alumna"}
    diagnosis = diagnose(**account(backend) | her)

    assert (diagnosis.code, diagnosis.errors) == (77, ["list"])
    assert "rol student" in diagnosis.one("list")["message"]
    assert "admin o superadmin" in diagnosis.one("list")["cure"]


def test_missing_credentials_are_named(backend: ReferenceBackend) -> None:
    """Sin credenciales ante un backend que las pide: 77 y las variables que faltan."""
    diagnosis = diagnose(BACKEND_URL=backend.url)

    assert diagnosis.code == 77
    assert "BACKEND_EMAIL y BACKEND_PASSWORD" in diagnosis.one("list")["cure"]


def test_an_incomplete_list_has_the_code_of_its_problem() -> None:
    """Si falla una página que no es la primera, la lista está incompleta y se dice con su código."""

    def rule(request: Request) -> Any:
        return answer(503) if "page" in request.path else answer(200, '{"results": [], "next": "?page=2"}')

    with FaultyServer(rule) as server:
        diagnosis = diagnose(BACKEND_URL=server.url)

    assert (diagnosis.code, diagnosis.errors) == (69, ["list"])


def test_lists_that_fail_differently_are_two_findings() -> None:
    """Si cada lista falla por lo suyo, cada una tiene su hallazgo; si es por lo mismo, comparten uno."""

    def rule(request: Request) -> Any:
        return answer(500 if request.path == START.list_path else 502)

    with FaultyServer(rule) as server:
        different = diagnose(BACKEND_URL=server.url)
    with FaultyServer(lambda _: answer(500)) as server:
        same = diagnose(BACKEND_URL=server.url)

    assert [START.noun in one["message"] for one in different.about("list")] == [True, False]
    assert f"Listas de {START.noun} y {FINISH.noun}: HTTP 500" in same.one("list")["message"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seconds", "level", "words"),
    [
        (0, "ok", "coinciden"),
        (0.2, "ok", "coinciden"),
        (-0.2, "ok", "coinciden"),
        (-0.8, "warning", "atrasado"),
        (0.8, "warning", "adelantado"),
        (30, "warning", "según él, los exámenes empiezan y acaban 30 s más tarde de su hora"),
        (-30, "warning", "los exámenes empiezan y acaban 30 s más tarde de la hora"),
        (-7200, "warning", "2 h atrasado"),
        (3600, "warning", "un token puede parecer caducado"),
    ],
)
def test_clocks_that_differ_are_a_warning(seconds: float, level: str, words: str) -> None:
    """Si el reloj del backend no va con el de aquí, se dice cuánto, hacia dónde y qué estropea; la pasada sale bien."""

    def rule(_: Request) -> Any:
        date = datetime.now(UTC) + timedelta(seconds=seconds)
        return answer(200, "[]", Date=format_datetime(date, usegmt=True))

    with FaultyServer(rule) as server:
        diagnosis = diagnose(BACKEND_URL=server.url)

    assert diagnosis.code == 0
    assert diagnosis.one("clock")["level"] == level
    assert words in diagnosis.one("clock")["message"]


def test_a_date_that_cannot_be_read_says_nothing_of_the_clock() -> None:
    """Sin `Date`, o con una que no se entiende, no se dice nada del reloj."""
    with FaultyServer(lambda _: answer(200, "[]", Date="ayer")) as server:
        assert diagnose(BACKEND_URL=server.url).about("clock") == []


def test_a_wrong_prefix_and_a_wrong_account_are_cured_in_one_run(backend: ReferenceBackend) -> None:
    """El prefijo y la cuenta, mal los dos: un solo diagnóstico dice las dos curas, y con ellas es 0."""
    wrong = account(backend, backend.auth_url, BACKEND_PASSWORD="cambiada")

    diagnosis = diagnose(**wrong)
    cure = {"BACKEND_URL": backend.url, "AUTH_URL": backend.auth_url}

    assert diagnosis.code == 77
    assert "BACKEND_PASSWORD" in diagnosis.one("login")["cure"]
    assert all(f"{name}={value}" in diagnosis.one("list")["cure"] for name, value in cure.items())
    assert run_inside("run-once", **account(backend, None, **cure)).code == 0


def test_a_wrong_auth_url_and_a_wrong_account_are_cured_in_one_run(backend: ReferenceBackend) -> None:
    """Si donde se inicia sesión no es, se prueba la cuenta donde sí: y si no vale, también se dice."""
    wrong = account(backend, backend.url, BACKEND_PASSWORD="cambiada")

    finding = diagnose(**wrong).one("login")
    cured = run_inside("run-once", **account(backend, backend.url, AUTH_URL=backend.auth_url))

    assert f"AUTH_URL={backend.auth_url}" in finding["cure"]
    assert "BACKEND_PASSWORD" in finding["cure"]
    assert cured.code == 0


@pytest.mark.parametrize("password", [None, "cambiada"])
def test_an_open_backend_needs_no_account(backend: ReferenceBackend, password: str | None) -> None:
    """Si las listas no piden token se dice, y que la cuenta no hace falta; quitarla cura la que no vale."""
    backend.configure(require_token=False)
    wrong = {} if password is None else {"BACKEND_PASSWORD": password}

    diagnosis = diagnose(**account(backend, None, **wrong))

    assert diagnosis.code == (77 if password else 0)
    assert "no pide token en las listas: la cuenta no hace falta" in diagnosis.text
    if password:
        assert "quite BACKEND_EMAIL y BACKEND_PASSWORD" in diagnosis.one("login")["cure"]
    assert run_inside("run-once", BACKEND_URL=backend.url).code == 0


def test_a_backend_that_asks_for_a_token_is_not_called_open(backend: ReferenceBackend) -> None:
    """Si pide token, no se dice que la cuenta sobre."""
    assert "no hace falta" not in diagnose(**account(backend)).text


@pytest.mark.slow
def test_the_list_that_hangs_is_named_and_the_other_is_kept(backend: ReferenceBackend) -> None:
    """Si una lista no contesta se dice cuál, y lo que se supo de la otra: 69."""
    backend.add_events(due_start=2)

    def rule(request: Request) -> Any:
        return Fault.STALL if request.path == FINISH.list_path else None

    with FaultyServer(rule, upstream=backend.url) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, BACKEND_JWT_TOKEN=backend.token(), PASS_TIMEOUT=6)

    fine, hung = diagnosis.about("list")
    assert diagnosis.code == 69
    assert f"Lista de {START.noun}: se lee, 2 evento(s)" in fine["message"]
    assert f"Lista de {FINISH.noun}: no contestó en" in hung["message"]
    assert "HTTP_TIMEOUT" in hung["message"]


@pytest.mark.slow
def test_a_slow_backend_says_how_slow() -> None:
    """Un backend más lento que HTTP_TIMEOUT: 69, lo que tardó y el valor que basta; con él, 0."""
    with FaultyServer(lambda _: Late(2.5, answer(200, "[]"))) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, HTTP_TIMEOUT=2, PASS_TIMEOUT=45)
        found = re.search(r"HTTP_TIMEOUT=(\d+)", diagnosis.one("list")["cure"])
        assert found
        cured = run_inside("run-once", BACKEND_URL=server.url, HTTP_TIMEOUT=found[1], PASS_TIMEOUT=45)

    assert diagnosis.code == 69
    assert re.search(r"tardó \d+\.\d s y HTTP_TIMEOUT es 2 s", diagnosis.one("list")["message"])
    assert cured.code == 0


@pytest.mark.slow
def test_a_backend_that_is_almost_too_slow_is_a_warning() -> None:
    """Si tarda más de la mitad de HTTP_TIMEOUT se avisa antes de que sea un fallo."""
    with FaultyServer(lambda _: Late(2.2, answer(200, "[]"))) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, HTTP_TIMEOUT=4, PASS_TIMEOUT=45)

    # En una máquina muy cargada llega a ser demasiado: entonces es un error de la lista.
    assert diagnosis.about("slow") or diagnosis.errors == ["list"]


def test_events_overdue_for_a_week_are_a_warning(backend: ReferenceBackend) -> None:
    """Lo que lleva más de una semana pendiente no lo mueve ninguna pasada: se dice cuál y cómo se mira."""
    backend.add_events(broken_start=1, offset=-8 * 86400)
    (key,) = backend.states()

    diagnosis = diagnose(**account(backend))

    assert (diagnosis.code, diagnosis.one("overdue")["level"]) == (0, "warning")
    assert f"--event {key}" in diagnosis.one("overdue")["cure"]
