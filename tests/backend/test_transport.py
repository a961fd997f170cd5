"""Lo que se quita de una respuesta antes de que nadie la entienda mal: a dónde redirige y qué quiere guardar."""

import pytest

from estado_eventos.backend.in_between import PORTAL
from tests.support.faults import FaultyServer
from tests.support.inside import endure
from tests.support.program import run
from tests.support.reactions import Raw, Request, answer


@pytest.mark.slow
@pytest.mark.parametrize(
    "location",
    [
        "https://otro.example/api",
        "/login/?next=/api",
        "mailto:admin@example.com",
        "javascript:alert(1)",
        "localhost:8443/api",
        "http://[::1",
        "http://ejemplo.example:99999999/",
        "//",
        "http://\xff\xfe/",
        "%%%",
        "",
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_one_sentence_and_one_read(status: int, location: str) -> None:
    """Una redirección, vaya a donde vaya, es 76, una frase en español y una sola lectura."""
    with FaultyServer(lambda _: answer(status, "", Location=location)) as server:
        completed = endure(server)

    assert completed.code == 76
    assert completed.report["error"].startswith(f"lista de pendientes de inicio: HTTP {status}: redirige")
    cure = PORTAL if "/login/" in location else "Ponga en BACKEND_URL la dirección definitiva"
    assert completed.report["error"].endswith(f"no se siguen. {cure}")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "cookie",
    [
        "sesion=1; Path=/",
        "sesion=1; expires=Wed, 01 Jxx 2026 00:00:00 GMT",
        "sesion=1; Max-Age=1e400; Version=x",
        "=; ; ;;;=;expires=\xff",
    ],
)
def test_cookies_are_not_even_read(cookie: str) -> None:
    """Una cookie, por absurda que sea, no se entiende, ni se guarda, ni se devuelve, ni escribe nada en stderr."""

    def rule(request: Request) -> Raw:
        return answer(200, "[]" if request.method == "GET" else "{}", Set_Cookie=cookie)

    with FaultyServer(rule) as server:
        completed = run("run-once", "--quiet", env={"BACKEND_URL": server.url})

    assert (completed.code, completed.stdout, completed.stderr) == (0, "", "")
    assert all("cookie" not in request.headers for request in server.requests)
