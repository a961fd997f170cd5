"""Qué hace una pasada y con qué eventos: los simulacros, los nombrados y el reparto."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estado_eventos.domain.shard import MAX_SHARDS, Shard
from estado_eventos.domain.transitions import FINISH, START, TRANSITIONS, Event
from estado_eventos.reconcile.plan import Plan
from tests.support.faults import FaultyServer
from tests.support.inside import run_inside
from tests.support.passes import config, moves, part_of, posts, results
from tests.support.program import start, wait
from tests.support.reactions import Request, answer
from tests.support.reference.server import ReferenceBackend

NOW = datetime(2026, 1, 1, 10, tzinfo=UTC)


def test_dry_run_lists_and_changes_nothing(backend: ReferenceBackend) -> None:
    """`--dry-run` enseña lo pendiente sin un solo POST."""
    backend.add_events(due_start=2)

    completed = run_inside("run-once", "--dry-run", "--json", **config(backend))

    assert completed.code == 0
    assert completed.report["dry_run"] is True
    assert [event["result"] for event in part_of(completed)["events"]] == ["pending", "pending"]
    assert posts(backend) == []


def test_a_rehearsal_names_what_it_would_move(backend: ReferenceBackend) -> None:
    """Sin `--json`, `--dry-run` dice qué eventos tocaría, no solo cuántos; con `--quiet`, nada."""
    backend.add_events(due_start=1, due_finish=1, public_ids=["a", "b"])

    completed = run_inside("run-once", "--dry-run", **config(backend))
    quiet = run_inside("run-once", "--dry-run", "--quiet", **config(backend))

    assert [line.split("  ")[:2] for line in completed.stdout.splitlines()] == [["inicio", "a"], ["finalización", "b"]]
    assert (quiet.stdout, quiet.stderr) == ("", "")


def test_event_limits_the_pass(backend: ReferenceBackend) -> None:
    """Con `--event`, repetido, solo cuentan esos eventos."""
    ids = backend.add_events(due_start=4)

    completed = run_inside("start", "--event", str(ids[1]), "--event", str(ids[3]), "--json", **config(backend))

    assert completed.code == 0
    assert part_of(completed)["pending"] == 2
    assert moves(backend) == sorted([str(ids[1]), str(ids[3])])


def test_pending_shows_what_is_due_and_how_late(backend: ReferenceBackend) -> None:
    """`pending` enseña lo pendiente y su retraso, y no cambia nada."""
    backend.add_events(due_start=1, public_ids=["matematicas-1"], offset=-3725)

    plain = run_inside("pending", **config(backend))
    as_json = run_inside("pending", "--json", **config(backend))

    assert (plain.code, plain.stderr) == (0, "")
    assert "matematicas-1" in plain.stdout
    assert "1 h 2 min" in plain.stdout
    assert "No hay eventos pendientes de finalización" in plain.stdout
    assert part_of(as_json)["events"][0]["result"] == "pending"
    assert part_of(as_json)["events"][0]["lag_seconds"] > 3725
    assert posts(backend) == []


@given(number=st.integers(), count=st.integers(1, MAX_SHARDS))
def test_a_number_and_its_text_are_the_same_event(number: int, count: int) -> None:
    """7 y "7" son de la misma parte: el backend puede cambiar de forma de escribirlo."""
    shard = Shard(1, count).owner(str(number))

    for written in (number, str(number)):
        event = Event.from_item({"id": written}, START)
        assert event.problem or Plan("start", (START,), shard=shard).takes(event, NOW)


def test_what_has_no_id_belongs_to_the_first_part() -> None:
    """Un elemento sin identificador que valga lo cuenta la primera parte, y solo ella."""
    for item in ({}, None, {"id": "../x"}, {"id": True}, {"id": "é"}):
        event = Event.from_item(item, START)

        assert [number for number in range(1, 9) if Plan("start", (), shard=Shard(number, 8)).takes(event, NOW)] == [1]


def test_the_parts_share_out_everything(backend: ReferenceBackend) -> None:
    """Tres partes, una tras otra: cada una cuenta y mueve lo suyo, entre todas todo, y cada evento una vez."""
    backend.add_events(due_start=40, due_finish=20, public_ids=[f"examen-{number}" for number in range(60)])
    env = config(backend, LOG_LEVEL="DEBUG")

    completed = [run_inside("run-once", "--json", **env, SHARD=f"{number}/3") for number in (1, 2, 3)]

    assert [one.code for one in completed] == [0, 0, 0]
    assert [one.report["shard"] for one in completed] == ["1/3", "2/3", "3/3"]
    for transition, total in ((START, 40), (FINISH, 20)):
        shares = [set(results(one, transition)) for one in completed]
        assert all(shares)
        assert sum(map(len, shares)) == len(set.union(*shares)) == total
    assert sorted(Counter(change.event_id for change in backend.history()).values()) == [1] * 60
    assert "DEBUG - Parte 2/3: solo los eventos que le tocan" in completed[1].messages


def test_an_indexed_job_does_the_same(backend: ReferenceBackend) -> None:
    """El índice 2 de un Job de cinco es la parte 3/5."""
    backend.add_events(due_start=30)
    env = config(backend)

    by_name = run_inside("start", "--dry-run", "--json", **env, SHARD="3/5")
    by_index = run_inside("start", "--json", **env, JOB_COMPLETION_INDEX=2, SHARD_COUNT=5)

    assert by_index.code == 0
    assert by_index.report["shard"] == "3/5"
    assert results(by_index).keys() == results(by_name).keys()
    assert {str(change.event_id) for change in backend.history()} == results(by_name).keys()


def test_what_only_looks_speaks_of_its_part(backend: ReferenceBackend) -> None:
    """`pending`, `--dry-run`, `info` y `check` dicen de qué parte hablan y cuentan solo lo suyo."""
    every = {str(key) for key in backend.add_events(due_start=12)}
    mine = {key for key in every if Shard(2, 3).owns(key)}
    env = config(backend, SHARD="2/3")

    pending = run_inside("pending", **env)
    report = run_inside("pending", "--json", **env).report
    rehearsal = run_inside("run-once", "--dry-run", **env)
    info = run_inside("info", **env)
    check = run_inside("check", **env)

    assert report["transitions"][START.name]["pending"] == len(mine)
    assert report["shard"] == "2/3"
    assert {line.split()[1] for line in pending.stdout.splitlines() if line.startswith(START.noun)} == mine
    assert pending.stdout.splitlines()[-1] == rehearsal.stdout.splitlines()[-1] == "Solo los eventos de la parte 2/3"
    assert {line.split()[1] for line in rehearsal.stdout.splitlines() if line.startswith(START.noun)} == mine
    assert "Parte 2/3 de los eventos" in info.stdout
    assert "✓ Reparto: esta es la parte 2/3" in check.stdout
    assert f"12 evento(s) pendiente(s), {len(mine)} de esta parte" in check.stdout
    assert backend.history() == []


def test_without_sharing_nothing_speaks_of_parts(backend: ReferenceBackend) -> None:
    """Sin reparto, los informes y las palabras son los de siempre."""
    backend.add_events(due_start=1)
    env = config(backend)

    completed = run_inside("run-once", "--json", **env)
    spoken = [run_inside(command, **env) for command in ("run-once", "pending", "info")]

    assert "shard" not in completed.report
    assert not [one for one in (completed, *spoken) if "parte" in (one.stdout + one.stderr).lower()]


def test_a_named_event_is_done_whoever_it_belongs_to(backend: ReferenceBackend) -> None:
    """Con `--event` manda quien lo teclea: se hace aunque sea de otra parte, y el informe no habla de partes."""
    named = "examen-1"
    assert not Shard(1, 8).owns(named)
    backend.add_events(due_start=2, public_ids=[named, "examen-2"])

    completed = run_inside("start", "--event", named, "--json", **config(backend, SHARD="1/8"))

    assert completed.code == 0
    assert results(completed).keys() == {named}
    assert "shard" not in completed.report
    assert [str(change.event_id) for change in backend.history()] == [named]


def test_a_problem_of_the_list_is_told_once() -> None:
    """Lo que la lista trae sin identificador lo cuenta la primera parte, que acaba con 1; las demás, no."""

    def rule(request: Request) -> Any:
        bad = '[{"start_date": "2026-01-01T10:00:00Z"}, {"id": "a b"}]'
        return answer(200, bad if request.path == START.list_path else "[]")

    with FaultyServer(rule) as server:
        env = {"BACKEND_URL": server.url}
        completed = [run_inside("run-once", "--json", **env, SHARD=f"{number}/3") for number in (1, 2, 3)]

    assert [one.code for one in completed] == [1, 0, 0]
    assert [one.report["transitions"][START.name]["failed"] for one in completed] == [2, 0, 0]


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.timeout(900)
def test_eight_processes_share_thousands_of_events(postgres_url: str) -> None:
    """Ocho procesos a la vez contra PostgreSQL: 4000 eventos, cada uno pedido y movido una sola vez."""
    total = 4000
    with ReferenceBackend(database_url=postgres_url, workers=2, threads=32) as backend:
        backend.reset()
        created = backend.add_events(due_start=total // 2, due_finish=total // 2)
        # Con tiempo de sobra: aquí no se prueba lo rápida que sea la máquina.
        env = config(backend, SCHEDULER_INTERVAL_SECONDS=86400, PASS_TIMEOUT=3600, HTTP_TIMEOUT=900)
        env |= {"SHARD_COUNT": 8, "MAX_CONCURRENCY": 2}
        options = ("run-once", "--json", "--log-level", "warning")
        processes = [start(*options, env={**env, "JOB_COMPLETION_INDEX": index}) for index in range(8)]
        completed = [wait(process, timeout=900) for process in processes]
        moved = Counter(change.event_id for change in backend.history())
        posted = Counter(request.path for request in backend.requests() if request.method == "POST")

    assert [(one.code, one.stderr) for one in completed] == [(0, "")] * 8
    assert set(moved) == set(created)
    assert set(moved.values()) == set(posted.values()) == {1}
    parts = [one.report["transitions"][transition.name] for one in completed for transition in TRANSITIONS]
    assert sum(part["done"] for part in parts) == sum(part["pending"] for part in parts) == total
