"""La pasada, con el programa de verdad contra el backend de referencia."""

import json
import signal
import time
from typing import Any

import pytest

from estado_eventos.domain.transitions import FINISH, START, TRANSITIONS, Transition
from tests.support.faults import Drip, Fault, FaultyServer, Request, Rule, answer
from tests.support.program import Completed, run, start, wait
from tests.support.reference.server import ReferenceBackend


def config(backend: ReferenceBackend, url: str | None = None, **variables: object) -> dict[str, object]:
    """La configuración mínima para hablar con el backend, directamente o por otra dirección."""
    return {"BACKEND_URL": url or backend.url, "BACKEND_JWT_TOKEN": backend.token(), **variables}


def posts(backend: ReferenceBackend) -> list[str]:
    """Las rutas de los POST que llegaron al backend."""
    return [request.path for request in backend.requests() if request.method == "POST"]


def moves(backend: ReferenceBackend) -> list[str]:
    """El evento de cada cambio de estado que hubo en la base de datos."""
    return sorted(str(change.event_id) for change in backend.history())


def the_part(completed: Completed, transition: Transition = START) -> dict[str, Any]:
    """La parte del informe de una transición."""
    part: dict[str, Any] = completed.report["transitions"][transition.name]
    return part


def test_moves_everything_due_and_nothing_else(backend: ReferenceBackend) -> None:
    """Lo que toca cambia de estado, lo futuro no, y el informe lo cuenta con exactitud."""
    to_start = backend.add_events(due_start=3, offset=-30)
    to_finish = backend.add_events(due_finish=2, offset=-90)
    future = backend.add_events(future=2)

    completed = run("run-once", "--json", env=config(backend))

    assert completed.code == 0
    states = backend.states()
    assert [states[key] for key in to_start] == ["en_progreso"] * 3
    assert [states[key] for key in to_finish] == ["completado"] * 2
    assert [states[key] for key in future] == ["programado"] * 2
    report = completed.report
    assert report["outcome"] == "ok"
    assert report["error"] is None
    assert report["requests"] == 7
    started, finished = (report["transitions"][transition.name] for transition in TRANSITIONS)
    assert (started["done"], finished["done"]) == (3, 2)
    assert [event["id"] for event in started["events"]] == to_start
    assert all(event["status"] == "en_progreso" and event["attempts"] == 1 for event in started["events"])
    assert 30 <= started["max_lag_seconds"] < 60
    assert 90 <= finished["max_lag_seconds"] < 120


@pytest.mark.parametrize("transition", TRANSITIONS, ids=lambda transition: transition.name)
def test_each_command_touches_only_its_list(backend: ReferenceBackend, transition: Transition) -> None:
    """`start` y `finish` hacen cada uno lo suyo y ni miran la otra lista."""
    backend.add_events(due_start=1, due_finish=1)

    completed = run(transition.name, "--json", env=config(backend))

    assert completed.code == 0
    assert list(completed.report["transitions"]) == [transition.name]
    assert {request.path.rstrip("/").rpartition("/")[2] for request in backend.requests()} == {
        transition.name,
        f"pending-{transition.name}",
    }
    assert len(moves(backend)) == 1


def test_a_quiet_pass_costs_two_requests(backend: ReferenceBackend) -> None:
    """Sin nada pendiente se hacen dos peticiones y se dice que no hay nada."""
    completed = run("run-once", env=config(backend))

    assert completed.code == 0
    assert [request.method for request in backend.requests()] == ["GET", "GET"]
    assert "INFO - No hay eventos pendientes de inicio" in completed.messages
    assert "INFO - No hay eventos pendientes de finalización" in completed.messages


def test_log_lines_are_those_of_the_old_service(backend: ReferenceBackend) -> None:
    """Las líneas del registro son, letra por letra, las del servicio antiguo."""
    backend.add_events(due_start=1, public_ids=["examen-123"])
    backend.add_events(broken_finish=1, public_ids=["examen-456"])

    completed = run("run-once", env=config(backend))

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


def test_dry_run_lists_and_changes_nothing(backend: ReferenceBackend) -> None:
    """`--dry-run` enseña lo pendiente sin un solo POST."""
    backend.add_events(due_start=2)

    completed = run("run-once", "--dry-run", "--json", env=config(backend))

    assert completed.code == 0
    assert completed.report["dry_run"] is True
    assert [event["result"] for event in the_part(completed)["events"]] == ["pending", "pending"]
    assert posts(backend) == []


