"""Un backend que repite lo que se le manda: ni un trozo de un secreto llega a ninguna parte."""

import json
import time
from typing import Any

import jwt
import pytest

from tests.support.faults import FaultyServer
from tests.support.inside import endure, run_inside
from tests.support.obliging import Obliging
from tests.support.reactions import Raw, Request, answer
from tests.support.reference.contract import LOGIN, REFRESH

COMMANDS = (["run-once", "--json"], ["run-once"], ["pending"], ["check", "--json"], ["health", "--json"], ["token"])
PASSWORD = "dos  espacios & <comillas>"
EMAIL = "correo@example.com"


def mint(life: int) -> str:
    """Un token largo, con esa vida."""
    now = int(time.time())
    return jwt.encode({"iat": now, "exp": now + life, "pad": "x" * 200}, "clave-de-prueba-de-treinta-y-dos-bytes")


def pieces(secret: str, size: int = 12) -> list[str]:
    """Los trozos de un secreto por los que se le reconocería."""
    return [secret[start : start + size] for start in range(0, len(secret) - size + 1, size)]


def check_nothing_leaks(server: FaultyServer, secrets: list[str], **variables: Any) -> None:
    """Ninguna salida de ningún mandato trae un trozo de ninguno."""
    seen = ""
    for command in COMMANDS:
        settings = {"BACKEND_URL": server.url, "PASS_TIMEOUT": 2, "LOG_LEVEL": "DEBUG", **variables}
        completed = run_inside(*command, **settings)
        seen += completed.stderr + (completed.stdout if command != ["token"] else "")
    for secret in secrets:
        assert [piece for piece in pieces(secret) if piece in seen] == []


@pytest.mark.slow
@pytest.mark.parametrize("status", [200, 302, 400, 403, 404, 500])
@pytest.mark.parametrize("padding", [0, 150, 280])
def test_an_echo_of_the_token_is_crossed_out_before_it_is_cut(status: int, padding: int) -> None:
    """Un token repetido donde se corta una frase no deja ni su principio en el error, el estado o el id."""
    token = mint(1500)

    def rule(request: Request) -> Raw:
        words = "y" * padding + request.headers.get("authorization", "")
        if request.method == "GET" and status == 200:
            return answer(200, json.dumps([{"id": 7}, {"id": token[:60]}, {"id": words, "start_date": words}]))
        body = {"error": words, "success": True, "status": words}
        return answer(status, json.dumps(body), Location=f"https://otro.example/{words}")

    with FaultyServer(rule) as server:
        check_nothing_leaks(server, [token[60:]], BACKEND_JWT_TOKEN=token)


@pytest.mark.slow
def test_the_token_of_before_a_renewal_is_still_a_secret() -> None:
    """Un token que ya se cambió por otro tampoco se ve, aunque el backend lo recuerde."""
    old, new = mint(60), mint(1800)
    used: list[str] = []

    def rule(request: Request) -> Raw:
        if request.path == REFRESH:
            return answer(200, json.dumps({"token": new}))
        if request.path == LOGIN:
            return answer(200, json.dumps({"token": old}))
        used.append(request.headers.get("authorization", ""))
        return answer(500, json.dumps({"error": f"antes era {old} y ahora {used[-1]}"}))

    with FaultyServer(rule) as server:
        check_nothing_leaks(
            server, [old[40:], new[40:]], BACKEND_JWT_TOKEN=old, BACKEND_EMAIL=EMAIL, BACKEND_PASSWORD=PASSWORD
        )

    assert any(new in header for header in used)


@pytest.mark.slow
@pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
def test_what_a_login_says_when_it_fails_shows_nothing(status: int) -> None:
    """El correo, la contraseña y el token que se mandan a `/auth/` no vuelven en lo que dice al negarse."""
    token = mint(30)

    def rule(request: Request) -> Raw:
        if "/auth/" in request.path:
            return answer(status, json.dumps({"error": f"no vale {request.body.decode()} ni {PASSWORD} de {EMAIL}"}))
        return answer(200, "[]") if "authorization" in request.headers else answer(401, "{}")

    with FaultyServer(rule) as server:
        check_nothing_leaks(
            server,
            [token[40:], PASSWORD, "dos espacios & <co", EMAIL],
            BACKEND_JWT_TOKEN=token,
            BACKEND_EMAIL=EMAIL,
            BACKEND_PASSWORD=PASSWORD,
        )


