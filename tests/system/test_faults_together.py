"""Varias pasadas a la vez, pasadas que alcanzan a la siguiente y pasadas muertas con SIGKILL.

Lo que vale siempre: cada evento cambia de estado una vez, ninguno retrocede y lo que una pasada deja lo hace otra. La
tabla para quien usa el programa está en `docs/fiabilidad.md`.
"""

import json
import os
import random
import threading
import time
from collections import Counter
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from estado_eventos.domain.transitions import START
from tests.support.faults import Fault, FaultyServer, Reaction, Request, Spoiled
from tests.support.forked import ForkServer, Running
from tests.support.program import Completed, start, wait
from tests.support.reference.contract import EventId
from tests.support.reference.server import ReferenceBackend

LONG = 300
"""Un límite que no se alcanza: aquí no se mide lo rápida que es la máquina."""

pytestmark = pytest.mark.timeout(LONG)

SPELLINGS = ("127.0.0.1", "127.1", "127.0.1", "0x7f.1", "2130706433", "017700000001", "localhost", "0.0.0.0")  # noqa: S104
"""El mismo servidor escrito de ocho maneras: quienes las usan no comparten el turno, como si fueran ocho máquinas."""

STATES = ("programado", "en_progreso", "completado")


def config(backend: ReferenceBackend, url: str | None = None, **variables: object) -> dict[str, object]:
    """La configuración para hablar con el backend, directamente o por otra dirección."""
    return {"BACKEND_URL": url or backend.url, "BACKEND_JWT_TOKEN": backend.token(), "PASS_TIMEOUT": LONG, **variables}


def changes(backend: ReferenceBackend) -> Counter[tuple[EventId, str, str]]:
    """Cuántas veces se puso a un evento en un estado, y desde cuál; nunca uno anterior."""
    counted = Counter((change.event_id, change.before, change.after) for change in backend.history())
    assert all(STATES.index(before) <= STATES.index(after) for _, before, after in counted)
    return counted


def total(completed: list[Completed], result: str) -> int:
    """Cuántos eventos acabaron así, sumados los informes."""
    return sum(part[result] for one in completed for part in one.report["transitions"].values())


@pytest.mark.slow
@pytest.mark.postgres
def test_eight_at_once_on_one_machine(postgres_backend: ReferenceBackend) -> None:
    """Ocho pasadas a la vez en una máquina, con 2.000 eventos: cada uno se mueve una vez y todas acaban con 0."""
    ids = postgres_backend.add_events(due_start=1200, due_finish=800)

    rivals = [start("run-once", "--json", "--quiet", env=config(postgres_backend)) for _ in range(8)]
    completed = [wait(rival, LONG) for rival in rivals]

    assert [rival.code for rival in completed] == [0] * 8
    moved = changes(postgres_backend)
    assert sorted(event_id for event_id, _, _ in moved) == sorted(ids)
    assert set(moved.values()) == {1}
    assert (total(completed, "done"), total(completed, "already_done")) == (2000, 0)
    assert sum(request.method == "POST" for request in postgres_backend.requests()) == 2000


@pytest.mark.slow
@pytest.mark.postgres
def test_eight_at_once_on_eight_machines(postgres_backend: ReferenceBackend) -> None:
    """Ocho pasadas que no comparten el turno, con 400 eventos: todos acaban movidos, ninguno retrocede, todas dan 0.

    El backend no tiene cerrojo: aplica dos veces lo que dos le piden en el mismo instante. Lo que contesta al que llega
    después (400) no es un fallo: la lista dice que ya está.
    """
    ids = postgres_backend.add_events(due_start=240, due_finish=160)
    port = urlsplit(postgres_backend.url).port
    urls = [f"http://{host}:{port}" for host in SPELLINGS]

    rivals = [start("run-once", "--json", "--quiet", env=config(postgres_backend, url)) for url in urls]
    completed = [wait(rival, LONG) for rival in rivals]

    assert [rival.code for rival in completed] == [0] * 8
    assert [rival.stderr for rival in completed] == [""] * 8
    moved = changes(postgres_backend)
    assert sorted(event_id for event_id, before, after in moved if before != after) == sorted(ids)
    assert total(completed, "done") >= 400
    assert total(completed, "already_done") > 0
    assert total(completed, "failed") == total(completed, "skipped") == 0


def _first_line(stream: Any, words: str) -> None:
    """Espera a que el programa diga eso por su registro."""
    for line in stream:
        if words in line:
            return
    raise AssertionError(f"acabó sin decir «{words}»")


def test_the_next_pass_waits_and_does_what_is_left(backend: ReferenceBackend) -> None:
    """Si una pasada alcanza a la siguiente, esta espera su turno y hace lo nuevo: 0 las dos, nada dos veces."""
    ids = backend.add_events(due_start=5)
    reached, go_on = threading.Event(), threading.Event()

    def slow_once(request: Request) -> None:
        if request.path == START.action_path(ids[2]):
            reached.set()
            go_on.wait(LONG)

    with FaultyServer(slow_once, backend.url) as server:
        env = config(backend, server.url, SCHEDULER_INTERVAL_SECONDS=10, MAX_CONCURRENCY=1)
        late = start("start", "--json", env=env)
        assert reached.wait(30)
        ids += backend.add_events(due_start=3)
        following = start("start", "--json", env=env)
        _first_line(following.stderr, "Otra pasada está en marcha")
        asked = server.count("GET")
        go_on.set()
        completed = [wait(late), wait(following)]

    assert [one.code for one in completed] == [0, 0]
    assert asked == 1
    assert [total([one], "done") for one in completed] == [5, 3]
    assert changes(backend) == Counter((event_id, "programado", "en_progreso") for event_id in ids)