def test_a_rehearsal_names_what_it_would_move(backend: ReferenceBackend) -> None:
    """Sin `--json`, `--dry-run` dice qué eventos tocaría, no solo cuántos; con `--quiet`, nada."""
    backend.add_events(due_start=1, due_finish=1, public_ids=["a", "b"])

    completed = run("run-once", "--dry-run", env=config(backend))
    quiet = run("run-once", "--dry-run", "--quiet", env=config(backend))

    assert [line.split("  ")[:2] for line in completed.stdout.splitlines()] == [["inicio", "a"], ["finalización", "b"]]
    assert (quiet.stdout, quiet.stderr) == ("", "")


def test_event_limits_the_pass(backend: ReferenceBackend) -> None:
    """Con `--event`, repetido, solo cuentan esos eventos."""
    ids = backend.add_events(due_start=4)

    completed = run("start", "--event", str(ids[1]), "--event", str(ids[3]), "--json", env=config(backend))

    assert completed.code == 0
    assert the_part(completed)["pending"] == 2
    assert moves(backend) == sorted([str(ids[1]), str(ids[3])])


def test_quiet_says_nothing_when_all_is_well(backend: ReferenceBackend) -> None:
    """Con `--quiet`, una pasada buena no escribe nada, también si ha hecho algo."""
    backend.add_events(due_start=2)

    completed = run("run-once", "--quiet", env=config(backend))

    assert (completed.code, completed.stdout, completed.stderr) == (0, "", "")


def test_quiet_speaks_when_something_is_wrong(backend: ReferenceBackend) -> None:
    """Con `--quiet`, un evento que no se deja cambiar sí sale, con el motivo del backend."""
    backend.add_events(broken_start=1)

    completed = run("run-once", "--quiet", env=config(backend))

    assert completed.code == 1
    assert completed.stdout == ""
    assert "✗ No se pudo iniciar el evento" in completed.stderr


def test_pending_shows_what_is_due_and_how_late(backend: ReferenceBackend) -> None:
    """`pending` enseña lo pendiente y su retraso, y no cambia nada."""
    backend.add_events(due_start=1, public_ids=["matematicas-1"], offset=-3725)

    plain = run("pending", env=config(backend))
    as_json = run("pending", "--json", env=config(backend))

    assert (plain.code, plain.stderr) == (0, "")
    assert "matematicas-1" in plain.stdout
    assert "1 h 2 min" in plain.stdout
    assert "No hay eventos pendientes de finalización" in plain.stdout
    assert the_part(as_json)["events"][0]["result"] == "pending"
    assert the_part(as_json)["events"][0]["lag_seconds"] > 3725
    assert posts(backend) == []


def test_a_broken_event_fails_alone(backend: ReferenceBackend) -> None:
    """Un evento que siempre contesta 400 falla solo; los demás pasan."""
    broken = backend.add_events(broken_start=1)
    backend.add_events(due_start=20)

    completed = run("start", "--json", env=config(backend))

    assert completed.code == 1
    part = the_part(completed)
    assert (part["pending"], part["done"], part["failed"], part["rounds"]) == (21, 20, 1, 4)
    (failed,) = (event for event in part["events"] if event["result"] == "failed")
    assert failed["id"] == broken[0]
    assert failed["attempts"] == 4
    assert failed["error"]
    assert len(posts(backend)) == 24


@pytest.mark.postgres
def test_two_hundred_events_on_postgres(postgres_backend: ReferenceBackend) -> None:
    """Doscientos eventos debidos, sobre PostgreSQL, se mueven en una sola pasada."""
    postgres_backend.add_events(due_start=120, due_finish=80)

    completed = run("run-once", "--json", env=config(postgres_backend))

    assert completed.code == 0
    assert (the_part(completed)["done"], the_part(completed, FINISH)["done"]) == (120, 80)
    assert completed.report["requests"] == 202
    assert len(moves(postgres_backend)) == 200


@pytest.mark.postgres
def test_one_broken_among_two_hundred_on_postgres(postgres_backend: ReferenceBackend) -> None:
    """De doscientos, el roto falla y 199 pasan."""
    postgres_backend.add_events(due_start=199, broken_start=1)

    completed = run("run-once", "--json", env=config(postgres_backend))

    assert completed.code == 1
    assert (the_part(completed)["done"], the_part(completed)["failed"]) == (199, 1)
    assert len(moves(postgres_backend)) == 199


