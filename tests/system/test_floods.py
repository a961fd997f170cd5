"""Respuestas que no caben en la memoria, y listas que no caben en una pasada."""

import gzip
import json
import resource
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.faults import FaultyServer
from tests.support.processes import MEMORY, NO_COVERAGE, limit
from tests.support.program import PROGRAM, check_adds_up, environment, run
from tests.support.reactions import OK_HEAD, YES, Drip, Raw, Request, answer

_MEASURE = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, file=sys.stderr)
sys.exit(code)
"""


def _weigh(url: str, *arguments: str, **variables: object) -> tuple[int, int, dict[str, Any]]:
    """Ejecuta el programa y devuelve su código, su pico de memoria en MiB y su informe.

    Con un intermediario: un hijo directo heredaría el pico de este proceso.
    """
    finished = subprocess.run(
        [sys.executable, "-c", _MEASURE, *PROGRAM, *arguments, "--json"],
        env=environment(BACKEND_URL=url, **{**variables, **NO_COVERAGE}),
        cwd="/",
        check=False,
        capture_output=True,
        encoding="utf-8",
    )
    return finished.returncode, int(finished.stderr.splitlines()[-1]), json.loads(finished.stdout)


_ALMOST_8_MIB = (8 << 20) - 200


_FLOODS: dict[str, Callable[[], Drip | Raw]] = {
    "sin fin": lambda: Drip(OK_HEAD + b"\r\n", b"x" * 65536, 0),
    "bomba gzip": lambda: answer(200, gzip.compress(b"[" * (160 << 20), 1), Content_Encoding="gzip"),
    "casi tres millones de objetos": lambda: answer(200, b"[" + b"{}," * (_ALMOST_8_MIB // 3) + b"0]"),
    "medio millón de objetos": lambda: answer(200, b"[" + b"{}," * 499_999 + b"0]"),
}


@pytest.mark.parametrize(
    "flood", ["sin fin", *(pytest.param(flood, marks=pytest.mark.slow) for flood in _FLOODS if flood != "sin fin")]
)
def test_a_flood_does_not_fill_the_memory(flood: str) -> None:
    """Ni una bomba ni un cuerpo sin fin en las dos listas a la vez pasan de 200 MiB, y la pasada acaba a su hora."""
    reply = _FLOODS[flood]()
    with FaultyServer(lambda _: reply) as server:
        code, mebibytes, report = _weigh(server.url, "run-once", PASS_TIMEOUT=10)

    assert code in {69, 76}
    assert mebibytes <= 200
    assert report["duration_seconds"] < 10.5
    assert server.count("POST") == 0


@pytest.mark.slow
def test_a_wide_list_served_again_and_again_does_not_fill_the_memory() -> None:
    """Dos listas enormes con un emoji, que en memoria ocupan cuatro veces más, leídas en cada ronda: 200 MiB."""
    stuffing = "x" * (_ALMOST_8_MIB - 100) + "😀"
    wide = {
        name: answer(200, json.dumps([{"id": 7, field: "2026-01-01T10:00:00Z", "z": stuffing}], ensure_ascii=False))
        for name, field in (("start", "start_date"), ("finish", "end_date"))
    }

    def rule(request: Request) -> Raw:
        return wide[request.path.split("-")[-1].strip("/")] if request.method == "GET" else answer(400, "{}")

    with FaultyServer(rule) as server:
        code, mebibytes, report = _weigh(server.url, "run-once", PASS_TIMEOUT=30)

    assert code == 1
    assert server.count("GET") >= 8
    assert mebibytes <= 200
    check_adds_up(report)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("events", "code", "words"),
    [
        pytest.param(100_000, 75, "se acabó el tiempo de la pasada", id="cien mil"),
        pytest.param(110_000, 69, "se toman los 100000 primeros", id="más de cien mil"),
    ],
)
def test_a_list_of_too_many_events_is_taken_in_parts(events: int, code: int, words: str) -> None:
    """De una lista enorme se toman los 100 000 primeros; la pasada acaba a su hora, lo dice y no llena la memoria."""
    crowd = answer(200, json.dumps([{"id": number, "start_date": "2026-01-01T10:00:00Z"} for number in range(events)]))
    with FaultyServer(lambda request: crowd if request.method == "GET" else YES) as server:
        ended, mebibytes, report = _weigh(server.url, "start", PASS_TIMEOUT=20, LOG_LEVEL="WARNING")

    check_adds_up(report)
    assert ended == code
    assert words in report["error"]
    assert report["transitions"]["start"]["pending"] == 100_000
    assert report["transitions"]["start"]["done"] > 0
    assert mebibytes <= 200


_FLOODS_FOR_SO_LITTLE: dict[str, Callable[[], Drip | Raw]] = {
    "un cuerpo sin fin": lambda: Drip(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536, 0),
    "31 MiB en un texto": lambda: answer(200, b'["' + b"x" * (31 << 20) + b'"]'),
}


@pytest.mark.slow
@pytest.mark.parametrize("flood", _FLOODS_FOR_SO_LITTLE)
def test_a_flood_in_64_mebibytes_is_one_sentence(flood: str) -> None:
    """Una lista que no cabe en la memoria que hay es una lista demasiado grande: 76 y una frase, sin volcados."""
    reply = _FLOODS_FOR_SO_LITTLE[flood]()
    with FaultyServer(lambda _: reply) as server:
        env = {"BACKEND_URL": server.url, "PASS_TIMEOUT": 20, "LOG_LEVEL": "WARNING"} | NO_COVERAGE
        completed = run("run-once", "--json", env=env, preexec_fn=limit(resource.RLIMIT_DATA, MEMORY))

    assert completed.code == 76
    # Lo que llega antes: el tope de la respuesta o el de la memoria.
    assert completed.report["error"].endswith(
        ("la respuesta no cabe en la memoria de que dispone este proceso", "la respuesta pasa de 8192 KiB")
    )
    assert len(completed.stderr.splitlines()) == 1
    assert server.count("POST") == 0
