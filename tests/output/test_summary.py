"""Lo que un resultado dice de sí: en líneas, en filas y en JSON, siempre lo mismo."""

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.report import Outcome, Report, Result, TransitionReport
from estado_eventos.domain.shard import Shard
from estado_eventos.domain.transitions import FINISH, START, Event
from estado_eventos.output.summary import PassSummary, PendingSummary, View, lines, log_closing, render
from estado_eventos.output.tables import Cell

DUE = datetime(2026, 1, 1, 10, tzinfo=UTC)


def outcome(number: int, result: Result, lag: float | None = None) -> Outcome:
    """Un evento que acabó así."""
    return Outcome(Event(number, DUE), result, lag_seconds=lag)


def a_report(*parts: TransitionReport, **changes: Any) -> Report:
    """Un informe con esas transiciones."""
    return Report("id", "run-once", "http://x", DUE, transitions=parts, **changes)


STARTED = TransitionReport(
    START,
    (outcome(1, Result.DONE, 31.0), outcome(2, Result.ALREADY_DONE), outcome(3, Result.FAILED, 320.0)),
    code=ExitCode.FAILED,
)
NOTHING = TransitionReport(FINISH)
UNREAD = TransitionReport(FINISH, error="Lista de pendientes: HTTP 503", code=ExitCode.UNAVAILABLE)


def test_a_pass_is_one_line_a_transition() -> None:
    """El resumen cuenta, por transición, cuántos eventos acabaron de cada manera y el mayor retraso."""
    assert list(lines(PassSummary(a_report(STARTED, NOTHING)))) == [
        "Inicio: 1 iniciado(s), 1 que ya no estaba(n) pendiente(s), 1 fallido(s); retraso máximo: 5 min 20 s",
        "Finalización: nada pendiente",
    ]


def test_what_was_not_tried_is_told_from_what_was_not_confirmed() -> None:
    """Tras un corte, lo que no se llegó a pedir no es lo mismo que lo que se pidió y no se sabe."""
    asked = replace(outcome(1, Result.SKIPPED), attempts=1)
    part = TransitionReport(START, (asked, outcome(2, Result.SKIPPED), outcome(3, Result.SKIPPED)))

    assert next(lines(PassSummary(a_report(part)))).startswith("Inicio: 1 sin confirmar, 2 sin intentar;")


def test_what_could_not_be_read_is_not_zero() -> None:
    """De una lista que no se pudo leer no se dice que no hubiera nada."""
    (line,) = lines(PassSummary(a_report(UNREAD)))

    assert line == "Finalización: no se sabe"


def test_the_worst_is_red() -> None:
    """En una tabla, va en rojo lo que falló y el retraso de más de dos minutos."""
    (item, quiet) = PassSummary(a_report(STARTED, NOTHING)).items()
    _, counts, lag = item.cells

    assert isinstance(counts, Cell)
    assert (counts.style, lag) == ("red", Cell("5 min 20 s", "red"))
    assert quiet.cells == (Cell("finalización"), Cell("nada pendiente", "green"), Cell("–", ""))


@pytest.mark.usefixtures("madrid")
def test_what_is_pending_is_one_line_an_event() -> None:
    """`pending` dice cada evento, cuándo le tocaba (en hora local) y cuánto se retrasa; y de qué no hay ninguno."""
    nameless = Outcome(Event(None), Result.PENDING)
    part = TransitionReport(START, (outcome(7, Result.PENDING, 31.0), nameless))

    assert list(lines(PendingSummary(a_report(part, NOTHING, UNREAD)))) == [
        "inicio  7  2026-01-01 11:00:00  31 s",
        "inicio  sin id  ?  ?",
        "No hay eventos pendientes de finalización",
    ]


@pytest.mark.parametrize("view", [PassSummary, PendingSummary])
def test_a_shard_says_which(view: type[PassSummary] | type[PendingSummary]) -> None:
    """Con reparto, al final se dice de qué parte se habla; sin él, nada."""
    shard = a_report(NOTHING, shard=Shard(2, 8))

    assert view(shard).closing() == ("Solo los eventos de la parte 2/8",)
    assert view(replace(shard, shard=Shard(1, 1))).closing() == ()


def test_json_is_alone_and_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    """En JSON sale el informe y nada más; en una tubería, sus líneas."""
    view: View = PassSummary(a_report(STARTED, NOTHING))

    render(view, as_json=True)
    as_json = capsys.readouterr().out
    render(view, as_json=False)

    assert json.loads(as_json) == view.to_dict()
    assert capsys.readouterr().out.splitlines() == list(lines(view))


@pytest.mark.parametrize(
    ("code", "level", "hint"),
    [
        (ExitCode.UNAVAILABLE, logging.ERROR, "Compruebe que el backend (http://x) está en marcha"),
        (ExitCode.TEMPFAIL, logging.WARNING, "Lo que falta queda para la pasada siguiente"),
        (ExitCode.NOPERM, logging.ERROR, ""),
    ],
)
def test_what_went_wrong_is_one_line_with_its_cure(
    code: ExitCode, level: int, hint: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Lo que fue mal se registra una vez, con su gravedad y su cura; si fue bien, no se registra nada."""
    caplog.set_level(logging.DEBUG, "estado_eventos")

    log_closing(a_report())
    log_closing(a_report(problem="no contesta.", problem_code=code))

    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (level, "No contesta.")
    assert vars(record)["hint"].startswith(hint)
