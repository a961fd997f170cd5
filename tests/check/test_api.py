"""La API mirada por el diagnóstico: la cuenta, las listas y el reloj."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from estado_eventos.domain.transitions import FINISH, START
from tests.support.diagnosis import diagnose
from tests.support.faults import Fault, FaultyServer, Request, answer
from tests.support.inside import account
from tests.support.reference.server import ReferenceBackend


@pytest.mark.parametrize("reply", [answer(401), answer(503), answer(404), Fault.CUT])
def test_a_failing_login_is_tried_once(reply: Any) -> None:
    """Aunque el inicio de sesión falle, y sea por lo que sea, no se repite."""
    with FaultyServer(lambda request: reply if request.path == "/auth/login/" else answer(401)) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, BACKEND_EMAIL="alguien", BACKEND_PASSWORD="secreta")

    assert server.count("POST") == 1
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


@pytest.mark.parametrize(
    ("seconds", "level", "words"),
    [
        (0, "ok", "coinciden"),
        (4, "ok", "coinciden"),
        (30, "warning", "adelantado"),
        (-30, "warning", "retrasos"),
        (-7200, "warning", "2 h atrasado"),
        (3600, "warning", "un token puede parecer caducado"),
    ],
)
def test_clocks_that_differ_are_a_warning(seconds: int, level: str, words: str) -> None:
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