def test_a_lost_answer_leads_to_no_second_post(backend: ReferenceBackend) -> None:
    """Si la respuesta se pierde después de aplicarse el cambio, no se vuelve a pedir."""
    backend.add_events(due_start=5)

    def lose_one(request: Request) -> Fault | None:
        return Fault.CUT_AFTER_APPLYING if request.method == "POST" and proxy.count("POST") == 2 else None

    with FaultyServer(lose_one, backend.url) as proxy:
        completed = run("start", "--json", env=config(backend, proxy.url, MAX_CONCURRENCY=1))

    assert completed.code == 0
    part = the_part(completed)
    assert (part["done"], part["already_done"], part["rounds"]) == (4, 1, 2)
    assert len(posts(backend)) == len(set(posts(backend))) == 5
    assert len(moves(backend)) == 5


def test_two_instances_at_once_move_each_event_once(backend: ReferenceBackend) -> None:
    """Dos pasadas a la vez mueven cada evento una sola vez y acaban bien las dos."""
    ids = backend.add_events(due_start=60, due_finish=40)

    rivals = [start("run-once", "--json", env=config(backend)) for _ in range(2)]
    completed = [wait(rival) for rival in rivals]

    assert [rival.code for rival in completed] == [0, 0]
    assert moves(backend) == sorted(map(str, ids))
    done = sum(the_part(rival, transition)["done"] for rival in completed for transition in TRANSITIONS)
    assert done == 100


def test_a_hanging_start_list_does_not_delay_finish(backend: ReferenceBackend) -> None:
    """Aunque la lista de inicio no conteste nunca, lo que hay que finalizar se finaliza enseguida."""
    backend.add_events(due_start=1, due_finish=1)

    def hang(request: Request) -> Fault | None:
        return Fault.STALL if request.path == START.list_path else None

    with FaultyServer(hang, backend.url) as proxy:
        process = start("run-once", "--json", env=config(backend, proxy.url, PASS_TIMEOUT=9))
        deadline = time.monotonic() + 8
        while not moves(backend) and time.monotonic() < deadline:
            time.sleep(0.05)
        moved_in_time = bool(moves(backend)) and process.poll() is None
        completed = wait(process)

    assert moved_in_time
    assert completed.code == 69
    assert the_part(completed, FINISH)["done"] == 1
    assert the_part(completed, FINISH)["error"] is None
    assert "no llegó" in the_part(completed)["error"]


def test_a_failing_list_is_read_again(backend: ReferenceBackend) -> None:
    """Una lista que falla dos veces se lee a la tercera, sin que nadie tenga que enterarse."""
    backend.add_events(due_start=1)

    def fail_twice(request: Request) -> Any:
        return answer(503) if request.path == START.list_path and request.nth <= 2 else None

    with FaultyServer(fail_twice, backend.url) as proxy:
        completed = run("start", "-q", env=config(backend, proxy.url))

    assert (completed.code, completed.stdout, completed.stderr) == (0, "", "")
    assert len(moves(backend)) == 1


def test_a_refusing_backend_is_unavailable() -> None:
    """Sin nadie que escuche: 69, cuatro intentos y una frase que dice qué pasa y qué mirar."""
    with FaultyServer() as gone:
        url = gone.url

    completed = run("run-once", "--json", env={"BACKEND_URL": url})

    assert completed.code == 69
    assert completed.report["requests"] == 8
    assert completed.report["outcome"] == "unavailable"
    assert the_part(completed)["rounds"] == 4
    assert "conexión rehusada" in completed.report["error"]
    assert f"Compruebe que el backend ({url}) está en marcha" in completed.stderr.splitlines()[-1]


def test_a_dead_backend_is_not_hammered(backend: ReferenceBackend) -> None:
    """Diez fallos de red seguidos acaban la ronda: no se gasta un intento en cada evento."""
    backend.add_events(due_start=100)

    def cut_posts(request: Request) -> Fault | None:
        return Fault.CUT if request.method == "POST" else None

    with FaultyServer(cut_posts, backend.url) as proxy:
        completed = run("start", "--json", env=config(backend, proxy.url, MAX_CONCURRENCY=4))

    assert completed.code == 75
    assert 40 <= proxy.count("POST") <= 4 * (10 + 3)
    part = the_part(completed)
    assert part["failed"] > 0
    assert part["skipped"] > 0
    assert moves(backend) == []


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ('[{"id": 1}]', [1]),
        ('{"results": [{"id": "a-b_C"}, {"id": 2}]}', ["a-b_C", 2]),
        ('\ufeff{"count": 1, "next": null, "previous": null, "results": [{"id": 3}]}', [3]),
        ('{"results": [{"id": 4}, {"id": 4}, {"id": "4"}]}', [4]),
        ('{"results": []}', []),
    ],
)
def test_every_list_shape_is_understood(body: str, ids: list[int | str]) -> None:
    """Lista sin más, `results`, páginas de DRF; un identificador repetido es un solo evento."""

    def rule(request: Request) -> Any:
        if request.method == "GET":
            return answer(200, body)
        return answer(200, '{"success": true, "status": "en_progreso"}')

    with FaultyServer(rule) as server:
        completed = run("start", "--json", env={"BACKEND_URL": server.url})

    assert completed.code == 0
    assert [event["id"] for event in the_part(completed)["events"]] == ids
    assert server.count("POST") == len(ids)


