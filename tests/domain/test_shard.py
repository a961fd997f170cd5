"""El reparto: cada evento es de una parte y solo de una, la misma en todas partes y siempre."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estado_eventos.config.settings import SettingsError
from estado_eventos.config.sources import load
from estado_eventos.domain.shard import MAX_SHARDS, WHOLE, Shard
from estado_eventos.domain.transitions import FINISH, START, TRANSITIONS, Event
from estado_eventos.reconcile.lock import PassLock
from estado_eventos.reconcile.plan import Plan
from tests.support.faults import FaultyServer, Request, answer
from tests.support.program import Completed, run, start, wait
from tests.support.reference.server import ReferenceBackend

IDS = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
COUNTS = st.integers(1, MAX_SHARDS)


def config(backend: ReferenceBackend, **variables: object) -> dict[str, object]:
    """La configuración de una parte."""
    return {"BACKEND_URL": backend.url, "BACKEND_JWT_TOKEN": backend.token(), **variables}


def ids(completed: Completed, name: str = START.name) -> set[str]:
    """Los eventos de una pasada, según su informe."""
    return {str(event["id"]) for event in completed.report["transitions"][name]["events"]}


def everyone(count: int) -> list[Shard]:
    """Todas las partes."""
    return [Shard(number, count) for number in range(1, count + 1)]


@given(key=IDS, count=COUNTS)
def test_each_event_belongs_to_exactly_one_part(key: str, count: int) -> None:
    """Con cualquier identificador y cualquier número de partes, hay una que lo tiene, y es la que dice `owner`."""
    owners = [shard for shard in everyone(count) if shard.owns(key)]

    assert owners == [Shard(1, count).owner(key)]


@given(number=st.integers(), count=COUNTS)
def test_a_number_and_its_text_are_the_same_event(number: int, count: int) -> None:
    """7 y "7" son de la misma parte: el backend puede cambiar de forma de escribirlo."""
    shard = Shard(1, count).owner(str(number))

    for written in (number, str(number)):
        event = Event.from_item({"id": written}, START)
        assert event.problem or Plan("start", (START,), shard=shard).takes(event)


@pytest.mark.parametrize(
    ("key", "of_two", "of_eight", "of_a_thousand"),
    [
        ("1", 2, 8, 584),
        ("2", 2, 6, 438),
        ("7", 1, 3, 347),
        ("123456", 2, 2, 162),
        ("algebra-2", 2, 6, 670),
        ("3f2b8c1e-0d4a-4a57-9f7e-5b1d2c3a4e5f", 1, 1, 753),
        ("-", 1, 1, 145),
    ],
)
def test_whose_an_event_is_never_changes(key: str, of_two: int, of_eight: int, of_a_thousand: int) -> None:
    """De quién es cada evento no cambia de una versión a otra: dos a la vez dejarían eventos sin hacer."""
    found = [Shard(1, count).owner(key).number for count in (2, 8, 1000)]

    assert found == [of_two, of_eight, of_a_thousand]


@pytest.mark.parametrize("count", [2, 3, 8, 10, 64])
@pytest.mark.parametrize("numbers", [range(1, 20_001), range(7, 200_007, 10), range(0, 160_000, 8)], ids=str)
def test_the_parts_of_consecutive_numbers_are_alike(numbers: range, count: int) -> None:
    """De 20 000 identificadores seguidos, o de diez en diez, ninguna parte tiene un 10 % más o menos que otra."""
    sizes = Counter(Shard(1, count).owner(str(number)).number for number in numbers)

    share = len(numbers) / count
    assert len(sizes) == count
    assert min(sizes.values()) > 0.9 * share
    assert max(sizes.values()) < 1.1 * share


def test_what_has_no_id_belongs_to_the_first_part() -> None:
    """Un elemento sin identificador que valga lo cuenta la primera parte, y solo ella."""
    for item in ({}, None, {"id": "../x"}, {"id": True}, {"id": "é"}):
        event = Event.from_item(item, START)

        assert [shard.number for shard in everyone(8) if Plan("start", (), shard=shard).takes(event)] == [1]


@pytest.mark.parametrize(
    ("variables", "part"),
    [
        ({}, WHOLE),
        ({"SHARD": "1/1"}, WHOLE),
        ({"SHARD": "2/8"}, Shard(2, 8)),
        ({"SHARD": " 08 / 8 "}, Shard(8, 8)),
        ({"SHARD": "1000/1000"}, Shard(1000, 1000)),
        ({"JOB_COMPLETION_INDEX": "0", "SHARD_COUNT": "8"}, Shard(1, 8)),
        ({"JOB_COMPLETION_INDEX": "7", "SHARD_COUNT": "8"}, Shard(8, 8)),
        ({"JOB_COMPLETION_INDEX": "0", "SHARD_COUNT": "1"}, WHOLE),
        ({"JOB_COMPLETION_INDEX": "1", "SHARD_COUNT": "8", "SHARD": "2/8"}, Shard(2, 8)),
        ({"SHARD": "2/8", "SHARD_COUNT": "8"}, Shard(2, 8)),
    ],
)
def test_how_a_part_is_said(variables: dict[str, str], part: Shard) -> None:
    """`SHARD` se cuenta desde 1, como las personas; `JOB_COMPLETION_INDEX`, desde 0, como Kubernetes."""
    assert load(variables).settings.part == part


@pytest.mark.parametrize(
    ("variables", "named", "words"),
    [
        ({"SHARD": "0/8"}, "SHARD", "de 1/8 a 8/8"),
        ({"SHARD": "9/8"}, "SHARD", "de 1/8 a 8/8"),
        ({"SHARD": "1/0"}, "SHARD", "de 1 a 1000"),
        ({"SHARD": "1/1001"}, "SHARD", "de 1 a 1000"),
        ({"SHARD": "8"}, "SHARD", "como 2/8"),
        ({"SHARD": "2/8/1"}, "SHARD", "como 2/8"),
        ({"SHARD": "-1/8"}, "SHARD", "como 2/8"),
        ({"SHARD": "²/8"}, "SHARD", "como 2/8"),
        ({"SHARD": "٢/8"}, "SHARD", "como 2/8"),
        ({"SHARD": "9" * 5000 + "/8"}, "SHARD", "como 2/8"),
        ({"SHARD_COUNT": "0", "JOB_COMPLETION_INDEX": "0"}, "SHARD_COUNT", "al menos 1"),
        ({"SHARD_COUNT": "1001", "JOB_COMPLETION_INDEX": "0"}, "SHARD_COUNT", "como mucho 1000"),
        ({"SHARD_COUNT": "8", "JOB_COMPLETION_INDEX": "-1"}, "JOB_COMPLETION_INDEX", "al menos 0"),
        ({"SHARD_COUNT": "8", "JOB_COMPLETION_INDEX": "8"}, "JOB_COMPLETION_INDEX", "menor que SHARD_COUNT"),
        ({"SHARD_COUNT": "8"}, "JOB_COMPLETION_INDEX", "falta"),
        ({"JOB_COMPLETION_INDEX": "3"}, "SHARD_COUNT", "falta"),
        ({"SHARD": "2/8", "SHARD_COUNT": "4"}, "SHARD", "contradice"),
        ({"SHARD": "2/8", "JOB_COMPLETION_INDEX": "2"}, "SHARD", "contradice"),
        ({"SHARD": "2/8", "SHARD_COUNT": "8", "JOB_COMPLETION_INDEX": "2"}, "SHARD", "contradice"),
    ],
)
def test_a_part_that_does_not_exist_is_one_sentence(variables: dict[str, str], named: str, words: str) -> None:
    """Una parte que no existe, a medias o dicha de dos maneras que no casan: una frase que nombra la variable."""
    with pytest.raises(SettingsError) as caught:
        load(variables)

    (sentence,) = caught.value.problems
    assert sentence.startswith((f"{named} ", f"{named}:"))
    assert words in sentence


@pytest.mark.parametrize("variables", [{"SHARD": "9/8"}, {"JOB_COMPLETION_INDEX": "3"}])
def test_a_wrong_part_asks_for_nothing_and_exits_78(variables: dict[str, str]) -> None:
    """Con un reparto que no vale no se pide nada: 78. Ocho pods sin `SHARD_COUNT` pedirían todos lo mismo a la vez."""
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        completed = run("run-once", env={"BACKEND_URL": server.url, **variables})

    assert completed.code == 78
    assert len(completed.messages) == 1
    assert server.requests == []


def test_the_parts_share_out_everything(backend: ReferenceBackend) -> None:
    """Tres partes, una tras otra: cada una cuenta y mueve lo suyo, entre todas todo, y cada evento una vez."""
    backend.add_events(due_start=40, due_finish=20)
    env = config(backend)

    completed = [run("run-once", "--json", env={**env, "SHARD": f"{number}/3"}) for number in (1, 2, 3)]

    assert [one.code for one in completed] == [0, 0, 0]
    assert [one.report["shard"] for one in completed] == ["1/3", "2/3", "3/3"]
    for transition, total in ((START, 40), (FINISH, 20)):
        shares = [ids(one, transition.name) for one in completed]
        assert all(shares)
        assert sum(map(len, shares)) == len(set.union(*shares)) == total
    assert sorted(Counter(change.event_id for change in backend.history()).values()) == [1] * 60
    assert "INFO - Parte 2/3: solo los eventos que le tocan" in completed[1].messages


def test_an_indexed_job_does_the_same(backend: ReferenceBackend) -> None:
    """El índice 2 de un Job de cinco es la parte 3/5."""
    backend.add_events(due_start=30)
    env = config(backend)

    by_name = run("start", "--dry-run", "--json", env={**env, "SHARD": "3/5"})
    by_index = run("start", "--json", env={**env, "JOB_COMPLETION_INDEX": 2, "SHARD_COUNT": 5})

    assert by_index.code == 0
    assert by_index.report["shard"] == "3/5"
    assert ids(by_index) == ids(by_name)
    assert {str(change.event_id) for change in backend.history()} == ids(by_name)


def test_what_only_looks_speaks_of_its_part(backend: ReferenceBackend) -> None:
    """`pending`, `--dry-run`, `info` y `check` dicen de qué parte hablan y cuentan solo lo suyo."""
    every = {str(key) for key in backend.add_events(due_start=12)}
    mine = {key for key in every if Shard(2, 3).owns(key)}
    env = config(backend, SHARD="2/3")

    pending = run("pending", env=env)
    report = run("pending", "--json", env=env).report
    rehearsal = run("run-once", "--dry-run", env=env)
    info = run("info", env=env)
    check = run("check", env=env)

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

    completed = run("run-once", "--json", env=env)
    spoken = [run(command, env=env) for command in ("run-once", "pending", "info")]

    assert "shard" not in completed.report
    assert not [one for one in (completed, *spoken) if "parte" in (one.stdout + one.stderr).lower()]


def test_a_named_event_is_done_whoever_it_belongs_to(backend: ReferenceBackend) -> None:
    """Con `--event` manda quien lo teclea: se hace aunque sea de otra parte, y el informe no habla de partes."""
    named = next(key for key in map(str, backend.add_events(due_start=8)) if not Shard(1, 8).owns(key))

    completed = run("start", "--event", named, "--json", env=config(backend, SHARD="1/8"))

    assert completed.code == 0
    assert ids(completed) == {named}
    assert "shard" not in completed.report
    assert [str(change.event_id) for change in backend.history()] == [named]


def test_a_problem_of_the_list_is_told_once() -> None:
    """Lo que la lista trae sin identificador lo cuenta la primera parte, que acaba con 1; las demás, no."""

    def rule(request: Request) -> Any:
        bad = '[{"start_date": "2026-01-01T10:00:00Z"}, {"id": "a b"}]'
        return answer(200, bad if request.path == START.list_path else "[]")

    with FaultyServer(rule) as server:
        env = {"BACKEND_URL": server.url}
        completed = [run("run-once", "--json", env={**env, "SHARD": f"{number}/3"}) for number in (1, 2, 3)]

    assert [one.code for one in completed] == [1, 0, 0]
    assert [one.report["transitions"][START.name]["failed"] for one in completed] == [2, 0, 0]


def _is_held_by(turn: str, command: list[str], env: dict[str, object]) -> tuple[bool, Completed]:
    """Si un mandato espera a quien tiene ese turno, y cómo acaba cuando lo suelta."""

    async def hold() -> tuple[bool, Completed]:
        async with PassLock().hold(turn, asyncio.Event()):
            process = start(*command, env=env)
            assert process.stderr is not None
            lines = []
            while line := await asyncio.to_thread(process.stderr.readline):
                lines.append(line)
                if "Otra pasada está en marcha" in line:
                    break
        completed = await asyncio.to_thread(wait, process)
        return bool(line), Completed(completed.code, completed.stdout, "".join(lines) + completed.stderr)

    return asyncio.run(hold())


@pytest.mark.parametrize(
    ("shard", "arguments", "waits"),
    [
        ("2/3", [], True),
        ("1/3", [], False),
        ("1/1", [], False),
        ("1/3", ["--event", "{second}"], True),
        ("2/3", ["--event", "{first}"], False),
        ("3/3", ["--event", "{first}", "--event", "{second}"], True),
    ],
)
def test_the_parts_of_one_machine_do_not_wait_for_each_other(
    backend: ReferenceBackend, shard: str, arguments: list[str], *, waits: bool
) -> None:
    """Mientras la parte 2/3 está en marcha, la 1/3 sigue, otra 2/3 espera, y también quien nombra un evento suyo."""
    keys = [str(key) for key in backend.add_events(due_start=12)]
    first, second = (next(key for key in keys if Shard(number, 3).owns(key)) for number in (1, 2))
    command = ["start", *(argument.format(first=first, second=second) for argument in arguments)]

    waited, completed = _is_held_by(f"{backend.url} {START.name} 2/3", command, config(backend, SHARD=shard))

    assert completed.code == 0
    assert waited is waits


def test_one_part_of_one_is_no_sharing(backend: ReferenceBackend) -> None:
    """`1/1` es lo mismo que no repartir: espera su turno con las pasadas de siempre."""
    backend.add_events(due_start=1)

    waited, completed = _is_held_by(f"{backend.url} {START.name}", ["start"], config(backend, SHARD="1/1"))

    assert (waited, completed.code) == (True, 0)


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.timeout(900)
def test_eight_processes_share_twenty_thousand_events(postgres_url: str) -> None:
    """Ocho procesos a la vez contra PostgreSQL: 20 000 eventos, cada uno pedido y movido una sola vez."""
    total = 20_000
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
