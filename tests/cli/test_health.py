"""Lo que contesta el programa a un monitor: `health` e `info`."""

import json
from typing import Any

import pytest

from estado_eventos import __version__
from estado_eventos.cli.health import health
from estado_eventos.config.sources import Loaded
from estado_eventos.domain.transitions import FINISH
from estado_eventos.monitoring.endpoint import service_info
from tests.support.faults import FaultyServer
from tests.support.inside import run_inside
from tests.support.reactions import Fault, answer
from tests.support.reference.server import ReferenceBackend


def test_health_is_ok_when_both_lists_can_be_read(backend: ReferenceBackend) -> None:
    """Con las dos listas legibles: 0, la respuesta del servicio antiguo, y nada ha cambiado ni se registra."""
    backend.add_events(due_start=2, due_finish=1)
    env = {"BACKEND_URL": backend.url, "BACKEND_JWT_TOKEN": backend.token()}

    completed = run_inside("health", "--json", **env)

    assert (completed.code, json.loads(completed.stdout), completed.stderr) == (0, {"status": "ok"}, "")
    assert backend.history() == []
    assert sorted(request.method for request in backend.requests()) == ["GET", "GET"]
    assert run_inside("health", **env).stdout == "ok: se leen las listas de pendientes\n"


@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (answer(401), 77, "BACKEND_EMAIL"),
        (answer(403), 77, "admin"),
        (answer(404), 76, "prefijo"),
        (answer(200, "<html>"), 76, "HTML"),
        (answer(503), 69, "HTTP 503"),
        (Fault.STALL, 69, "no contestó en 0.5 s"),
    ],
)
def test_health_says_what_is_wrong_with_the_code_of_a_pass(reply: Any, code: int, words: str) -> None:
    """Si una lista no se puede leer: el código que daría la pasada y por qué, sin repetir ninguna petición."""
    with FaultyServer(lambda _: reply) as server:
        env = {"BACKEND_URL": server.url, "HTTP_TIMEOUT": 0.5}
        completed = run_inside("health", "--json", **env)
        plain = run_inside("health", **env)

    content = json.loads(completed.stdout)
    assert (completed.code, plain.code) == (code, code)
    assert content == {"status": "error", "detail": content["detail"]}
    assert words in content["detail"]
    assert plain.stdout == f"error: {content['detail']}\n"
    assert len(server.requests) == 4


def test_one_list_is_not_enough(backend: ReferenceBackend) -> None:
    """Con una sola lista legible no está bien."""

    def second_fails(request: Any) -> Any:
        return answer(500) if request.path == FINISH.list_path else None

    with FaultyServer(second_fails, backend.url) as proxy:
        completed = run_inside("health", "--json", BACKEND_URL=proxy.url, BACKEND_JWT_TOKEN=backend.token())

    assert completed.code == 69
    assert "finalización" in json.loads(completed.stdout)["detail"]


def test_a_badly_written_event_is_not_an_ill_backend() -> None:
    """Un evento que la lista trae mal escrito no quita que las listas se lean."""
    with FaultyServer(lambda _: answer(200, '[{"nada": 1}]')) as server:
        completed = run_inside("health", "--json", BACKEND_URL=server.url)

    assert (completed.code, completed.stdout) == (0, '{"status": "ok"}\n')


def test_wrong_settings_are_an_answer_too() -> None:
    """Con la configuración mal, un monitor lee lo mismo que con todo lo demás: 78 y el motivo."""
    completed = run_inside("health", "--json", HTTP_TIMEOUT="mucho")

    assert completed.code == 78
    assert json.loads(completed.stdout) == {"status": "error", "detail": "HTTP_TIMEOUT (entorno): no es un número."}


def test_a_bug_is_an_answer_too(capsys: pytest.CaptureFixture[str]) -> None:
    """Un fallo del programa también se contesta como espera el monitor: 70, sin volcado de pila."""

    def broken() -> Loaded:
        raise ZeroDivisionError

    code = health(broken, as_json=True)
    printed = capsys.readouterr()

    assert code == 70
    assert json.loads(printed.out)["detail"].startswith("fallo interno")
    assert "Traceback" not in printed.err


def test_health_ends_with_its_deadline() -> None:
    """Ante un backend que no acaba de contestar, acaba con el límite de la pasada."""
    with FaultyServer(lambda _: Fault.STALL) as server:
        completed = run_inside("health", "--json", BACKEND_URL=server.url, PASS_TIMEOUT=0.5)

    assert completed.code == 69
    assert "0.5 s" in json.loads(completed.stdout)["detail"]


def test_info_has_the_keys_of_the_old_service() -> None:
    """`info --json` da las cuatro claves del servicio antiguo y ninguna más, sin hablar con nadie."""
    completed = run_inside("info", "--json", SCHEDULER_INTERVAL_SECONDS=120)

    assert completed.code == 0
    assert json.loads(completed.stdout) == {
        "service": "Estado de Eventos",
        "version": __version__,
        "status": "running",
        "scheduler_interval_seconds": 120,
    }
    assert json.loads(completed.stdout) == service_info(120)


def test_info_in_words() -> None:
    """Sin `--json`, lo mismo en palabras."""
    assert run_inside("info").stdout == f"Estado de Eventos {__version__}\nUna pasada cada 60 s\n"
