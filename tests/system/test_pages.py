"""Listas por páginas, también las que cambian mientras se leen, no acaban o llevan a otro sitio; y redirecciones."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from estado_eventos.domain.transitions import FINISH, START
from tests.support.faults import FaultyServer
from tests.support.inside import endure, run_inside
from tests.support.obliging import Obliging
from tests.support.passes import config, part_of, results
from tests.support.reactions import OK_HEAD, YES, Drip, Fault, Raw, Reaction, Request, answer, listing
from tests.support.reference.server import ReferenceBackend


@pytest.mark.parametrize("shape", ["plain", "list", "pages"])
def test_all_pages_are_read(backend: ReferenceBackend, shape: Any) -> None:
    """Con cualquier forma de lista del backend se mueven todos, los de todas las páginas."""
    backend.configure(list_shape=shape, page_size=3)
    backend.add_events(due_start=10)

    completed = run_inside("start", "--json", **config(backend))

    assert completed.code == 0
    assert part_of(completed)["done"] == 10


class Shifting:
    """Cuatro eventos, en páginas de dos; entre la primera y la segunda, otra máquina mueve los `taken` primeros."""

    def __init__(self, taken: int) -> None:
        """Aún están todos."""
        self.pending = [1, 2, 4, 3]
        self._taken = taken

    def __call__(self, request: Request) -> Raw:
        """Contesta como las páginas de DRF."""
        path, _, query = request.path.partition("?")
        if request.method == "POST":
            event_id = int(path.split("/")[-3])
            if event_id not in self.pending:
                return answer(400, '{"error": "ya está en progreso"}')
            self.pending.remove(event_id)
            return YES
        number = int(query.removeprefix("page=") or 1)
        if number == 2:
            self.pending, self._taken = self.pending[self._taken :], 0
        count, page = len(self.pending), self.pending[2 * number - 2 : 2 * number]
        if number > 1 and not page:
            return answer(404, '{"detail": "Página no válida"}')
        return listing(*page, count=count, next=f"?page={number + 1}" if count > 2 * number else None)


@pytest.mark.parametrize("taken", [1, 2])
def test_a_list_that_shifts_between_pages_hides_no_event(taken: int) -> None:
    """Si la otra parte acorta la lista mientras se lee, lo que se saltó se mueve en la misma pasada, y no es un 76."""
    with FaultyServer(Shifting(taken)) as server:
        completed = run_inside("start", "--json", BACKEND_URL=server.url, SHARD="1/2")

    assert (completed.code, results(completed)) == (0, {"4": "done"})


def _endless(number: int, left: list[int]) -> Reaction:
    return listing(*left, next=f"?page={number + 1}")


def _stalls(number: int, left: list[int]) -> Reaction:
    return Fault.STALL if number == 2 else listing(*left, next="?page=2")


def _drips(number: int, left: list[int]) -> Reaction:
    return Drip(OK_HEAD + b"\r\n[", b" ") if number == 2 else listing(*left, next="?page=2")


@pytest.mark.slow
@pytest.mark.parametrize("pages", [_endless, _stalls, _drips])
def test_pages_that_never_end_do_not_starve_what_was_read(pages: Callable[[int, list[int]], Reaction]) -> None:
    """Si las páginas no se acaban, o una no llega, los eventos ya leídos se mueven igual; 69 y se dice."""
    asked: set[int] = set()

    def rule(request: Request) -> Reaction:
        if request.method == "POST":
            asked.add(int(request.path.split("/")[-3]))
            return YES
        number = int(request.path.partition("?page=")[2] or 1)
        return pages(number, [number] if number not in asked else [])

    with FaultyServer(rule) as server:
        completed = endure(server, seconds=10)

    assert completed.code == 69
    assert results(completed)["1"] == "done"
    assert "páginas no acaban de llegar" in completed.report["error"]


@pytest.mark.parametrize(
    ("following", "words"),
    [
        ("", "no se acaban nunca"),
        ("#1", "no se acaban nunca"),
        (7, "no es una URL"),
        ({"page": 2}, "no es una URL"),
        ("http://[::1", "no es una URL"),
        ("?page=\x1b2", "no es una URL"),
        ("http://\ud800/", "no es una URL"),
        ("//otro.ejemplo/", "en otro servidor"),
        ("https://{host}/", "en otro servidor"),
        ("http://u:p@{other}/", "en otro servidor"),
        ("http://localhost:{port}/", "en otro servidor"),
        ("ftp://{host}/", "en otro servidor"),
    ],
)
def test_a_next_that_cannot_be_followed_is_not(following: object, words: str) -> None:
    """Una página siguiente que es la misma, no es una URL o está en otro sitio no se pide; lo leído se hace: 76."""

    def page(items: Sequence[object]) -> str:
        target = following or START.list_path
        if isinstance(target, str):
            host = server.url.removeprefix("http://")
            names = {"host": host, "port": host.partition(":")[2], "other": other.url.removeprefix("http://")}
            for name, value in names.items():
                target = target.replace(f"{{{name}}}", value)
        return json.dumps({"results": items, "next": target})

    with (
        FaultyServer(lambda _: answer(200, "[]")) as other,
        FaultyServer(Obliging([{"id": 1}], page=page)) as server,
    ):
        completed = endure(server, BACKEND_JWT_TOKEN="abc.def.ghi")

    assert completed.code == 76
    assert words in completed.report["error"]
    assert results(completed) == {"1": "done"}
    assert other.requests == []
    assert server.count("GET") <= 2 * 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    """Ni una lista ni un evento siguen una redirección, y el token no llega al otro servidor: 76 y a dónde iba."""
    with FaultyServer(lambda _: answer(200, "[]")) as other:
        elsewhere = answer(status, '{"success": true, "results": []}', Location=f"{other.url}/x?correo=a@b")
        obliging = Obliging([{"id": 1}], FINISH.name)

        def rule(request: Request) -> Reaction:
            return elsewhere if request.path != FINISH.list_path and request.nth == 1 else obliging(request)

        with FaultyServer(rule) as server:
            completed = endure(server, "run-once", BACKEND_JWT_TOKEN="abc.def.ghi")

    (event,) = completed.report["transitions"]["finish"]["events"]
    assert completed.code == 76
    assert f"HTTP {status}: redirige a «{other.url}/x?correo=a@b»" in completed.report["error"]
    assert (event["result"], event["attempts"]) == ("done", 2)
    assert other.requests == []


@pytest.mark.parametrize("location", ["", "http://[", "http://\x1b[2J/", "http://ñ\ud7ff/", "//", ":", "http://a:b:c/"])
def test_a_redirect_to_nowhere_is_76(location: str) -> None:
    """Una redirección a algo que no es una URL es también una redirección: 76, a la primera y en una línea limpia."""
    with FaultyServer(lambda _: answer(302, Location=location)) as server:
        completed = endure(server)

    assert completed.code == 76
    assert "HTTP 302: redirige" in completed.report["error"]
    assert len(server.requests) == 1


def test_the_token_stays_on_its_origin(backend: ReferenceBackend) -> None:
    """Una página siguiente en otro servidor no se sigue: ni se le pide nada ni recibe el token."""
    with FaultyServer(lambda _: answer(200, "[]")) as other:
        following = f"{other.url}{START.list_path}?page=2"
        page = Obliging([{"id": 1}], page=lambda items: json.dumps({"next": following, "results": items}))
        with FaultyServer(page) as server:
            completed = run_inside("start", "--json", **config(backend, server.url))

    assert completed.code == 76
    assert "otro servidor" in completed.report["error"]
    assert part_of(completed)["done"] == 1
    assert other.requests == []
