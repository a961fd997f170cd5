"""El informe de una pasada: datos congelados de los que salen la tabla, el JSON y el código de salida."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from estado_eventos.domain.exit_codes import ExitCode, gravest
from estado_eventos.domain.shard import WHOLE, Shard
from estado_eventos.domain.text import printable, utc_text
from estado_eventos.domain.transitions import Event, Transition

SCHEMA = 1

REPORT_HEAD_BYTES = 64 << 10
"""Lo que hay que leer de un informe guardado para saber cómo acabó: los eventos van detrás y pueden ser megas."""
_EVENTS_KEY = b', "transitions": '


class Result(StrEnum):
    """Cómo acabó un evento en la pasada. `PENDING` solo lo dan las consultas, que no cambian nada."""

    DONE = "done"
    ALREADY_DONE = "already_done"
    FAILED = "failed"
    SKIPPED = "skipped"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Un evento y cómo acabó.

    `lag_seconds` es lo que pasó desde su hora hasta que se confirmó el cambio; si no se confirmó, hasta la
    última vez que se supo de él: un evento atascado también llega tarde.
    """

    event: Event
    result: Result
    status: str | None = None
    attempts: int = 0
    lag_seconds: float | None = None
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Las claves del informe para un evento."""
        due_at = self.event.due_at
        event_id = self.event.id
        return {
            "id": printable(event_id, 64) if isinstance(event_id, str) else event_id,
            "due_at": utc_text(due_at) if due_at else None,
            "result": self.result.value,
            "status": self.status,
            "attempts": self.attempts,
            "lag_seconds": self.lag_seconds,
            "error": self.error,
        }


@dataclass(frozen=True, slots=True)
class FollowUps:
    """Los avisos al backend de lo que se finalizó (`FINISH_FOLLOW_UP`): cuántos se deben, se dieron y se dejaron."""

    owed: int = 0
    told: int = 0
    given_up: int = 0

    def to_dict(self) -> dict[str, int]:
        """Las claves del informe."""
        return {"owed": self.owed, "told": self.told, "given_up": self.given_up}


@dataclass(frozen=True, slots=True)
class TransitionReport:
    """Lo que dio de sí una transición en la pasada. `code` es su parte en el código de salida."""

    transition: Transition
    outcomes: tuple[Outcome, ...] = ()
    rounds: int = 0
    error: str | None = None
    code: ExitCode = ExitCode.OK
    follow_ups: FollowUps | None = None

    def count(self, *results: Result) -> int:
        """Cuántos eventos acabaron de alguna de estas maneras."""
        return sum(outcome.result in results for outcome in self.outcomes)

    @property
    def max_lag_seconds(self) -> float | None:
        """El mayor retraso de los eventos de la pasada, en segundos."""
        lags = [outcome.lag_seconds for outcome in self.outcomes if outcome.lag_seconds is not None]
        return max(lags, default=None)

    def to_dict(self) -> dict[str, Any]:
        """Las claves del informe para una transición; `pending` es siempre la suma de las otras cuatro.

        `follow_ups`, solo si se avisa de lo que acaba.
        """
        follow_ups = {"follow_ups": self.follow_ups.to_dict()} if self.follow_ups else {}
        return {
            "pending": len(self.outcomes),
            "done": self.count(Result.DONE),
            "already_done": self.count(Result.ALREADY_DONE),
            "failed": self.count(Result.FAILED),
            "skipped": self.count(Result.SKIPPED, Result.PENDING),
            "rounds": self.rounds,
            "max_lag_seconds": self.max_lag_seconds,
            "error": self.error,
            **follow_ups,
            "events": [outcome.to_dict() for outcome in self.outcomes],
        }


@dataclass(frozen=True, slots=True)
class Report:
    """El resultado de una pasada; todo lo que se cuenta de ella se deriva de aquí."""

    run_id: str
    command: str
    backend: str | None
    started_at: datetime
    duration_seconds: float = 0.0
    dry_run: bool = False
    shard: Shard = WHOLE
    requests: int = 0
    token_expires_at: datetime | None = None
    clock_offset_seconds: float | None = None
    """El reloj del backend menos el nuestro; `None` si no dijo su hora."""
    standby_seconds: float = 0
    """De cuánto retraso se ocupa, si es una máquina de repuesto; 0 si no lo es."""
    transitions: tuple[TransitionReport, ...] = ()
    problem: str | None = None
    problem_code: ExitCode = ExitCode.OK

    @property
    def exit_code(self) -> ExitCode:
        """El código de salida: el problema más grave manda."""
        return gravest([self.problem_code, *(part.code for part in self.transitions)])

    @property
    def error(self) -> str | None:
        """La frase que explica el código de salida, o `None`."""
        if self.problem is not None and self.problem_code is self.exit_code:
            return self.problem
        if self.exit_code is ExitCode.FAILED:
            failed = sum(part.count(Result.FAILED) for part in self.transitions)
            return f"{failed} evento(s) siguen pendientes después de intentarlo"
        sentences = (part.error for part in self.transitions if part.code is self.exit_code)
        return next((sentence for sentence in sentences if sentence), None)

    def to_dict(self) -> dict[str, Any]:
        """El informe con las claves de la versión 1 del esquema; `shard` y `standby_seconds`, solo si los hay."""
        shard = {} if self.shard.is_whole else {"shard": str(self.shard)}
        standby = {"standby_seconds": self.standby_seconds} if self.standby_seconds else {}
        return {
            "schema": SCHEMA,
            "run_id": self.run_id,
            "command": self.command,
            "backend": self.backend,
            "dry_run": self.dry_run,
            **shard,
            **standby,
            "started_at": _utc_text(self.started_at),
            "duration_seconds": round(self.duration_seconds, 3),
            "outcome": self.exit_code.name.lower(),
            "exit_code": int(self.exit_code),
            "error": self.error,
            "requests": self.requests,
            "token_expires_at": _utc_text(self.token_expires_at) if self.token_expires_at else None,
            "clock_offset_seconds": self.clock_offset_seconds,
            "transitions": {part.transition.name: part.to_dict() for part in self.transitions},
        }


@dataclass(frozen=True, slots=True)
class LastReport:
    """Cómo acabó la última pasada, según el informe que dejó."""

    outcome: str
    exit_code: int
    started_at: datetime
    ended_at: datetime
    error: str | None


def read_last_report(content: bytes) -> LastReport | None:
    """Entiende un informe guardado (`Report.to_dict`), del que basta el principio; `None` si no lo es."""
    head, cut, _ = content[:REPORT_HEAD_BYTES].partition(_EVENTS_KEY)
    try:
        report = json.loads(head + b"}" if cut else head)
        started_at = datetime.fromisoformat(report["started_at"])
        error = report["error"]
        # Una hora sin zona podría ser cualquiera, y 0,5 no es un éxito: eso no lo escribió este programa.
        if started_at.tzinfo is None or not isinstance(report["exit_code"], int):
            return None
        return LastReport(
            outcome=printable(str(report["outcome"]), 20),
            exit_code=report["exit_code"],
            started_at=started_at.astimezone(UTC),
            ended_at=started_at.astimezone(UTC) + timedelta(seconds=report["duration_seconds"]),
            error=printable(error) if isinstance(error, str) else None,
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def lag_seconds(event: Event, at: datetime) -> float | None:
    """Segundos que van de la hora del evento a `at`, con milésimas; negativo si aún no había llegado."""
    if event.due_at is None:
        return None
    return round((at - event.due_at).total_seconds(), 3)


def _utc_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
