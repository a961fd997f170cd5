"""El latido, en lo que cada servicio dice que entiende: recibidores con el protocolo documentado de cada uno."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from tests.support.faults import FaultyServer
from tests.support.inside import run_inside
from tests.support.monitors import denied, empty_lists, fails_with, warnings
from tests.support.program import Completed
from tests.support.reactions import Raw, Request, Rule, answer

KEY = "0f4ab3c2-9d1e-4c57-8a63-2b7e5d90f1a4"
Query = dict[str, list[str]]
Protocol = Callable[[Request, str, Query], str]
"""Lo que un servicio entiende de una petición, su ruta y su consulta; lanza algo si no la entiende."""


@dataclass
class Service:
    """Un servicio que apunta lo que entiende de cada latido, y contesta 400 a lo que no."""

    understand: Protocol
    heard: list[str] = field(default_factory=list)

    def __call__(self, request: Request) -> Raw:
        """Contesta a un latido."""
        url = urlsplit(request.path)
        try:
            query = parse_qs(url.query, keep_blank_values=True, strict_parsing=bool(url.query))
            self.heard.append(self.understand(request, url.path, query))
        except (LookupError, ValueError):
            return answer(400, "no se entiende")
        return answer(200, "OK")


def healthchecks(request: Request, path: str, query: Query) -> str:
    """Healthchecks: `/ping/<uuid>` o `/ping/<clave>/<nombre>`; `/log` o `/<0 a 255>`; `rid`, un UUID con guiones."""
    match = re.fullmatch(rf"/ping/(?:{KEY}|clave-1/nombre-1)(?:/(log|\d+))?", path)
    if not match or str(UUID(query["rid"][0])) != query["rid"][0] or len(request.body) > 100_000:
        raise ValueError
    if match[1] == "log":
        return "apuntado"
    code = int(match[1] or 0)
    if code > 255:
        raise ValueError
    return "mal" if code else "bien"


def uptime_kuma(request: Request, path: str, query: Query) -> str:
    """Uptime Kuma: `GET /api/push/<clave>` con `status` (up o down), `msg` y `ping`, en milisegundos."""
    if request.method != "GET" or path != f"/api/push/{KEY}" or not query["msg"][0] or int(query["ping"][0]) < 0:
        raise ValueError
    return {"up": "bien", "down": "mal"}[query["status"][0]]


def cronitor(_request: Request, path: str, query: Query) -> str:
    """Cronitor: `/p/<clave>/<monitor>` con `state`, `status_code`, `series` y un `message` de 2000 como mucho."""
    if path != f"/p/{KEY}/aula" or not query["series"][0] or len(query["message"][0]) > 2000:
        raise ValueError
    state = {"complete": "bien", "fail": "mal"}[query["state"][0]]
    if (int(query["status_code"][0]) == 0) is not (state == "bien"):
        raise ValueError
    return state


def snitch(_request: Request, path: str, query: Query) -> str:
    """Dead Man's Snitch: `/<clave>` con `s`, el código de salida, y `m`, un mensaje."""
    if path != f"/{KEY}" or not query["m"][0]:
        raise ValueError
    return "mal" if int(query["s"][0]) else "bien"


def better_stack(_request: Request, path: str, _query: Query) -> str:
    """Better Stack: `/api/v1/heartbeat/<clave>/<código de salida>`."""
    match = re.fullmatch(rf"/api/v1/heartbeat/{KEY}/(\d+)", path)
    if not match:
        raise ValueError
    return "mal" if int(match[1]) else "bien"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("understand", "path"),
    [
        (healthchecks, f"/ping/{KEY}"),
        (healthchecks, f"/ping/{KEY}/"),
        (healthchecks, "/ping/clave-1/nombre-1/?create=1"),
        (uptime_kuma, f"/api/push/{KEY}?status={{status}}&msg={{message}}&ping={{duration_ms}}"),
        (
            cronitor,
            f"/p/{KEY}/aula?state={{state}}&status_code={{exit_code}}&message={{message}}&series={{run_id}}",
        ),
        (snitch, f"/{KEY}?s={{exit_code}}&m={{message}}"),
        (better_stack, f"/api/v1/heartbeat/{KEY}/{{exit_code}}"),
    ],
)
def test_each_service_understands_the_heartbeat(understand: Protocol, path: str) -> None:
    """Una pasada buena, una que no se cura sola y una que sí: cada servicio entiende lo suyo, o no recibe nada."""
    service = Service(understand)
    with FaultyServer(empty_lists) as server, FaultyServer(service) as monitor:
        for rule in (empty_lists, denied, fails_with(503)):
            server.rule = rule
            completed = run_inside("run-once", BACKEND_URL=server.url, HEARTBEAT_URL=monitor.url + path, PASS_TIMEOUT=1)
            assert warnings(completed) == []

    assert service.heard == ["bien", "mal"] + (["apuntado"] if understand is healthchecks else [])


def filled(rule: Rule, template: str) -> tuple[Completed, list[Request]]:
    """Una pasada con esa dirección, y lo que recibió el monitor."""
    with FaultyServer(rule) as server, FaultyServer(lambda _: answer(200)) as monitor:
        url = monitor.url + template
        completed = run_inside("run-once", "--json", BACKEND_URL=server.url, HEARTBEAT_URL=url, PASS_TIMEOUT=1)
    return completed, monitor.requests


def test_every_field_is_filled_in() -> None:
    """Cada hueco lleva lo suyo, codificado, también repetido y en la ruta; ni `rid` ni cuerpo se añaden."""
    template = "/{run_id}/x?a={status}&b={state}&c={exit_code}&d={message}&e={duration_ms}&f={status}"
    completed, (beat,) = filled(denied, template)

    report = completed.report
    assert beat.path.startswith(
        f"/{report['run_id']}/x?a=down&b=fail&c=77&d=77%20NOPERM%3A%20credenciales%20o%20rol&e="
    )
    assert int(parse_qs(urlsplit(beat.path).query)["e"][0]) == pytest.approx(report["duration_seconds"] * 1000, abs=2)
    assert beat.path.endswith("&f=down")
    assert (beat.method, beat.body) == ("GET", b"")


def test_the_cause_is_ours_and_never_the_backends() -> None:
    """El motivo va con nuestras palabras: ni las del backend ni los eventos llegan al monitor, de ninguna forma."""

    def refuses(request: Request) -> Raw:
        if request.method == "GET":
            return answer(200, json.dumps([{"id": "examen-secreto"}]) if "start" in request.path else "[]")
        return answer(400, json.dumps({"error": "palabras del backend"}))

    for rule, cause in ((refuses, "1 algún evento sigue pendiente"), (fails_with(404), "76 PROTOCOL: ")):
        _, (filled_in,) = filled(rule, "/?m={message}")
        _, (posted,) = filled(rule, "/ping")
        message = parse_qs(urlsplit(filled_in.path).query)["m"][0]
        assert message.startswith(cause)
        assert cause in posted.body.decode()
        assert not re.search("palabras|examen|api", message + posted.body.decode().replace("API", ""))


def test_an_unknown_field_is_a_wrong_setting() -> None:
    """Un hueco que no se conoce es un error de configuración, que dice cuáles hay y no enseña la dirección."""
    completed = run_inside("run-once", HEARTBEAT_URL=f"http://127.0.0.1:9/{KEY}?s={{estado}}")

    assert completed.code == 78
    assert "HEARTBEAT_URL (entorno): entre llaves solo admite {status}, {state}, {exit_code}" in completed.stderr
    assert KEY not in completed.stderr