@pytest.mark.parametrize("shape", ["plain", "list", "pages"])
def test_all_pages_are_read(backend: ReferenceBackend, shape: Any) -> None:
    """Con cualquier forma de lista del backend se mueven todos, los de todas las páginas."""
    backend.configure(list_shape=shape, page_size=3)
    backend.add_events(due_start=10)

    completed = run("start", "--json", env=config(backend))

    assert completed.code == 0
    assert the_part(completed)["done"] == 10


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

    def rule(request: Request) -> Any:
        if request.method == "GET":
            return answer(200, f'{{"results": [{bad}, {{"id": 5}}]}}')
        return answer(200, '{"success": true, "status": "en_progreso"}')

    with FaultyServer(rule) as server:
        completed = run("start", "--json", env={"BACKEND_URL": server.url})

    assert completed.code == 1
    part = the_part(completed)
    assert (part["done"], part["failed"]) == (1, 1)
    assert next(event["error"] for event in part["events"] if event["result"] == "failed")
    assert [request.path for request in server.requests if request.method == "POST"] == [START.action_path(5)]


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
        completed = run("start", "--json", env={"BACKEND_URL": server.url, "BACKEND_JWT_TOKEN": "abc"})

    assert completed.code == code
    assert words in completed.report["error"]
    assert "clave" not in completed.stderr + completed.stdout
    assert the_part(completed)["pending"] == 0


def test_an_expired_token_is_named_with_its_expiry(backend: ReferenceBackend) -> None:
    """Un token caducado se dice como tal, con la hora en que caducó: 77."""
    completed = run("run-once", "--json", env={**config(backend), "BACKEND_JWT_TOKEN": backend.token(-60)})

    assert completed.code == 77
    assert "el token de BACKEND_JWT_TOKEN caducó el 20" in completed.report["error"]


def test_a_wrong_role_is_not_permitted(backend: ReferenceBackend) -> None:
    """Un usuario sin el rol debido: 77 y lo que hay que ser."""
    completed = run("run-once", "--json", env={**config(backend), "BACKEND_JWT_TOKEN": backend.token(role="docente")})

    assert completed.code == 77
    assert "admin o superadmin" in completed.report["error"]


def test_without_credentials_nothing_is_sent(backend: ReferenceBackend) -> None:
    """Sin token no se manda `Authorization`; si el backend lo pide, se dice qué variable falta."""
    open_door = run("run-once", env={"BACKEND_URL": backend.url})
    backend.configure(require_token=False)
    let_in = run("run-once", env={"BACKEND_URL": backend.url})

    assert open_door.code == 77
    assert "Ponga BACKEND_EMAIL y BACKEND_PASSWORD, o BACKEND_JWT_TOKEN" in open_door.stderr
    assert let_in.code == 0
    assert all(request.authorization is None for request in backend.requests())


def test_the_token_stays_on_its_origin(backend: ReferenceBackend) -> None:
    """Una página siguiente en otro servidor no se sigue: ni se le pide nada ni recibe el token."""
    with FaultyServer(lambda _: answer(200, "[]")) as other:
        page = json.dumps({"next": f"{other.url}{START.list_path}?page=2", "results": [{"id": 1}]})

        def rule(request: Request) -> Any:
            return answer(200, page if request.method == "GET" else '{"success": true}')

        with FaultyServer(rule) as server:
            completed = run("start", "--json", env=config(backend, server.url))

    assert completed.code == 76
    assert "otro servidor" in completed.report["error"]
    assert the_part(completed)["done"] == 1
    assert other.requests == []


def test_environment_proxies_are_not_used(backend: ReferenceBackend) -> None:
    """Un `HTTP_PROXY` del entorno no ve ni una petición; `BACKEND_PROXY`, sí."""
    with FaultyServer(lambda _: answer(200, "[]")) as proxy:
        unseen = run("run-once", env=config(backend, HTTP_PROXY=proxy.url, ALL_PROXY=proxy.url))
        before = len(proxy.requests)
        seen = run("run-once", env=config(backend, BACKEND_PROXY=proxy.url))

    assert (unseen.code, before) == (0, 0)
    assert (seen.code, len(proxy.requests)) == (0, 2)


