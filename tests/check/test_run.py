"""El diagnóstico entero: qué pide, cuándo acaba, con qué código, y que nada secreto se ve."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from estado_eventos.domain.transitions import TRANSITIONS
from tests.support.diagnosis import RUNNING, diagnose, machine, nobody
from tests.support.faults import FaultyServer
from tests.support.inside import account, run_inside
from tests.support.reactions import Drip, Fault, Request, answer
from tests.support.reference.server import ReferenceBackend


def test_a_good_set_up_has_no_problems(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Con todo bien: 0, ningún aviso, cada lista con lo que tiene y ni un evento tocado."""
    backend.add_events(due_start=2, due_finish=1)
    scheduled = machine(tmp_path, system=RUNNING)

    diagnosis = diagnose(**account(backend), **scheduled)

    assert diagnosis.code == 0
    assert {finding["level"] for finding in diagnosis.findings} == {"ok"}
    lists = [finding["message"] for finding in diagnosis.about("list")]
    assert lists == [
        "Lista de inicio: se lee, 2 evento(s) pendiente(s)",
        "Lista de finalización: se lee, 1 evento(s) pendiente(s)",
    ]
    assert "rol admin" in diagnosis.one("login")["message"]
    assert backend.history() == []


def test_it_only_reads_but_for_one_login(backend: ReferenceBackend) -> None:
    """Todo lo que pide son las listas, alguna otra vez (sin firmar, o por saber la hora), y un inicio de sesión."""
    backend.add_events(due_start=2)

    diagnose(**account(backend))

    login, *lists = [(request.method, request.path) for request in backend.requests()]
    assert login == ("POST", "/auth/login/")
    assert set(lists) == {("GET", urlsplit(backend.url + transition.list_path).path) for transition in TRANSITIONS}


def test_a_backend_that_is_down_is_named(backend: ReferenceBackend) -> None:
    """Con el backend parado: 69, que rehúsa la conexión, y no se mira más allá."""
    with nobody() as url:
        diagnosis = diagnose(**account(backend, url))

    assert (diagnosis.code, diagnosis.errors) == (69, ["tcp"])
    assert "conexión rehusada" in diagnosis.one("tcp")["message"]
    assert "está en marcha" in diagnosis.one("tcp")["cure"]
    assert diagnosis.about("list") == diagnosis.about("login") == []


@pytest.mark.parametrize(
    "fault", [Fault.STALL, Drip(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n")]
)
def test_it_ends_with_the_deadline_whatever_the_backend_does(fault: Any) -> None:
    """Ante un backend que acepta y no contesta, o gotea, acaba con su límite, 69 y lo que sí se supo."""
    began = time.monotonic()
    with FaultyServer(lambda _: fault) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, PASS_TIMEOUT=1)

    assert (diagnosis.code, set(diagnosis.errors)) == (69, {"list"})
    assert diagnosis.one("tcp")["level"] == "ok"
    assert "no contestó en" in diagnosis.about("list")[0]["message"]
    assert time.monotonic() - began < 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (answer(200, "[]"), 0),
        (answer(200, '[{"id": "../x"}]'), 0),
        (answer(401), 77),
        (answer(403), 77),
        (answer(404), 76),
        (answer(400), 76),
        (answer(302, Location="/entrar/?next=/api"), 76),
        (answer(404, Location="http://a:mal/"), 76),
        (answer(200, "<html>"), 76),
        (answer(200, "{}"), 76),
        (answer(200, "[]", Content_Encoding="gzip"), 76),
        (answer(500), 69),
        (answer(429, Retry_After="1"), 69),
        (Fault.CUT, 69),
        (Fault.RESET, 69),
    ],
)
def test_the_code_is_the_one_of_a_pass(reply: Any, code: int) -> None:
    """Conteste lo que conteste el backend, el código es el que daría una pasada por listas sin nada que hacer."""
    with FaultyServer(lambda _: reply) as server:
        diagnosis = diagnose(BACKEND_URL=server.url)
        rehearsal = run_inside("run-once", "--dry-run", BACKEND_URL=server.url)

    assert diagnosis.code == code
    assert rehearsal.code in {code, 1 if code == 0 else code}


def test_no_secret_is_ever_shown(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Ni el token, ni la cuenta, ni las URL con contraseña salen en ninguna parte, tampoco si el backend los repite."""
    token, password = backend.token(), "la-contraseña-secreta"
    path = tmp_path / "mi.env"
    path.write_text(f"export BACKEND_PASSWORD={password}\nHEARTBEAT_URL=http://hc.example/id-secreto\n")

    def indiscreet(request: Request) -> Any:
        said = f"{request.headers.get('authorization')} {request.body.decode()} \x1b[31m"
        return answer(403, json.dumps({"error": said}))

    with FaultyServer(indiscreet) as server:
        env = {
            "BACKEND_URL": server.url,
            "BACKEND_JWT_TOKEN": token,
            "BACKEND_EMAIL": "persona-secreta@example.com",
            "TOKEN_CACHE_FILE": tmp_path / "token",
        }
        outputs = [
            run_inside("check", "--env-file", str(path), *arguments, **env)
            for arguments in ((), ("--json",), ("--log-level", "DEBUG"), ("--log-format", "json"))
        ]

    assert {completed.code for completed in outputs} == {77}
    for completed in outputs:
        said = completed.stdout + completed.stderr
        for secret in (token, password, "persona-secreta", "id-secreto", "\x1b"):
            assert secret not in said


def test_a_settings_pipe_is_not_read_twice(tmp_path: Path) -> None:
    """Si la configuración llega por una tubería, el diagnóstico no se queda esperando a que vuelva a llegar."""
    pipe = tmp_path / "tubería.env"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(pipe.write_text, "HTTP_TIMEOUT=mucho\n")
        diagnosis = diagnose("--env-file", str(pipe))
        written.result()

    assert diagnosis.code == 78
