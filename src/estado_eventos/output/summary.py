"""Lo que un resultado dice de sí, una vez: en JSON, en líneas o en filas de una tabla."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.report import Outcome, Report, Result, TransitionReport
from estado_eventos.domain.text import printable, spoken_lag, spoken_moment
from estado_eventos.output import streams, tables
from estado_eventos.output.tables import Cell, Row

_log = logging.getLogger(__name__)
_LATE_SECONDS = 120.0


class Item(NamedTuple):
    """Una cosa de un resultado: su línea y sus celdas; sin celdas, en una tabla no sale."""

    line: str
    cells: Row = ()


class View(Protocol):
    """Un resultado que se puede enseñar. `columns` son los títulos de su tabla; sin ellos, va sin marco."""

    columns: ClassVar[Sequence[str]] = ()

    def to_dict(self) -> Mapping[str, Any]:
        """Lo que sale en JSON."""
        ...

    def items(self) -> Iterable[Item]:
        """Sus cosas, en orden."""
        ...

    def closing(self) -> Sequence[str]:
        """Lo que se dice detrás."""
        return ()


def render(view: View, *, as_json: bool) -> None:
    """Enseña un resultado: en JSON, en una tabla si hay terminal y algo que poner en ella, o línea a línea."""
    if as_json:
        streams.write_json(view.to_dict())
        return
    if tables.can_draw() and (rows := [item.cells for item in view.items() if item.cells]):
        fitting = tables.fit(view.columns, rows)
        if fitting is not None:
            tables.draw(view.columns, fitting, view.closing())
            return
    streams.write(lines(view))


def lines(view: View) -> Iterator[str]:
    """Un resultado línea a línea, para una tubería o un archivo."""
    yield from (item.line for item in view.items())
    yield from view.closing()


@dataclass(frozen=True, slots=True)
class PassSummary(View):
    """El resumen de una pasada: una línea por transición."""

    report: Report
    columns = ("Transición", "Resultado", "Retraso máximo")

    def to_dict(self) -> Mapping[str, Any]:
        """El informe."""
        return self.report.to_dict()

    def items(self) -> Iterator[Item]:
        """Cuántos eventos acabaron de cada manera y cuánto se retrasó el que más."""
        for part in self.report.transitions:
            noun, counts, lag = part.transition.noun, _spoken_counts(part), spoken_lag(part.max_lag_seconds)
            late = f"; retraso máximo: {lag}" if part.outcomes else ""
            color = "red" if part.error or part.count(Result.FAILED) else "green"
            lag_cell = Cell(lag if part.outcomes else "–", _lag_color(part.max_lag_seconds))
            yield Item(f"{noun.capitalize()}: {counts}{late}", (Cell(noun), Cell(counts, color), lag_cell))

    def closing(self) -> Sequence[str]:
        """De qué parte de los eventos se habla."""
        return _scope(self.report)


@dataclass(frozen=True, slots=True)
class PendingSummary(View):
    """Lo que está pendiente y cuánto se retrasa: una línea por evento."""

    report: Report
    columns = ("Transición", "Evento", "Le tocaba", "Retraso")

    def to_dict(self) -> Mapping[str, Any]:
        """El informe."""
        return self.report.to_dict()

    def items(self) -> Iterator[Item]:
        """Cada evento; y de la transición que no tiene ninguno, que no lo tiene."""
        for part in self.report.transitions:
            for outcome in part.outcomes:
                key, due = _spoken_event(outcome)
                noun, late = part.transition.noun, spoken_lag(outcome.lag_seconds)
                # Si no cabe, primero se abrevia la fecha; el id, que alguien pegará detrás de --event, nunca.
                cells = (
                    Cell(noun),
                    Cell(key, keep=True),
                    Cell(due, shorter=(due[-14:-3], due[-8:-3]) if due != "?" else ()),
                )
                yield Item(f"{noun}  {key}  {due}  {late}", (*cells, Cell(late, _lag_color(outcome.lag_seconds))))
            if not part.outcomes and not part.error:
                yield Item(f"No hay eventos pendientes de {part.transition.noun}")

    def closing(self) -> Sequence[str]:
        """De qué parte de los eventos se habla."""
        return _scope(self.report)


def _scope(report: Report) -> Sequence[str]:
    return () if report.shard.is_whole else (f"Solo los eventos de la parte {report.shard}",)


def _spoken_event(outcome: Outcome) -> tuple[str, str]:
    event = outcome.event
    due = spoken_moment(event.due_at) if event.due_at else "?"
    return printable(event.key, 64) if event.id is not None else "sin id", due


def _spoken_counts(part: TransitionReport) -> str:
    untried = sum(one.result is Result.SKIPPED and not one.attempts for one in part.outcomes)
    counts = (
        (part.count(Result.DONE), f"{part.transition.participle}(s)"),
        (part.count(Result.ALREADY_DONE), "que ya no estaba(n) pendiente(s)"),
        (part.count(Result.FAILED), "fallido(s)"),
        (part.count(Result.SKIPPED) - untried, "sin confirmar"),
        (untried, "sin intentar"),
        (part.count(Result.PENDING), "pendiente(s)"),
    )
    words = ", ".join(f"{count} {kind}" for count, kind in counts if count)
    return words or ("no se sabe" if part.error else "nada pendiente")


def _lag_color(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return "red" if seconds > _LATE_SECONDS else "yellow"


_HINTS = {
    ExitCode.FAILED: "Se volverá a intentar en la pasada siguiente; el motivo de cada uno está más arriba",
    ExitCode.UNAVAILABLE: "Compruebe que el backend ({backend}) está en marcha y que BACKEND_URL es la suya",
    ExitCode.TEMPFAIL: "Lo que falta queda para la pasada siguiente",
}


def log_summary(report: Report) -> None:
    """La línea que resume una pasada que tocó algún evento; de la que no, ya lo dicen las demás."""
    if not any(part.outcomes for part in report.transitions):
        return
    counts = {
        f"estado_eventos.{part.transition.name}.{result}": part.count(result)
        for part in report.transitions
        for result in (Result.DONE, Result.ALREADY_DONE, Result.FAILED, Result.SKIPPED)
    }
    summary = ". ".join(lines(PassSummary(report)))
    fields = _fields(report) | {"event.duration": round(report.duration_seconds * 1e9)} | counts
    _log.info("Pasada de %s s. %s", f"{report.duration_seconds:.1f}", summary, extra={"fields": fields})


def log_closing(report: Report) -> None:
    """La línea que dice qué fue mal en la pasada y qué hacer; ninguna si fue bien."""
    if report.error is None:
        return
    sentence = f"{report.error[0].upper()}{report.error[1:]}".rstrip(". ")
    # Lo que no está en ninguna lista no se va a intentar otra vez.
    is_absent = report.exit_code is ExitCode.FAILED and report.problem is not None
    hint = "" if is_absent else _HINTS.get(report.exit_code, "").format(backend=report.backend)
    level = logging.WARNING if report.exit_code is ExitCode.TEMPFAIL else logging.ERROR
    _log.log(level, "%s.", sentence, extra={"hint": hint, "fields": _fields(report)})


def _fields(report: Report) -> dict[str, Any]:
    """Cómo acabó la pasada, en claves para una máquina."""
    outcome = "failure" if report.exit_code else "success"
    return {"process.exit_code": int(report.exit_code), "event.outcome": outcome}
