"""Lo que ve una persona: las líneas del registro mientras la pasada corre y el resumen cuando acaba."""

import json
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

from estado_eventos.report import ExitCode, Outcome, Report, Result, TransitionReport, printable
from estado_eventos.shard import Shard
from estado_eventos.tokens import Token
from estado_eventos.transitions import Event, Transition

_log = logging.getLogger(__name__)


def log_shard(shard: Shard) -> None:
    """Que la pasada es solo de una parte de los eventos."""
    if not shard.is_whole:
        _log.info("Parte %s: solo los eventos que le tocan", shard)


def log_job(transition: Transition) -> None:
    """Que empieza una transición; el nombre del trabajo es el del antiguo planificador."""
    _log.info("Ejecutando job: %s", transition.job)


def log_found(transition: Transition, pending: int) -> None:
    """Cuántos eventos hay pendientes."""
    if pending:
        _log.info("Se encontraron %d evento(s) pendiente(s) de %s", pending, transition.noun)
    else:
        _log.info("No hay eventos pendientes de %s", transition.noun)


def log_attempt(transition: Transition, event: Event) -> None:
    """Que se va a intentar un evento."""
    if _log.isEnabledFor(logging.INFO):
        due = event.due_text or "desconocida"
        _log.info(
            "Intentando %s evento %s (fecha %s: %s)",
            transition.infinitive,
            event.key,
            transition.date_label,
            due,
        )


def log_settled(transition: Transition, event: Event, result: Result, error: str | None) -> None:
    """Cómo acabó un evento."""
    match result:
        case Result.DONE:
            _log.info("✓ Evento %s %s exitosamente", event.key, transition.participle)
        case Result.ALREADY_DONE:
            _log.info("✓ Evento %s: ya no está pendiente de %s", event.key, transition.noun)
        case Result.FAILED:
            name = printable(event.key, 64) if event.id is not None else "sin id"
            _log.warning("✗ No se pudo %s el evento %s: %s", transition.infinitive, name, error)


_CURES = {
    ExitCode.FAILED: "Se volverá a intentar en la pasada siguiente; el motivo de cada uno está más arriba",
    ExitCode.UNAVAILABLE: "Compruebe que el backend ({backend}) está en marcha y que BACKEND_URL es la suya",
    ExitCode.TEMPFAIL: "Lo que falta queda para la pasada siguiente",
}


def log_closing(report: Report) -> None:
    """La línea que dice qué fue mal en la pasada y qué hacer; ninguna si fue bien."""
    if report.error is None:
        return
    cure = _CURES.get(report.exit_code, "").format(backend=report.backend)
    sentence = f"{report.error[0].upper()}{report.error[1:].rstrip('.')}. {cure}".rstrip(". ")
    level = logging.WARNING if report.exit_code is ExitCode.TEMPFAIL else logging.ERROR
    _log.log(level, "%s.", sentence, extra={"cure": cure})


def report_json(report: Report) -> str:
    """El informe como un objeto JSON en una línea."""
    return json.dumps(report.to_dict(), ensure_ascii=False, allow_nan=False)


def summary_lines(report: Report) -> Iterator[str]:
    """El resumen de una pasada, una línea por transición, para una tubería o un archivo."""
    for part in report.transitions:
        late = f"; retraso máximo: {spoken_lag(part.max_lag_seconds)}" if part.outcomes else ""
        yield f"{part.transition.noun.capitalize()}: {spoken_counts(part)}{late}"
    yield from scope_lines(report)


def pending_lines(report: Report) -> Iterator[str]:
    """Lo que está pendiente, una línea por evento."""
    for part in report.transitions:
        for outcome in part.outcomes:
            yield "  ".join((part.transition.noun, *outcome_cells(outcome)))
        if not part.outcomes and not part.error:
            yield f"No hay eventos pendientes de {part.transition.noun}"
    yield from scope_lines(report)


def scope_lines(report: Report) -> Iterator[str]:
    """De qué parte de los eventos se habla, si no es de todos."""
    if not report.shard.is_whole:
        yield f"Solo los eventos de la parte {report.shard}"


def outcome_cells(outcome: Outcome) -> tuple[str, str, str]:
    """El evento, su hora y su retraso, en palabras."""
    event = outcome.event
    due = event.due_at.isoformat(sep=" ", timespec="seconds") if event.due_at else "?"
    return (
        printable(event.key, 64) if event.id is not None else "sin id",
        due,
        spoken_lag(outcome.lag_seconds),
    )


def spoken_counts(part: TransitionReport) -> str:
    """Cuántos eventos acabaron de cada manera, en palabras."""
    counts = (
        (part.count(Result.DONE), f"{part.transition.participle}(s)"),
        (part.count(Result.ALREADY_DONE), "que ya no estaba(n) pendiente(s)"),
        (part.count(Result.FAILED), "fallido(s)"),
        (part.count(Result.SKIPPED), "sin confirmar"),
        (part.count(Result.PENDING), "pendiente(s)"),
    )
    words = ", ".join(f"{count} {kind}" for count, kind in counts if count)
    return words or ("no se sabe" if part.error else "nada pendiente")


def spoken_lag(seconds: float | None) -> str:
    """Un retraso en palabras, con las dos unidades mayores: «31 s», «5 min 20 s», «2 h 3 min», «3 d 4 h»."""
    if seconds is None:
        return "?"
    total = round(abs(seconds))
    amounts = ((total // 86400, "d"), (total // 3600 % 24, "h"), (total // 60 % 60, "min"), (total % 60, "s"))
    first = next((index for index, (amount, _) in enumerate(amounts) if amount), len(amounts) - 1)
    words = [f"{amount} {unit}" for amount, unit in amounts[first : first + 2] if amount] or ["0 s"]
    return ("-" if seconds < 0 and total else "") + " ".join(words)


def spoken_token(token: Token, now: datetime) -> str:
    """Hasta cuándo vale un token y para quién, en palabras y sin el token."""
    left = token.left(now)
    role = f", rol {token.role}" if token.role else ""
    if left is None or token.expires_at is None:
        return f"no dice cuándo caduca{role}"
    moment = f"{token.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    if left <= timedelta():
        return f"caducó el {moment}{role}"
    return f"le quedan {spoken_lag(left.total_seconds())} (caduca el {moment}){role}"
