"""Los planificadores instalados, mirados por dentro: si funcionan, si son lo que dice su archivo y si se repiten."""

from pathlib import Path

import pytest

from estado_eventos.schedule.cron import cron_block
from estado_eventos.schedule.job import Job
from tests.support.diagnosis import RUNNING, cron_daemon, diagnose, machine
from tests.support.faults import FaultyServer
from tests.support.reactions import answer


def test_two_names_for_one_backend_are_a_warning(tmp_path: Path) -> None:
    """Dos planificadores de distinto nombre con la misma BACKEND_URL hacen lo mismo; repartidos, no."""
    units = {}
    for name in ("estado-eventos", "estado-eventos-aula2"):
        (tmp_path / f"{name}.env").write_text("BACKEND_URL=http://el-mismo.example\n")
        units[f"{name}.service"] = (
            f"ExecStart={{ argv[]=/x/estado-eventos --env-file {tmp_path}/{name}.env run-once ; }}"
        )
    both = f"{RUNNING}\nestado-eventos-aula2.timer enabled active"
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        env = {"BACKEND_URL": server.url, **machine(tmp_path, system=both, units=units)}
        twice = diagnose(**env).about("schedule")
        for number, name in enumerate(("estado-eventos", "estado-eventos-aula2"), 1):
            with (tmp_path / f"{name}.env").open("a") as file:
                file.write(f"SHARD={number}/2\n")
        shared = diagnose(**env).about("schedule")

    assert "hacen lo mismo" in twice[-1]["message"]
    assert "sudo estado-eventos schedule remove systemd --name aula2" in twice[-1]["cure"]
    assert [one["level"] for one in shared] == ["ok", "ok"]


@pytest.mark.parametrize(
    ("result", "status", "words", "cure"),
    [
        ("exit-code", 203, "203/EXEC", "sudo estado-eventos schedule install systemd --name aula2"),
        ("exit-code", 217, "217/USER", "sudo estado-eventos schedule install systemd --name aula2"),
        ("exit-code", 226, "226/NAMESPACE", "journalctl -u estado-eventos-aula2"),
        ("exit-code", 78, "78 (CONFIG", "Corrija /etc/estado-eventos/aula2.env"),
        ("exit-code", 77, "77 (NOPERM", "journalctl -u estado-eventos-aula2"),
        ("timeout", 15, "no acababa", "journalctl -u estado-eventos-aula2"),
        ("oom-kill", 9, "sin memoria", "journalctl -u estado-eventos-aula2"),
    ],
)
def test_a_service_that_fails_while_its_timer_ticks_is_named(
    tmp_path: Path, result: str, status: int, words: str, cure: str
) -> None:
    """Un temporizador en marcha cuyo servicio falla: se dice cuál, por qué, y la cura lo nombra."""
    start = "ExecStart={ argv[]=/x --env-file /etc/estado-eventos/aula2.env run-once ; }"
    units = {"estado-eventos-aula2.service": f"Result={result}\nExecMainStatus={status}\n{start}"}
    env = machine(tmp_path, system="estado-eventos-aula2.timer enabled active", units=units)
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        finding = diagnose(BACKEND_URL=server.url, **env).one("service")

    assert finding["level"] == "warning"
    assert "estado-eventos-aula2.service" in finding["message"]
    assert words in finding["message"]
    assert cure in finding["cure"]


@pytest.mark.parametrize(("result", "status"), [("success", 0), ("success", 75), ("exit-code", 1)])
def test_a_service_that_works_says_nothing(tmp_path: Path, result: str, status: int) -> None:
    """De un servicio que acaba bien, se corta o deja un evento para después no se dice nada: lo cuenta su informe."""
    units = {"estado-eventos.service": f"Result={result}\nExecMainStatus={status}"}
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, **machine(tmp_path, system=RUNNING, units=units))

    assert diagnosis.about("service") == []


