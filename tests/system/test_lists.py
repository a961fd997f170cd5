"""Lo que puede traer una lista de pendientes: qué se entiende, qué no y con qué código acaba."""

import re
from typing import Any

import pytest

from estado_eventos.domain.transitions import FINISH, START
from tests.support.faults import FaultyServer
from tests.support.inside import endure, run_inside
from tests.support.obliging import obliging_both
from tests.support.passes import part_of, results
from tests.support.reactions import YES, Raw, Reaction, Request, Rule, answer

DIGITS = "9" * 8_000_000


def obliging_texts(shape: str, *items: str) -> Rule:
    """Un backend que escribe así su lista, con esos elementos, y quita los que se le piden."""
    asked: set[str] = set()

    def is_left(item: str) -> bool:
        named = re.search(r'"id": "?([\w-]{1,64})"?[,}]', item)
        return named is None or named[1] not in asked

    def rule(request: Request) -> Raw:
        if request.method == "GET":
            return answer(200, shape.replace("…", ", ".join(filter(is_left, items))))
        asked.add(request.path.split("/")[-3])
        return YES

    return rule


@pytest.mark.parametrize(
    ("shape", "items", "ids"),
    [
        ("[…]", ['{"id": 1}'], [1]),
        ('{"results": […]}', ['{"id": "a-b_C"}', '{"id": 2}'], ["a-b_C", 2]),
        ('\ufeff{"count": 1, "next": null, "previous": null, "results": […]}', ['{"id": 3}'], [3]),
        ('{"results": […]}', ['{"id": 4}', '{"id": 4}', '{"id": "4"}'], [4]),
        ('{"results": […]}', [], []),
    ],
)
def test_every_list_shape_is_understood(shape: str, items: list[str], ids: list[int | str]) -> None:
    """Lista sin más, `results`, páginas de DRF; un identificador repetido es un solo evento."""
    with FaultyServer(obliging_texts(shape, *items)) as server:
        completed = run_inside("start", "--json", BACKEND_URL=server.url)

    assert completed.code == 0
    assert [event["id"] for event in part_of(completed)["events"]] == ids
    assert server.count("POST") == len(ids)


@pytest.mark.parametrize(
    "bad",
    [
        "{}",
        "7",
        '{"id": null}',
        '{"id": "../x"}',
        '{"id": true}',
        '{"id": 1.5}',
        '{"id": ""}',
        '{"id": "é"}',
        '{"id": NaN}',
        '{"id": [1]}',
        f'{{"id": {"9" * 5000}}}',
        f'{{"id": "{"a" * 65}"}}',
    ],
)
def test_a_bad_item_costs_only_itself(bad: str) -> None:
    """Un elemento mal escrito se cuenta como fallido, con su motivo, y los demás pasan."""
    with FaultyServer(obliging_texts('{"results": […]}', bad, '{"id": 5}')) as server:
        completed = run_inside("start", "--json", BACKEND_URL=server.url)

    assert completed.code == 1
    part = part_of(completed)
    assert (part["done"], part["failed"]) == (1, 1)
    assert next(event["error"] for event in part["events"] if event["result"] == "failed")
    assert [request.path for request in server.requests if request.method == "POST"] == [START.action_path(5)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (answer(401, '{"error": "x"}'), 77, "BACKEND_JWT_TOKEN"),
        (answer(403, '{"error": "rol"}'), 77, "rol"),
        (answer(404), 76, "BACKEND_URL"),
        (answer(301, Location="https://u:clave@otro.ejemplo/x"), 76, "https://otro.ejemplo/x"),
        (answer(200, "<html>hola</html>"), 76, "HTML"),
        (answer(200, ""), 76, "vacía"),
        (answer(200, "null"), 76, "lista"),
        (answer(200, "[" * 200_000), 76, "JSON"),
        (answer(200, b"\xff\xfe\xff"), 76, "JSON"),
        (answer(200, '{"results": 3}'), 76, "lista"),
        (answer(200, "[]", Content_Encoding="gzip"), 76, "comprimida"),
        (answer(500), 69, "HTTP 500"),
        (answer(429, '{"detail": "calma"}', Retry_After="9999999999"), 69, "calma"),
    ],
)
def test_what_a_list_answers_decides_the_code(reply: Any, code: int, words: str) -> None:
    """Cada respuesta imposible a una lista tiene su código y una frase que la nombra."""
    with FaultyServer(lambda _: reply) as server:
        completed = run_inside(
            "start", "--json", BACKEND_URL=server.url, BACKEND_JWT_TOKEN="abc.def.ghi", PASS_TIMEOUT=4
        )

    assert completed.code == code
    assert words in completed.report["error"]
    assert "clave" not in completed.stderr + completed.stdout
    assert part_of(completed)["pending"] == 0


