"""Un backend que está mal y se cura: la pasada sigue hasta su límite; lo que él no quiere, cuatro veces."""

from pathlib import Path

import pytest
import trustme

from estado_eventos.domain.transitions import START
from tests.support.faults import FaultyServer
from tests.support.inside import run_inside
from tests.support.passes import config, part_of, results
from tests.support.reactions import Fault, Reaction, Request, answer
from tests.support.reference.server import ReferenceBackend
from tests.support.terminal_session import in_terminal
from tests.support.tls import certified

WAIT = "Ctrl-C acaba"


@pytest.mark.slow
@pytest.mark.parametrize("illness", [answer(503), answer(429), Fault.RESET], ids=["503", "429", "RST"])
def test_a_backend_that_comes_back_is_waited_for(backend: ReferenceBackend, illness: Reaction) -> None:
    """Seis lecturas que fallan, de 503 o de red, no gastan la pasada: cuando vuelve, todo se mueve, y es un 0."""
    backend.add_events(due_start=3)

    def ill(request: Request) -> Reaction:
        return illness if request.path == START.list_path and request.nth <= 6 else None

    with FaultyServer(ill, backend.url) as proxy:
        completed = run_inside("start", "--json", **config(backend, proxy.url))

    assert completed.code == 0
    assert part_of(completed)["done"] == 3


@pytest.mark.slow
def test_what_it_refuses_gets_four_tries_and_the_rest_all_it_needs(backend: ReferenceBackend) -> None:
    """Lo que contesta 400 se pide cuatro veces; lo que contesta 503, hasta que se cura."""
    (refused,) = backend.add_events(broken_start=1)
    (ill,) = backend.add_events(due_start=1)

    def rule(request: Request) -> Reaction:
        return answer(503) if request.path == START.action_path(ill) and request.nth <= 5 else None

    with FaultyServer(rule, backend.url) as proxy:
        completed = run_inside("start", "--json", **config(backend, proxy.url))

    assert completed.code == 1
    assert results(completed) == {str(refused): "failed", str(ill): "done"}
    assert {event["id"]: event["attempts"] for event in part_of(completed)["events"]} == {refused: 4, ill: 6}


@pytest.mark.parametrize(
    ("arguments", "requests"), [(["pending", "--json"], 2), (["start", "--dry-run", "--json"], 1), (["health"], 2)]
)
def test_who_only_looks_does_not_wait(arguments: list[str], requests: int) -> None:
    """`pending`, `health` y `--dry-run` leen cada lista una vez: quien mira quiere saberlo ya."""
    with FaultyServer(lambda _: answer(503)) as server:
        completed = run_inside(*arguments, BACKEND_URL=server.url)

    assert completed.code == 69
    assert len(server.requests) == requests


def test_a_certificate_that_is_not_valid_ends_it(tmp_path: Path) -> None:
    """Un certificado que no vale no se cura esperando: 69, con una conexión por lista."""
    context = certified(trustme.CA(), "127.0.0.1")
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "otra.pem"))
    with FaultyServer(tls=context) as server:
        completed = run_inside("run-once", "--json", BACKEND_URL=server.url, SSL_CERT_FILE=tmp_path / "otra.pem")

    assert completed.code == 69
    assert completed.report["requests"] == 2


@pytest.mark.slow
def test_on_a_terminal_it_says_what_it_waits_for() -> None:
    """En un terminal se dice a qué se espera y que Ctrl-C lo acaba."""
    with FaultyServer(lambda _: answer(503)) as server:
        code, seen = in_terminal("start", BACKEND_URL=server.url, PASS_TIMEOUT=12, LOG_LEVEL="WARNING")

    assert code == 69
    assert "se espera al backend" in seen
    assert WAIT in seen
