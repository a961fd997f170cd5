"""La barra de una pasada larga."""

import json

import pytest

from estado_eventos.domain.transitions import START
from estado_eventos.output.progress import ProgressBar, progress
from tests.support.passes import config
from tests.support.reference.server import ReferenceBackend
from tests.support.terminal_session import in_terminal


@pytest.mark.slow
def test_a_long_pass_shows_its_progress(backend: ReferenceBackend) -> None:
    """Una pasada larga enseña cuántos eventos lleva de cuántos, y después la tabla."""
    backend.configure(latency_ms=100)
    backend.add_events(due_start=40)

    code, seen = in_terminal(
        "run-once", BACKEND_URL=backend.url, BACKEND_JWT_TOKEN=backend.token(), MAX_CONCURRENCY=2, LOG_LEVEL="WARNING"
    )

    assert code == 0
    assert "/40" in seen
    assert "40 iniciado(s)" in seen


@pytest.mark.slow
def test_json_logs_have_no_bar(backend: ReferenceBackend) -> None:
    """Con `LOG_FORMAT=json`, una pasada larga no dibuja nada en un terminal: cada línea es un objeto JSON."""
    backend.configure(latency_ms=100)
    backend.add_events(due_start=40)

    code, seen = in_terminal("run-once", **config(backend, MAX_CONCURRENCY=2, LOG_FORMAT="json"))

    assert code == 0
    assert sum("estado_eventos.result" in json.loads(line) for line in seen.splitlines()) == 40


def test_a_short_pass_draws_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Lo que acaba enseguida no llega a dibujar ninguna barra."""
    with ProgressBar() as bar:
        bar(START, 1, 1000)
        bar(START, 1000, 1000)

    assert capsys.readouterr() == ("", "")


def test_no_bar_without_a_terminal_or_when_not_wanted() -> None:
    """Sin terminal, o si no se quiere, no hay a quién contarle cómo va."""
    for wanted in (True, False):
        with progress(wanted=wanted) as callback:
            assert callback is None