def test_an_interval_that_is_not_the_installed_one_is_named(tmp_path: Path) -> None:
    """Cambiar el intervalo en el archivo no cambia la unidad ni el crontab: se dice, y qué lo instala."""
    path = tmp_path / "x.env"
    path.write_text("SCHEDULER_INTERVAL_SECONDS=30\n")
    job = Job(env_file=path, interval=60)
    service = (
        f"Environment=SCHEDULER_INTERVAL_SECONDS=60 PASS_TIMEOUT=48\nExecStart={{ argv[]=/x --env-file {path} ; }}"
    )
    units = {"estado-eventos.service": service}
    with FaultyServer(lambda _: answer(200, "[]")) as server, cron_daemon(tmp_path):
        timer = diagnose(BACKEND_URL=server.url, **machine(tmp_path, user=RUNNING, units=units)).about("schedule")
        cron = diagnose(BACKEND_URL=server.url, **machine(tmp_path, crontab=cron_block(job))).about("schedule")
        path.write_text("SCHEDULER_INTERVAL_SECONDS=60\n")
        cured = diagnose(BACKEND_URL=server.url, **machine(tmp_path, user=RUNNING, units=units)).about("schedule")

    assert "dice cada 30 s, y está instalado cada 60 s" in timer[-1]["message"]
    assert timer[-1]["cure"].endswith("estado-eventos schedule install systemd --user")
    assert cron[-1]["cure"].endswith("estado-eventos schedule install cron")
    assert [one["level"] for one in cured] == ["ok"]


def test_metrics_where_the_unit_cannot_write_are_named(tmp_path: Path) -> None:
    """Un METRICS_FILE fuera de lo que la unidad, aislada, puede escribir: aviso con lo que hay que añadirle."""
    path = tmp_path / "x.env"
    path.write_text("METRICS_FILE=/srv/metricas/estado.prom\n")
    service = f"ProtectSystem=strict\nStateDirectory=estado-eventos\nExecStart={{ argv[]=/x --env-file {path} ; }}"
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        for more, count in (("", 1), ("\nReadWritePaths=/srv/metricas", 0)):
            units = {"estado-eventos.service": service + more}
            diagnosis = diagnose(BACKEND_URL=server.url, **machine(tmp_path, system=RUNNING, units=units))
            assert [("ReadWritePaths=/srv/metricas" in one["cure"]) for one in diagnosis.about("metrics")] == [
                True
            ] * count


@pytest.mark.parametrize(
    ("timer", "socket", "properties", "words"),
    [
        (RUNNING, "enabled active", "Listen=127.0.0.1:8001 (Stream)", "escucha en 127.0.0.1:8001"),
        (RUNNING, "enabled failed", "Listen=127.0.0.1:8001 (Stream)", "sudo ss -ltnp 'sport = :8001'"),
        (RUNNING, "enabled inactive", "Listen=127.0.0.1:8001 (Stream)", "enable --now estado-eventos-api.socket"),
        (RUNNING, "enabled active", "Listen=0.0.0.0:8001 (Stream)", "schedule install systemd --api"),
        (RUNNING, "enabled active", "Listen=127.0.0.1:9001 (Stream)", "schedule install systemd --api"),
        ("", "enabled active", "Listen=127.0.0.1:8001 (Stream)", "sudo estado-eventos schedule remove systemd"),
    ],
)
def test_the_api_socket_is_looked_at(tmp_path: Path, timer: str, socket: str, properties: str, words: str) -> None:
    """Del socket de GET /health se dice si falló, si está parado, si sobra o si escucha donde nadie pidió."""
    path = tmp_path / "x.env"
    path.write_text("HOST=127.0.0.1\n")
    units = {
        "estado-eventos-api.socket": properties,
        "estado-eventos.service": f"ExecStart={{ argv[]=/x --env-file {path} ; }}",
    }
    env = machine(tmp_path, system=f"{timer}\nestado-eventos-api.socket {socket}", units=units)
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        finding = diagnose(BACKEND_URL=server.url, **env).one("api")

    assert words in f"{finding['message']} → {finding['cure']}"


def test_the_endpoint_of_before_is_said(tmp_path: Path) -> None:
    """Una unidad `-api@.service`, de cuando era un proceso por conexión, es un aviso con el mandato que la cambia."""
    env = machine(tmp_path, user=RUNNING)
    units = Path(str(env["HOME"]), ".config", "systemd", "user")
    units.mkdir(parents=True)
    (units / "estado-eventos-aula2-api@.service").touch()
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, **env)

    _, found = diagnosis.about("schedule")
    assert (diagnosis.code, found["level"]) == (0, "warning")
    assert found["cure"] == "estado-eventos schedule install systemd --name aula2 --user --api"
