"""Los mandatos que hacen una pasada: pase lo que pase hay informe, código y una frase."""

import json
import logging
import time

import pytest

from estado_eventos.cli import passes
from estado_eventos.config.settings import SettingsError
from estado_eventos.config.sources import Loaded
from estado_eventos.domain.transitions import TRANSITIONS
from estado_eventos.reconcile.plan import Plan
from tests.support.faults import FaultyServer, Obliging, answer
from tests.support.inside import run_inside

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
    ("arguments", "shown"),
    [
        (["start"], "Inicio: 1 iniciado(s); retraso máximo: ?\n"),
        (["start", "--dry-run"], "inicio  7  ?  ?\n"),
        (["start", "--quiet"], ""),
    ],
)
def test_a_pass_shows_its_result_unless_it_is_quiet(arguments: list[str], shown: str) -> None:
    """Sin opciones, el resumen; ensayada, lo que tocaría; con `--quiet`, nada."""
    with FaultyServer(Obliging([{"id": 7}])) as server:
        completed = run_inside(*arguments, BACKEND_URL=server.url)

    assert (completed.code, completed.stdout) == (0, shown)


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