@pytest.mark.parametrize(("statuses", "times"), [((500, 502), 1), ((503, 504), 2)])
def test_a_list_that_fails_for_a_while_is_read_in_the_end(statuses: tuple[int, int], times: int) -> None:
    """Una lista que falla una vez, o dos, se lee a la siguiente, dentro de la pasada: 0 y un POST por evento."""
    status_of = dict(zip((START.list_path, FINISH.list_path), statuses, strict=True))

    obliging = obliging_both([{"id": 7}])

    def rule(request: Request) -> Reaction:
        return (
            answer(status_of[request.path]) if request.method == "GET" and request.nth <= times else obliging(request)
        )

    with FaultyServer(rule) as server:
        completed = endure(server, "run-once")

    assert completed.code == 0
    assert server.count("POST") == 2
    assert {part["rounds"] for part in completed.report["transitions"].values()} == {times + 1}


@pytest.mark.slow
def test_a_list_that_always_fails_is_69() -> None:
    """Una lista que no deja de fallar: se insiste hasta el límite, 69 y ningún POST."""
    replies = [answer(status) for status in (503, 500, 504, 502)]

    with FaultyServer(lambda request: replies[request.nth % 4]) as server:
        completed = endure(server, "run-once", seconds=4)

    assert completed.code == 69
    assert server.count("GET") >= 4
    assert server.count("POST") == 0
    assert "HTTP 50" in completed.report["error"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (answer(400, '{"error": "no así"}'), "HTTP 400: no así"),
        (answer(409), "HTTP 409"),
        (answer(204), "HTTP 204"),
        (answer(304), "HTTP 304"),
        (answer(200, '{"success": false}'), "no una lista"),
        (answer(200, '{"results": null}'), "no una lista"),
        (answer(200, '"[]"'), "no una lista"),
        (answer(200, "NaN"), "no una lista"),
        (answer(200, DIGITS), "no una lista"),
        (answer(200, "[]]"), "JSON"),
        (answer(200, '[{"id": 5}'), "JSON"),
        (answer(200, b'[{"id": "\xff"}]'), "JSON"),
        (answer(200, '[{"id": 5, "x": ' + "[" * 100_000 + "]" * 100_000 + "}]"), "JSON"),
        (answer(200, " " * 1000), "vacía"),
        (answer(200, "[]", Transfer_Encoding="gzip"), "HTTP"),
    ],
)
def test_a_list_that_makes_no_sense_is_76(reply: Raw, words: str) -> None:
    """Lo que no es una lista no se adivina: una frase que lo nombra, ningún POST y 76 (69 si no es ni HTTP)."""
    with FaultyServer(lambda _: reply) as server:
        completed = endure(server, seconds=3)

    assert completed.code == (69 if words == "HTTP" else 76)
    assert words in completed.report["error"]
    assert completed.report["transitions"]["start"]["pending"] == 0
    assert server.count("POST") == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("items", "found"),
    [
        (['{"id": 5}', '{"id": 5}', '{"id": "5"}'], {"5": "done"}),
        (['{"id": 5}', "NaN", "Infinity"], {"5": "done", "None": "failed"}),
        ([f'{{"id": {DIGITS}}}', '{"id": 5}'], {"5": "done", "9" * 64: "failed"}),
        ([f'{{"id": 1.{DIGITS}}}', '{"id": 5}'], {"5": "done", "None": "failed"}),
        ([f'{{"id": 1e{DIGITS}}}', '{"id": 5}'], {"5": "done", "None": "failed"}),
        ([f'{{"id": 5, "start_date": {DIGITS}}}'], {"5": "done"}),
        (['{"id": 5, "start_date": "9999-12-31T23:59:59-23:59"}'], {"5": "done"}),
        (['{"id": 5, "start_date": "0001-01-01T00:00:00+23:59"}'], {"5": "done"}),
        (['[{"id": 6}]', '{"id": 5}'], {"5": "done", "None": "failed"}),
    ],
)
@pytest.mark.parametrize("shape", ["\ufeff[…]", '{"results": [{"id": 9}], "results": […]}'])
def test_an_odd_list_loses_nothing_that_makes_sense(shape: str, items: list[str], found: dict[str, str]) -> None:
    """Lo que sí se entiende de una lista rara se hace, una vez; lo demás falla con su motivo."""
    with FaultyServer(obliging_texts(shape, *items)) as server:
        completed = endure(server)

    assert completed.code == int("failed" in found.values())
    assert results(completed) == found
    assert server.count("POST") == sum(result == "done" for result in found.values())
