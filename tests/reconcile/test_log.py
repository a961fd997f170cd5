"""Las líneas del registro de una pasada."""

import json
from typing import Any

import pytest

from tests.support.faults import FaultyServer
from tests.support.inside import run_inside
from tests.support.passes import config
from tests.support.reactions import Request, answer
from tests.support.reference.server import ReferenceBackend


@pytest.mark.slow
def test_log_lines_are_those_of_the_old_service(backend: ReferenceBackend) -> None:
    """Las líneas del registro son, letra por letra, las del servicio antiguo."""
    backend.add_events(due_start=1, public_ids=["examen-123"])
    backend.add_events(broken_finish=1, public_ids=["examen-456"])

    completed = run_inside("run-once", **config(backend))

    messages = completed.messages
    assert "INFO - Ejecutando job: start_pending_events" in messages
    assert "INFO - Ejecutando job: finish_pending_events" in messages
    assert "INFO - Se encontraron 1 evento(s) pendiente(s) de inicio" in messages
    assert "INFO - Se encontraron 1 evento(s) pendiente(s) de finalización" in messages
    assert "INFO - ✓ Evento examen-123 iniciado exitosamente" in messages
    beginnings = {
        "INFO - Intentando iniciar evento examen-123 (fecha inicio: 20": 1,
        "INFO - Intentando finalizar evento examen-456 (fecha fin: 20": 4,
        "WARNING - ✗ No se pudo finalizar el evento examen-456: ": 1,
    }
    for beginning, times in beginnings.items():
        assert sum(message.startswith(beginning) for message in messages) == times


def test_quiet_says_nothing_when_all_is_well(backend: ReferenceBackend) -> None:
    """Con `--quiet`, una pasada buena no escribe nada, también si ha hecho algo."""
    backend.add_events(due_start=2)

    completed = run_inside("run-once", "--quiet", **config(backend))

    assert (completed.code, completed.stdout, completed.stderr) == (0, "", "")


def test_quiet_speaks_when_something_is_wrong(backend: ReferenceBackend) -> None:
    """Con `--quiet`, un evento que no se deja cambiar sí sale, con el motivo del backend."""
    backend.add_events(broken_start=1)

    completed = run_inside("run-once", "--quiet", **config(backend))

    assert completed.code == 1
    assert completed.stdout == ""
    assert "✗ No se pudo iniciar el evento" in completed.stderr


def test_errors_from_the_network_reach_the_log_as_one_plain_line() -> None:
    """Lo que dice el backend sale sin órdenes de terminal, sin marcas y sin líneas falsas."""
    hostile = "\x1b[31mrojo\x1b[0m [bold]x[/bold]\n2025-01-01 00:00:00 - INFO - falso \u202eoculto"

    def rule(request: Request) -> Any:
        if request.method == "GET":
            return answer(200, '[{"id": 9, "start_date": "\\u001b[2Jayer"}]')
        return answer(400, json.dumps({"error": hostile}))

    with FaultyServer(rule) as server:
        completed = run_inside("start", BACKEND_URL=server.url)

    assert completed.code == 1
    assert "\x1b" not in completed.stderr + completed.stdout
    assert "\u202e" not in completed.stderr
    (line,) = (line for line in completed.stderr.splitlines() if "✗" in line)
    assert line.endswith(
        "✗ No se pudo iniciar el evento 9: [31mrojo [0m [bold]x[/bold] 2025-01-01 00:00:00 - INFO - falso oculto"
    )