def test_the_run_id_reaches_the_backend(backend: ReferenceBackend) -> None:
    """Cada petición lleva el `run_id` del informe en `X-Request-ID`."""
    completed = run("run-once", "--json", env=config(backend))

    assert {request.request_id for request in backend.requests()} == {completed.report["run_id"]}


def test_the_deadline_cuts_and_the_report_adds_up(backend: ReferenceBackend) -> None:
    """Cuando se acaba el tiempo, lo hecho está hecho, lo demás queda como `skipped`, y el código es 75."""
    backend.configure(latency_ms=300)
    backend.add_events(due_start=60)

    completed = run("start", "--json", env=config(backend, PASS_TIMEOUT=1.5, MAX_CONCURRENCY=2))

    assert completed.code == 75
    part = the_part(completed)
    assert part["done"] > 0
    assert part["skipped"] > 40
    assert completed.report["duration_seconds"] < 2
    assert "se acabó el tiempo de la pasada (1.5 s)" in completed.report["error"]


@pytest.mark.parametrize("rule_name", ["stall", "drip-head", "drip-body", "early-hints"])
def test_the_deadline_holds_whatever_the_server_does(rule_name: str) -> None:
    """Ni un servidor callado ni uno que gotea alargan la pasada medio segundo más de su límite."""
    rules: dict[str, Rule] = {
        "stall": lambda _: Fault.STALL,
        "drip-head": lambda _: Drip(b"HTTP/1.1 200 OK\r\n", b"X-Gota: 1\r\n"),
        "drip-body": lambda _: Drip(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n[", b" "),
        "early-hints": lambda _: Drip(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    }
    with FaultyServer(rules[rule_name]) as server:
        completed = run("run-once", "--json", env={"BACKEND_URL": server.url, "PASS_TIMEOUT": 1})

    assert completed.code == 69
    assert completed.report["duration_seconds"] < 1.5


@pytest.mark.parametrize("signal_name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_lets_go_of_nothing(backend: ReferenceBackend, signal_name: str) -> None:
    """Una señal a media pasada deja acabar lo que está en camino, no empieza nada más, e informa: 75."""
    backend.configure(latency_ms=200)
    backend.add_events(due_start=200)

    process = start("start", "--json", env=config(backend, MAX_CONCURRENCY=2))
    while len(posts(backend)) < 4:
        time.sleep(0.02)
    process.send_signal(signal.Signals[signal_name])
    completed = wait(process, timeout=10)

    assert completed.code == 75
    part = the_part(completed)
    assert part["done"] == len(moves(backend)) >= 4
    assert part["skipped"] == 200 - part["done"]
    assert signal_name in completed.report["error"]


def test_retry_after_is_honoured(backend: ReferenceBackend) -> None:
    """Si el backend pide esperar, se espera lo que pide antes de volver a mirar."""
    backend.add_events(due_start=1)

    def busy_once(request: Request) -> Any:
        return answer(429, Retry_After="2") if request.method == "GET" and request.nth == 1 else None

    with FaultyServer(busy_once, backend.url) as proxy:
        completed = run("start", "--json", env=config(backend, proxy.url))

    assert completed.code == 0
    assert completed.report["duration_seconds"] >= 2


def test_errors_from_the_network_reach_the_log_as_one_plain_line() -> None:
    """Lo que dice el backend sale sin órdenes de terminal, sin marcas y sin líneas falsas."""
    hostile = "\x1b[31mrojo\x1b[0m [bold]x[/bold]\n2025-01-01 00:00:00 - INFO - falso \u202eoculto"

    def rule(request: Request) -> Any:
        if request.method == "GET":
            return answer(200, '[{"id": 9, "start_date": "\\u001b[2Jayer"}]')
        return answer(400, json.dumps({"error": hostile}))

    with FaultyServer(rule) as server:
        completed = run("start", env={"BACKEND_URL": server.url})

    assert completed.code == 1
    assert "\x1b" not in completed.stderr + completed.stdout
    assert "\u202e" not in completed.stderr
    (line,) = (line for line in completed.stderr.splitlines() if "✗" in line)
    assert line.endswith(
        "✗ No se pudo iniciar el evento 9: [31mrojo [0m [bold]x[/bold] 2025-01-01 00:00:00 - INFO - falso oculto"
    )
