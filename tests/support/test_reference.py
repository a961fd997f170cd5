"""La API del backend de referencia se porta como la real (design.md §2), con bases de datos de verdad."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import jwt
import pytest

from tests.support.reference.contract import EventId
from tests.support.reference.server import ReferenceBackend

EVENTS = "/api/events-status"


@pytest.fixture(params=["backend", pytest.param("postgres_backend", marks=pytest.mark.postgres)])
def server(request: pytest.FixtureRequest) -> ReferenceBackend:
    """El backend de referencia, sobre cada base de datos."""
    chosen: ReferenceBackend = request.getfixturevalue(request.param)
    return chosen


@pytest.fixture
def api(server: ReferenceBackend) -> Iterator[httpx.Client]:
    """Un cliente con el token del administrador."""
    with _client(server) as client:
        yield client


def _client(server: ReferenceBackend) -> httpx.Client:
    return httpx.Client(base_url=server.url, headers=_bearer(server.token()), trust_env=False)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _pending(api: httpx.Client, action: str) -> list[EventId]:
    return [item["id"] for item in api.get(f"{EVENTS}/pending-{action}/").raise_for_status().json()["results"]]


def _refused(answer: httpx.Response, status: int, words: str) -> bool:
    return answer.status_code == status and words in answer.json()["error"]


def test_lists_hold_what_is_due_oldest_first(server: ReferenceBackend, api: httpx.Client) -> None:
    """Cada lista trae solo lo que ya toca, de lo más antiguo a lo más nuevo, con su fecha."""
    recent = server.add_events(due_start=2, due_finish=2, future=1)
    old = server.add_events(due_start=1, due_finish=1, offset=-3600)
    server.add_events(due_start=1, due_finish=1, offset=3600)
    assert _pending(api, "start") == [old[0], *recent[:2]]
    assert _pending(api, "finish") == [old[1], *recent[2:4]]
    for action, field in (("start", "start_date"), ("finish", "end_date")):
        first = api.get(f"{EVENTS}/pending-{action}/").json()["results"][0]
        assert first.keys() == {"id", field}
        age = datetime.now(UTC) - datetime.fromisoformat(first[field])
        assert timedelta(hours=1) <= age < timedelta(hours=1, minutes=1)


def test_a_due_event_moves_once(server: ReferenceBackend, api: httpx.Client) -> None:
    """Un POST cambia el estado y lo deja escrito; el segundo responde 400 y no cambia nada."""
    start, finish = server.add_events(due_start=1, due_finish=1)
    for event_id, action, state in ((start, "start", "en_progreso"), (finish, "finish", "completado")):
        answer = api.post(f"{EVENTS}/{event_id}/{action}/")
        assert (answer.status_code, answer.json()) == (200, {"success": True, "status": state})
        again = api.post(f"{EVENTS}/{event_id}/{action}/")
        assert _refused(again, 400, f"un evento en estado '{state}'")
        assert _pending(api, action) == []
    assert server.states() == {start: "en_progreso", finish: "completado"}
    assert [(change.event_id, change.before, change.after) for change in server.history()] == [
        (start, "programado", "en_progreso"),
        (finish, "en_progreso", "completado"),
    ]


@pytest.mark.parametrize("event_id", ["999999999", "9" * 40, "no-existe"])
def test_an_unknown_event_is_404(api: httpx.Client, event_id: str) -> None:
    """Un evento que no existe es un 404 con su motivo."""
    assert _refused(api.post(f"{EVENTS}/{event_id}/start/"), 404, "no encontrado")


def test_a_broken_event_always_answers_400(server: ReferenceBackend, api: httpx.Client) -> None:
    """Un evento con datos inválidos falla dentro del backend una y otra vez, y sigue pendiente."""
    broken = server.add_events(broken_start=1, broken_finish=1)
    for event_id, action in zip(broken, ("start", "finish"), strict=True):
        for _ in range(2):
            answer = api.post(f"{EVENTS}/{event_id}/{action}/")
            assert _refused(answer, 400, "La fecha de fin es anterior a la de inicio")
        assert _pending(api, action) == [event_id]
    assert server.history() == []


@pytest.mark.slow
def test_without_a_lock_the_same_post_twice_at_once_moves_twice(
    server: ReferenceBackend,
    api: httpx.Client,
) -> None:
    """Como el real, no se protege: dos POST a la vez pasan los dos, y el historial lo delata."""
    server.configure(race_ms=1000)
    (event_id,) = server.add_events(due_start=1)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(api.post, [f"{EVENTS}/{event_id}/start/"] * 2))
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [(change.event_id, change.after) for change in server.history()] == [(event_id, "en_progreso")] * 2


def test_only_administrators_with_a_valid_token_pass(server: ReferenceBackend, api: httpx.Client) -> None:
    """Sin token, o con uno malo o caducado, 401; con otro papel, 403; y nada se mueve."""
    (event_id,) = server.add_events(due_start=1)
    claims = jwt.decode(server.token(), options={"verify_signature": False})
    forged = jwt.encode(claims, "otra clave de más de 32 bytes, falsa")
    refused = {"": 401, "Bearer x": 401, "Basic YTpi": 401, f"Bearer {forged}": 401}
    refused |= {f"Bearer {server.token(life_seconds=-1)}": 401, f"Bearer {server.token(role='docente')}": 403}
    for authorization, status in refused.items():
        headers = {"Authorization": authorization}
        for action in ("start", "finish"):
            assert _refused(api.get(f"{EVENTS}/pending-{action}/", headers=headers), status, "")
            assert _refused(api.post(f"{EVENTS}/{event_id}/{action}/", headers=headers), status, "")
    assert server.history() == []
    superadmin = api.get(f"{EVENTS}/pending-start/", headers=_bearer(server.token(role="superadmin")))
    assert superadmin.status_code == 200


def test_login_gives_a_token_that_works(server: ReferenceBackend, api: httpx.Client) -> None:
    """Correo y contraseña dan un token de media hora; el papel del usuario decide si sirve."""
    credentials = {"email": server.email, "password": server.password}
    before = int(time.time())
    answer = api.post(f"{server.auth_url}/auth/login/", json=credentials).raise_for_status().json()
    claims = jwt.decode(answer["token"], options={"verify_signature": False})
    assert claims.keys() == {"user_id", "email", "exp"}
    assert (claims["user_id"], claims["email"]) == (answer["user"]["id"], server.email)
    assert before + 1800 <= claims["exp"] <= time.time() + 1800
    assert answer["user"] == {"id": answer["user"]["id"], "email": server.email, "role": "admin"}
    assert api.get(f"{EVENTS}/pending-start/", headers=_bearer(answer["token"])).status_code == 200

    teacher = {"email": "docente@example.com", "password": "otra"}
    server.add_user(**teacher, role="docente")
    token = api.post(f"{server.auth_url}/auth/login/", json=teacher).json()["token"]
    assert _refused(api.get(f"{EVENTS}/pending-start/", headers=_bearer(token)), 403, "permisos")

    server.set_password("nueva")
    unknown = {"email": "nadie@example.com", "password": "x"}
    bodies: list[dict[str, str] | None] = [credentials, unknown, {}, None]
    for body in bodies:
        assert _refused(api.post(f"{server.auth_url}/auth/login/", json=body), 401, "Credenciales inválidas")
    assert api.post(f"{server.auth_url}/auth/login/", json=credentials | {"password": "nueva"}).status_code == 200


def test_only_a_valid_token_can_be_refreshed(server: ReferenceBackend, api: httpx.Client) -> None:
    """Un token vigente se cambia por otro con la vida configurada; caducado o roto, 401."""
    server.configure(token_seconds=77)
    before = int(time.time())
    url = f"{server.auth_url}/auth/refresh-token/"
    fresh = api.post(url, json={"token": server.token(life_seconds=60)}).json()["token"]
    claims = jwt.decode(fresh, options={"verify_signature": False})
    assert claims.keys() == {"user_id", "email", "exp"}
    assert before + 77 <= claims["exp"] <= time.time() + 77
    assert api.get(f"{EVENTS}/pending-start/", headers=_bearer(fresh)).status_code == 200
    for token in (server.token(life_seconds=-1), "a.b.c"):
        assert _refused(api.post(url, json={"token": token}), 401, "inválido o expirado")


def test_lists_take_the_other_shapes(server: ReferenceBackend, api: httpx.Client) -> None:
    """La lista pelada y las páginas de Django REST Framework traen lo mismo y en el mismo orden."""
    expected = server.add_events(due_start=5)
    server.configure(list_shape="list")
    assert [item["id"] for item in api.get(f"{EVENTS}/pending-start/").json()] == expected
    server.configure(list_shape="pages", page_size=2)
    first = api.get(f"{EVENTS}/pending-start/").json()
    second, last = (api.get(f"{EVENTS}/pending-start/?page={number}").json() for number in (2, 3))
    assert [item["id"] for page in (first, second, last) for item in page["results"]] == expected
    url = f"{server.url}{EVENTS}/pending-start/"
    links = [(page["count"], page["previous"], page["next"]) for page in (first, second, last)]
    assert links == [
        (5, None, f"{url}?page=2"),
        (5, f"{url}?page=1", f"{url}?page=3"),
        (5, f"{url}?page=2", None),
    ]
    assert _refused(api.get(f"{EVENTS}/pending-start/?page=9"), 404, "Página")


def test_public_ids_and_integers_live_together(server: ReferenceBackend, api: httpx.Client) -> None:
    """Un evento con id público se lista y se mueve solo por él."""
    names = ["6e0b2c9e-7d9d-4c53-9a39-0d3f5d1f2a10", "examen_1"]
    assert server.add_events(due_start=2, public_ids=[*names]) == names
    (number,) = server.add_events(due_start=1)
    assert _pending(api, "start") == [*names, number]
    assert isinstance(number, int)
    assert api.post(f"{EVENTS}/{number - 1}/start/").status_code == 404
    assert api.post(f"{EVENTS}/{names[1]}/start/").status_code == 200
    assert [change.event_id for change in server.history()] == [names[1]]


@pytest.mark.parametrize("prefix", [None, "/otro", ""])
def test_the_api_hangs_under_a_prefix(server: ReferenceBackend, api: httpx.Client, prefix: str | None) -> None:
    """La API está solo bajo `/events`, otro prefijo o ninguno (fuera, el 404 de Django); `/auth/`, en la raíz."""
    root = server.auth_url
    if prefix is not None:
        server.configure(prefix=prefix)
    assert server.url == root + ("/events" if prefix is None else prefix)
    server.configure(list_shape="pages", page_size=1)
    server.add_events(due_start=2)
    page = api.get(f"{server.url}{EVENTS}/pending-start/").json()
    assert page["next"] == f"{server.url}{EVENTS}/pending-start/?page=2"
    nowhere = {f"{root}/nada{EVENTS}/pending-start/", f"{server.url}/nada/", f"{root}{EVENTS}/pending-start/"}
    outside = [api.get(url) for url in nowhere - {f"{server.url}{EVENTS}/pending-start/"}]
    assert {answer.status_code for answer in outside} == {404}
    assert all(answer.headers["Content-Type"].startswith("text/html") for answer in outside)
    credentials = {"email": server.email, "password": server.password}
    assert api.post(f"{root}/auth/login/", json=credentials).status_code == 200
    assert api.post(f"{root}/events/auth/login/", json=credentials).status_code == 404


def test_reset_leaves_everything_as_at_the_start(server: ReferenceBackend, api: httpx.Client) -> None:
    """Tras `reset` no queda nada de antes: eventos, historial, llamadas, peticiones, opciones ni contraseñas."""
    (event_id,) = server.add_events(due_start=1)
    api.post(f"{EVENTS}/{event_id}/start/")
    api.post(f"{server.auth_url}/analysis/process-event-completion/", json={"event_id": event_id})
    before = server.url
    server.configure(list_shape="list", prefix="/otro", clock_offset_seconds=-7200, require_token=False)
    server.set_password("nueva")
    server.reset()
    assert (server.states(), server.history(), server.follow_ups(), server.requests()) == ({}, [], [], [])
    assert server.url == before
    assert httpx.get(f"{server.url}{EVENTS}/pending-start/", trust_env=False).status_code == 401
    assert api.get(f"{EVENTS}/pending-start/").json() == {"results": []}
    credentials = {"email": server.email, "password": server.password}
    assert api.post(f"{server.auth_url}/auth/login/", json=credentials).status_code == 200
