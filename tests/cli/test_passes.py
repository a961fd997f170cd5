"""Los mandatos que hacen una pasada: pase lo que pase hay informe, código y una frase."""

import json
import logging
import re
import time

import pytest

from estado_eventos.cli import passes
from estado_eventos.config.settings import SettingsError
from estado_eventos.config.sources import Loaded
from estado_eventos.domain.transitions import TRANSITIONS
from estado_eventos.reconcile.plan import Plan
from tests.support.faults import FaultyServer
from tests.support.inside import run_inside
from tests.support.obliging import Obliging
from tests.support.reactions import answer
from tests.support.terminal_session import in_terminal

PLAN = Plan("run-once", TRANSITIONS)


def wrong_settings() -> Loaded:
    """Una configuración que no vale."""
    raise SettingsError(["HTTP_TIMEOUT (entorno): no es un número."])


def a_bug() -> Loaded:
    """Un fallo del programa."""
    raise ZeroDivisionError


def test_wrong_settings_are_a_report_too(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    """Con la configuración mal: 78, un informe sin backend ni eventos, y la variable en el registro."""
    caplog.set_level(logging.INFO, "estado_eventos")

    code = passes.run(PLAN, wrong_settings, as_json=True, quiet=False, started=time.monotonic())

    report = json.loads(capsys.readouterr().out)
    assert code == report["exit_code"] == 78
    assert (report["outcome"], report["backend"], report["transitions"]) == ("config", None, {})
    (record,) = caplog.records
    assert "HTTP_TIMEOUT" in record.getMessage()


def test_a_bug_is_a_report_too(capsys: pytest.CaptureFixture[str]) -> None:
    """Un fallo del programa antes de empezar: 70 y su informe, sin volcado de pila."""
    code = passes.run(PLAN, a_bug, as_json=True, quiet=True, started=time.monotonic())

    printed = capsys.readouterr()
    assert code == json.loads(printed.out)["exit_code"] == 70
    assert "Traceback" not in printed.err


@pytest.mark.parametrize(
    ("arguments", "shown", "logged"),
    [
        (["start"], "", "Inicio: 1 iniciado(s); retraso máximo: ?"),
        (["start", "--dry-run"], "inicio  7  ?  ?\n", ""),
        (["start", "--quiet"], "", ""),
    ],
)
def test_a_pass_shows_its_result_unless_it_is_quiet(arguments: list[str], shown: str, logged: str) -> None:
    """Sin terminal, el resumen es una línea del registro; ensayada, lo que tocaría; con `--quiet`, nada."""
    with FaultyServer(Obliging([{"id": 7}])) as server:
        completed = run_inside(*arguments, BACKEND_URL=server.url)

    summaries = [re.sub(r".*Pasada de .+? s\. ", "", line) for line in completed.messages if "Pasada de" in line]
    assert (completed.code, completed.stdout) == (0, shown)
    assert summaries == ([logged] if logged else [])


def test_a_quiet_pass_says_what_the_old_service_said() -> None:
    """Una pasada sin nada que hacer escribe las cuatro líneas de siempre y nada más, también si es de una parte."""
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        whole = run_inside("run-once", BACKEND_URL=server.url)
        part = run_inside("run-once", BACKEND_URL=server.url, SHARD="1/2")

    for completed in (whole, part):
        assert completed.stdout == ""
        assert sorted(completed.messages) == [
            "INFO - Ejecutando job: finish_pending_events",
            "INFO - Ejecutando job: start_pending_events",
            "INFO - No hay eventos pendientes de finalización",
            "INFO - No hay eventos pendientes de inicio",
        ]


@pytest.mark.slow
def test_json_logs_leave_the_terminal_without_a_table() -> None:
    """En un terminal hay tabla, salvo con `LOG_FORMAT=json`: ahí solo salen objetos JSON."""
    with FaultyServer(Obliging([{"id": 7}])) as server:
        _, drawn = in_terminal("start", BACKEND_URL=server.url)
        server.rule = Obliging([{"id": 7}])
        _, lines = in_terminal("start", BACKEND_URL=server.url, LOG_FORMAT="json")

    assert "Retraso máximo" in drawn
    assert "Pasada de" not in drawn
    assert [json.loads(line)["log.level"] for line in lines.splitlines()] == ["info"] * 5


def test_quiet_json_is_still_the_report() -> None:
    """Con `--quiet --json` el registro calla y el informe sale igual."""
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        completed = run_inside("run-once", "--quiet", "--json", BACKEND_URL=server.url)

    assert (completed.code, completed.report["exit_code"], completed.stderr) == (0, 0, "")


def test_a_dry_run_posts_nothing() -> None:
    """`--dry-run` lee la lista y no pide nada."""
    with FaultyServer(Obliging([{"id": 7}])) as server:
        run_inside("run-once", "--dry-run", BACKEND_URL=server.url)

    assert (server.count("GET"), server.count("POST")) == (2, 0)


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
@pytest.mark.parametrize("command", ["run-once", "start"])
def test_an_event_on_no_list_is_said_so(command: str, options: list[str]) -> None:
    """Un --event que no está en ninguna lista: 1, y el error del informe lo nombra; los que sí están se hacen."""
    with FaultyServer(Obliging([{"id": 7}])) as server:
        env = {"BACKEND_URL": server.url}
        completed = run_inside(command, "--event", "999", "--event", "7", "--json", *options, **env)
        spoken = run_inside(command, "--event", "998", *options, **env)

    assert (completed.code, spoken.code) == (1, 1)
    assert (completed.report["exit_code"], completed.report["outcome"]) == (1, "failed")
    assert "999" in completed.report["error"]
    assert "7" not in completed.report["error"]
    assert len(completed.report["transitions"]["start"]["events"]) == 1
    assert "998" in spoken.stderr
    assert "pasada siguiente" not in spoken.stderr


def test_an_event_of_a_list_that_cannot_be_read_is_not_judged() -> None:
    """Si una lista no se puede leer no se dice que el evento no esté: manda el código de la lista."""
    with FaultyServer(lambda _: answer(404)) as server:
        completed = run_inside("run-once", "--event", "999", "--json", BACKEND_URL=server.url)

    assert completed.code == 76
    assert "999" not in completed.report["error"]
