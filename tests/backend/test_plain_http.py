"""En claro y hacia otra máquina, la contraseña no sale mientras nadie la pida."""

from typing import Any

from tests.support.faults import FaultyServer
from tests.support.inside import endure, run_inside
from tests.support.reactions import Raw, Request, answer

ACCOUNT: dict[str, Any] = {
    "BACKEND_URL": "http://admin.example",
    "BACKEND_EMAIL": "yo@example.com",
    "BACKEND_PASSWORD": "secretísima",
}


def test_a_redirect_to_https_is_noticed_before_the_login() -> None:
    """Si el servidor redirige a https, se sabe con la primera lista: 76, y el correo y la contraseña no han salido."""

    def rule(request: Request) -> Raw:
        return answer(301, "", Location=request.path.replace("http:", "https:"))

    # Un proxy ve lo mismo que quien esté en el camino, y deja llamar al servidor por un nombre que no existe.
    with FaultyServer(rule) as road:
        completed = endure(road, "run-once", **{**ACCOUNT, "BACKEND_PROXY": road.url})
        diagnosis = run_inside("check", **ACCOUNT, BACKEND_PROXY=road.url)

    assert (completed.code, diagnosis.code) == (76, 76)
    assert "redirige" in diagnosis.stdout
    assert road.count("POST") == 0
    assert all(b"secret" not in request.body for request in road.requests)


def test_who_asks_for_it_gets_it() -> None:
    """Si la lista pide credenciales, se inicia sesión una vez y se sigue."""

    def rule(request: Request) -> Raw:
        if request.method == "POST":
            return answer(200, '{"token": "a.b.c"}')
        return answer(200, "[]") if request.headers.get("authorization") == "Bearer a.b.c" else answer(401, "{}")

    with FaultyServer(rule) as road:
        completed = endure(road, "run-once", **{**ACCOUNT, "BACKEND_PROXY": road.url})

    assert completed.code == 0
    assert road.count("POST", "/auth/login/") == 1
    assert road.requests[0].method == "GET"