@pytest.mark.slow
def test_a_pass_cut_by_its_deadline_leaves_nothing_in_the_air(backend: ReferenceBackend) -> None:
    """Una pasada a la que se le acaba el tiempo, con otra esperando: 75, la otra hace el resto, nada dos veces."""
    backend.configure(race_ms=300)
    ids = backend.add_events(due_start=100)

    late = start("start", "--json", env=config(backend, PASS_TIMEOUT=20, MAX_CONCURRENCY=1))
    _first_line(late.stderr, "Se encontraron 100")
    following = start("start", "--json", env=config(backend, MAX_CONCURRENCY=16))
    _first_line(following.stderr, "Otra pasada está en marcha")
    first, second = wait(late), wait(following)

    assert (first.code, second.code) == (75, 0)
    assert "se acabó el tiempo de la pasada (20 s)" in first.report["error"]
    assert total([first], "done") + total([second], "done") == 100
    assert total([first], "skipped") == total([second], "done") > 0
    assert changes(backend) == Counter((event_id, "programado", "en_progreso") for event_id in ids)


def test_a_pass_whose_turn_never_comes_says_so(backend: ReferenceBackend) -> None:
    """La que se queda sin tiempo esperando su turno no pide nada: 75, «otra pasada no acaba»."""
    ids = backend.add_events(due_start=1)
    go_on = threading.Event()

    def slow_list(request: Request) -> None:
        if request.method == "GET":
            go_on.wait(LONG)

    with FaultyServer(slow_list, backend.url) as server:
        late = start("start", "--json", env=config(backend, server.url))
        while not server.count("GET"):
            assert late.poll() is None
            time.sleep(0.02)
        impatient = wait(start("start", "--json", env=config(backend, server.url, PASS_TIMEOUT=0.5)))
        asked = len(server.requests)
        go_on.set()
        completed = wait(late)

    assert impatient.code == 75
    assert "otra pasada no acaba" in impatient.report["error"]
    assert (asked, completed.code) == (1, 0)
    assert changes(backend) == Counter([(ids[0], "programado", "en_progreso")])


HOWS = ("sin leerla", "antes de aplicarla", "sin contestar, ya aplicada")


def _killed_by_request(
    forks: ForkServer, backend: ReferenceBackend, env: dict[str, object], dice: random.Random
) -> int:
    """Muere en su petición número tantos, sin que nadie la lea, antes de que se aplique o ya aplicada."""
    number, how = dice.randint(1, 9), dice.choice(HOWS)
    victim: Future[Running] = Future()
    lock = threading.Lock()
    seen = 0

    def deadly(_: Request) -> Reaction:
        nonlocal seen
        with lock:
            seen += 1
            last = seen == number
        if not last:
            return None
        kill = victim.result().kill
        if how == HOWS[2]:
            return Spoiled(lambda data: (kill(), data)[1])
        kill()
        return Fault.CUT if how == HOWS[0] else Fault.CUT_AFTER_APPLYING

    with FaultyServer(deadly, backend.url) as server:
        running = forks.start("run-once", env={**env, "BACKEND_URL": server.url})
        victim.set_result(running)
        return running.wait().code


def _killed_by_effort(env: dict[str, object], dice: random.Random) -> int:
    """Muere cuando ha gastado tantas centésimas de CPU: arrancando o en lo primero que hace."""
    ticks = dice.randrange(25)
    with start("run-once", env=env) as process:
        while process.poll() is None and _ticks(process.pid) < ticks:
            time.sleep(0.003)
        process.kill()
        process.communicate()
    return process.returncode


def _ticks(pid: int) -> int:
    """La CPU gastada por un proceso (proc(5)); sin límite, si ya no está."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return os.sysconf("SC_CLK_TCK") * LONG
    return int(fields[11]) + int(fields[12])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_killed_a_hundred_times_nothing_moves_twice(
    backend: ReferenceBackend, forks: ForkServer, tmp_path: Path, seed: int
) -> None:
    """Muerta con SIGKILL en cien momentos (25 por semilla), una pasada limpia acaba lo que falta y no repite nada."""
    dice = random.Random(seed)  # noqa: S311  Siempre los mismos momentos.
    files = {"TOKEN_CACHE_FILE": "token", "METRICS_FILE": "m.prom", "REPORT_FILE": "r.json"}
    env: dict[str, object] = {name: tmp_path / file for name, file in files.items()}
    env |= {"BACKEND_EMAIL": backend.email, "BACKEND_PASSWORD": backend.password, "PASS_TIMEOUT": LONG}
    env |= {"BACKEND_URL": backend.url}
    ids: list[EventId] = []
    deaths = 0
    while deaths < 25:
        ids += backend.add_events(due_start=3) + backend.add_events(due_finish=3)
        code = _killed_by_effort(env, dice) if deaths % 4 == 0 else _killed_by_request(forks, backend, env, dice)
        assert code in {-9, 0}
        deaths += code == -9
        for name in ("token", "r.json"):
            path = tmp_path / name
            assert not path.exists() or json.loads(path.read_text())

    completed = forks.run("run-once", "--json", env=env)

    assert completed.code == 0
    assert total([completed], "skipped") == 0
    moved = changes(backend)
    assert sorted(event_id for event_id, _, _ in moved) == sorted(ids)
    assert set(moved.values()) == {1}
    assert total([forks.run("pending", "--json", env=env)], "pending") == 0