@pytest.mark.slow
def test_with_a_short_password_nothing_is_repeated() -> None:
    """Si la contraseña es demasiado corta para buscarla, no se repite nada de lo que diga el backend."""

    def rule(request: Request) -> Raw:
        if request.path == LOGIN:
            return answer(200, '{"token": "a.b.c-largo"}')
        if request.method == "GET":
            return answer(200, '[{"id": 7}]')
        return answer(400, '{"error": "su contraseña es p4ss"}')

    with FaultyServer(rule) as server:
        completed = endure(server, seconds=20, BACKEND_EMAIL=EMAIL, BACKEND_PASSWORD="p4ss")

    (event,) = completed.report["transitions"]["start"]["events"]
    assert event["error"] == "HTTP 400"
    assert "p4ss" not in completed.stdout + completed.stderr


HEARTBEAT = "0b5f44aa-1234-4321-8888-123456789abc"


@pytest.mark.parametrize("scheme", ["http", pytest.param("https", marks=pytest.mark.slow)])
def test_what_a_proxy_repeats_shows_nothing(scheme: str) -> None:
    """Un proxy que repite con qué se le entra, en su cuerpo o en la línea de estado, no lo enseña a nadie."""

    def rule(request: Request) -> Raw:
        words = f"{request.headers.get('proxy-authorization')} usuario.p1:cl%40ve-larga cl@ve-larga"
        body = json.dumps({"error": words})
        return Raw(f"HTTP/1.1 407 {words}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

    with FaultyServer(rule) as server:
        proxy = server.url.replace("//", "//usuario.p1:cl%40ve-larga@")
        check_nothing_leaks(
            server,
            ["dXN1YXJpby5wMTpjbEB2ZS1sYXJnYQ==", "cl%40ve-larga", "cl@ve-larga"],
            BACKEND_URL=f"{scheme}://backend.example",
            BACKEND_PROXY=proxy,
        )


@pytest.mark.slow
def test_the_address_of_the_heartbeat_is_a_secret_of_everybody() -> None:
    """Quien repite la dirección del latido, sea el backend o el propio monitor, no la enseña a nadie."""

    def rule(request: Request) -> Raw:
        if HEARTBEAT in request.path:
            return Raw(f"HTTP/1.1 {request.path} {request.path}\r\n\r\n".encode())
        return answer(403, json.dumps({"error": f"su latido es {server.url}/ping/{HEARTBEAT}/x"}))

    with FaultyServer(rule) as server:
        check_nothing_leaks(server, [HEARTBEAT], HEARTBEAT_URL=f"{server.url}/ping/{HEARTBEAT}")

    assert any(HEARTBEAT in request.path for request in server.requests)


@pytest.mark.parametrize("password", ["success", "123456", "start_date"])
def test_a_password_that_is_a_word_of_the_api_spoils_nothing(password: str) -> None:
    """Con una palabra de la API de contraseña, la lista y los síes se entienden y el informe es el de siempre."""
    backend = Obliging([{"id": 123456, "start_date": "2026-01-01T10:00:00Z"}])

    def rule(request: Request) -> Raw:
        return answer(200, '{"token": "a.b.c-largo"}') if request.path == LOGIN else backend(request)

    with FaultyServer(rule) as server:
        completed = endure(server, seconds=20, BACKEND_EMAIL=EMAIL, BACKEND_PASSWORD=password)

    (event,) = completed.report["transitions"]["start"]["events"]
    assert completed.code == 0
    assert (event["id"], event["result"]) == (123456, "done")
    assert "Se encontraron 1 evento(s) pendiente(s) de inicio" in completed.stderr
