"""Los monitores en las pruebas: backends que acaban de cada manera, y lo que dejan las métricas y el registro."""

from datetime import UTC, datetime
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from estado_eventos.domain.report import FollowUps, Outcome, Report, Result, TransitionReport
from estado_eventos.domain.transitions import FINISH, START, Event
from tests.support.program import Completed
from tests.support.reactions import Fault, Raw, Request, Rule, answer

SECRET = "5ecre7a-1234-capacidad"
RUN = "last_run_timestamp_seconds"
SUCCESS = "last_success_timestamp_seconds"
PART_SUCCESS = "last_transition_success_timestamp_seconds"


def empty_lists(_request: Request) -> Raw:
    """Un backend sin nada pendiente."""
    return answer(200, "[]")


def ok(_request: Request) -> Raw:
    """Un monitor que oye el latido."""
    return answer(200, "OK")


def denied(_request: Request) -> Raw:
    """Un backend que no deja pasar."""
    return answer(403)


def fails_with(status: int) -> Rule:
    """Un backend que contesta eso a todo."""
    return lambda _: answer(status)


def stalls_on_posts(request: Request) -> Raw | Fault:
    """Un backend que enseña un evento y no contesta cuando se le pide."""
    return answer(200, '[{"id": 1}]') if request.method == "GET" else Fault.STALL


WHOLE = {"name": "estado-eventos", "shard": "1/1"}
"""Las etiquetas de un trabajo sin nombre propio ni reparto."""


def samples(text: str, **owner: str) -> dict[tuple[str, ...], float]:
    """Las series de un trabajo: su valor por el nombre, sin prefijo, y sus etiquetas propias, en orden alfabético."""
    owner = WHOLE | owner
    found = [
        ((name.removeprefix("estado_eventos_"), *(labels[key] for key in sorted(labels.keys() - owner.keys()))), value)
        for family in text_string_to_metric_families(text)
        for name, labels, value, *_ in family.samples
        if owner.items() <= labels.items()
    ]
    assert len(dict(found)) == len(found), "hay una serie repetida"
    return dict(found)


def everything() -> Report:
    """El informe de una pasada de la que hay algo que contar en cada métrica."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    parts = (
        TransitionReport(START, (Outcome(Event(1, at), Result.DONE, lag_seconds=0.4),)),
        TransitionReport(FINISH, (Outcome(Event(2, at), Result.DONE, lag_seconds=2.0),), follow_ups=FollowUps(told=1)),
    )
    return Report(
        "id",
        "run-once",
        None,
        at,
        token_expires_at=at,
        clock_offset_seconds=0.1,
        standby_seconds=20,
        transitions=parts,
    )


def warnings(completed: Completed) -> list[str]:
    """Los avisos de los monitores, uno por línea."""
    watched = ("METRICS_FILE", "REPORT_FILE", "HEARTBEAT_URL")
    return [
        message.removeprefix("WARNING - ")
        for message in completed.messages
        if message.startswith(tuple(f"WARNING - {name}" for name in watched))
    ]


def files(directory: Path) -> dict[str, object]:
    """Las variables de los dos archivos, en ese directorio."""
    return {"METRICS_FILE": directory / "estado.prom", "REPORT_FILE": directory / "informe.json"}
