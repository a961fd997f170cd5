"""El archivo de métricas que comparten varios trabajos: cada uno cambia lo suyo, y nadie pierde nada."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from estado_eventos.domain.transitions import START
from tests.support.faults import FaultyServer
from tests.support.inside import run_inside
from tests.support.monitors import RUN, SUCCESS, denied, empty_lists, samples
from tests.support.program import start, wait


def test_each_job_changes_its_own_series(tmp_path: Path) -> None:
    """Dos nombres y dos partes en un archivo: cada pasada cambia las series de su trabajo y ninguna más."""
    path = tmp_path / "estado.prom"
    jobs = [{"name": name, "shard": shard} for name in ("aula", "aula2") for shard in ("1/2", "2/2")]

    def a_pass(server: FaultyServer, name: str, shard: str) -> None:
        run_inside("run-once", BACKEND_URL=server.url, METRICS_FILE=path, SCHEDULE_NAME=name, SHARD=shard)

    with FaultyServer(empty_lists) as server:
        for job in jobs:
            a_pass(server, **job)
        before = [samples(path.read_text(), **job) for job in jobs]
        server.rule = denied
        a_pass(server, **jobs[2])
    after = [samples(path.read_text(), **job) for job in jobs]

    assert [each["last_exit_code",] for each in before] == [0, 0, 0, 0]
    assert [each["last_exit_code",] for each in after] == [0, 0, 77, 0]
    assert after[2][SUCCESS,] == before[2][SUCCESS,] < after[2][RUN,]
    assert [after[index] for index in (0, 1, 3)] == [before[index] for index in (0, 1, 3)]


def test_a_job_of_another_version_is_kept(tmp_path: Path) -> None:
    """Las series de otro trabajo se conservan también si esta versión no las conoce; lo de otros programas, no."""
    path = tmp_path / "estado.prom"
    path.write_text(
        'estado_eventos_last_exit_code{name="otro",shard="1/1"} 69\n'
        "# HELP estado_eventos_next_thing Algo que aún no existe.\n"
        "# TYPE estado_eventos_next_thing gauge\n"
        'estado_eventos_next_thing{name="otro",shard="1/1",color="rojo"} 3\n'
        'ajena{name="otro",shard="1/1"} 1\n'
    )

    with FaultyServer(empty_lists) as server:
        run_inside("run-once", BACKEND_URL=server.url, METRICS_FILE=path)

    text = path.read_text()
    assert samples(text, name="otro") == {("last_exit_code",): 69, ("next_thing", "rojo"): 3}
    assert "ajena" not in text
    assert text.count("# TYPE estado_eventos_last_exit_code ") == 1


@pytest.mark.slow
def test_jobs_at_once_lose_nothing(tmp_path: Path) -> None:
    """Seis pasadas de dos trabajos a la vez, con el mismo archivo: al final están todas en sus cuentas."""
    path = tmp_path / "estado.prom"
    names = [f"aula{number}" for number in range(2)]
    with FaultyServer(empty_lists) as server:
        env = {"BACKEND_URL": server.url, "METRICS_FILE": path}
        running = [start(START.name, env=env | {"SCHEDULE_NAME": name}) for name in names * 3]
        completed = [wait(process) for process in running]

    assert [(each.code, "METRICS_FILE" in each.stderr) for each in completed] == [(0, False)] * 6
    assert [samples(path.read_text(), name=name)["passes_total", "0"] for name in names] == [3] * 2


def test_every_metric_is_described_once(tmp_path: Path) -> None:
    """Con varios trabajos, cada métrica tiene una descripción y sus series van seguidas: otra cosa no se puede leer."""
    path = tmp_path / "estado.prom"
    with FaultyServer(empty_lists) as server:
        for shard in ("1/3", "2/3", "3/3"):
            run_inside("run-once", BACKEND_URL=server.url, METRICS_FILE=path, SHARD=shard)

    text = path.read_text()
    described = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(described) == len(set(described)) == len(list(text_string_to_metric_families(text)))
    assert "_created" not in text
