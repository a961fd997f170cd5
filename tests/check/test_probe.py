"""Lo que se prueba cuando la API no está donde se dice, con qué tokens, y la hora que es allí."""

from typing import Any

import pytest

from tests.support.diagnosis import diagnose
from tests.support.faults import FaultyServer
from tests.support.inside import account, run_inside
from tests.support.reactions import Fault, Request, answer
from tests.support.reference.server import ReferenceBackend


def test_a_token_that_is_refused_gives_way_to_the_account(backend: ReferenceBackend) -> None:
    """Un token de otro backend no estorba si la cuenta vale: las listas se leen con el nuevo, como en una pasada."""
    env = account(backend, BACKEND_JWT_TOKEN="de-otro-backend")

    assert diagnose(**env).code == run_inside("run-once", **env).code == 0


def test_a_missing_prefix_is_found(backend: ReferenceBackend) -> None:
    """Con la API bajo `/events` y `/auth/` en la raíz: 76 y las dos variables que hay que poner."""
    diagnosis = diagnose(**account(backend, backend.auth_url))
    finding = diagnosis.one("list")

    assert (diagnosis.code, finding["level"]) == (76, "error")
    assert "HTTP 404" in finding["message"]
    cure = {"BACKEND_URL": backend.url, "AUTH_URL": backend.auth_url}
    assert all(f"{name}={value}" in finding["cure"] for name, value in cure.items())
    assert diagnose(**account(backend, **cure)).code == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prefix", "given", "right"),
    [
        ("/events", "", "/events"),
        ("/events", "/api/events-status/pending-start", "/events"),
        ("/events", "/eventos", "/events"),
        ("", "/api/events-status", ""),
        ("", "/api/events-status/7/start", ""),
        ("", "/events", ""),
        ("/x/events", "/x", "/x/events"),
        ("/x", "/x/api", "/x"),
    ],
)
def test_the_right_url_is_suggested(backend: ReferenceBackend, prefix: str, given: str, right: str) -> None:
    """Un prefijo que falta, que sobra o una ruta pegada entera: siempre se dice la `BACKEND_URL` buena."""
    backend.configure(prefix=prefix)

    diagnosis = diagnose(BACKEND_URL=backend.auth_url + given)

    assert diagnosis.code == 76
    assert f"BACKEND_URL={backend.auth_url}{right} " in diagnosis.one("list")["cure"]


def test_a_missing_auth_url_is_found(backend: ReferenceBackend) -> None:
    """Con el prefijo bien y `/auth/` en la raíz: 76, la `AUTH_URL` que falta, y las listas están ahí."""
    diagnosis = diagnose(**account(backend, backend.url))

    assert diagnosis.code == 76
    assert diagnosis.one("login")["cure"] == f"Ponga AUTH_URL={backend.auth_url}"
    assert "pide credenciales" in diagnosis.one("list")["message"]


def test_no_auth_url_is_suggested_that_does_not_answer() -> None:
    """Si el inicio de sesión no está en ninguna parte, se dice qué variable comprobar y nada más."""

    def rule(request: Request) -> Any:
        if request.method == "GET" and request.path == "/auth/login/":
            return Fault.CUT
        return answer(401 if request.path.startswith("/x/api") else 404)

    with FaultyServer(rule) as server:
        diagnosis = diagnose(BACKEND_URL=f"{server.url}/x", BACKEND_EMAIL="alguien", BACKEND_PASSWORD="secreta")

    assert (diagnosis.code, diagnosis.errors) == (76, ["login"])
    assert diagnosis.one("login")["cure"] == "Compruebe AUTH_URL"


def test_nothing_is_suggested_that_does_not_answer() -> None:
    """Si la API no está en ninguna parte, se dice qué comprobar y no se inventa ninguna dirección."""
    with FaultyServer(lambda _: answer(200, "<html>Portada</html>")) as server:
        diagnosis = diagnose(BACKEND_URL=server.url)

    assert diagnosis.code == 76
    assert "página HTML" in diagnosis.one("list")["message"]
    assert diagnosis.one("list")["cure"] == "Compruebe BACKEND_URL"
    assert len(server.requests) < 10


def test_a_redirection_names_the_final_url_and_gets_no_token(backend: ReferenceBackend) -> None:
    """Si la lista redirige a otro puerto del servidor, se dice cuál; a él no se le manda el token."""
    final = FaultyServer(lambda _: answer(401))
    with final, FaultyServer(lambda request: answer(301, Location=final.url + request.path)) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, BACKEND_JWT_TOKEN=backend.token())

    assert diagnosis.code == 76
    assert f"BACKEND_URL={final.url} " in diagnosis.one("list")["cure"]
    assert final.requests
    assert all("authorization" not in request.headers for request in final.requests)
