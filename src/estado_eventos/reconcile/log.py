"""Las líneas del registro mientras la pasada corre; las cinco de siempre son las del servicio antiguo."""

import logging
from typing import Any

from estado_eventos.domain import wall_clock
from estado_eventos.domain.report import Result, lag_seconds
from estado_eventos.domain.shard import Shard
from estado_eventos.domain.text import printable, spoken_lag
from estado_eventos.domain.transitions import Event, Transition

_log = logging.getLogger(__name__)


def log_shard(shard: Shard) -> None:
    """Que la pasada es solo de una parte de los eventos."""
    if not shard.is_whole:
        _log.debug("Parte %s: solo los eventos que le tocan", shard)


def log_clock(offset: float | None, limit: float) -> None:
    """Que el reloj del backend está demasiado lejos del nuestro para que los eventos vayan a su hora."""
    if offset is not None and abs(offset) > limit:
        _log.warning(
            "El reloj del backend va %s %s: sus eventos se mueven tarde. Ponga los dos relojes en hora (NTP)",
            spoken_lag(abs(offset)),
            "adelantado" if offset > 0 else "atrasado",
        )


def log_standby(transition: Transition, moved: int) -> None:
    """Que la máquina de repuesto ha hecho lo que tenía que hacer la principal."""
    if moved:
        _log.warning(
            "Esta máquina es la de repuesto y ha %s %d evento(s): la principal no lo hizo. Mire qué le pasa",
            transition.participle,
            moved,
            extra=_fields(transition, moved=moved),
        )


def log_job(transition: Transition) -> None:
    """Que empieza una transición; el nombre del trabajo es el del antiguo planificador."""
    _log.info("Ejecutando job: %s", transition.job, extra=_fields(transition))


def log_found(transition: Transition, pending: int) -> None:
    """Cuántos eventos hay pendientes."""
    extra = _fields(transition, pending=pending)
    if pending:
        _log.info("Se encontraron %d evento(s) pendiente(s) de %s", pending, transition.noun, extra=extra)
    else:
        _log.info("No hay eventos pendientes de %s", transition.noun, extra=extra)


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
            extra=_fields(transition, event),
        )


def log_unsettled(event: Event, attempts: int, reason: object) -> None:
    """Que un intento no dio un sí claro: lo decide la lista siguiente."""
    extra = _fields(event=event, attempts=attempts)
    _log.info("Evento %s sin confirmar (intento %d): %s", event.key, attempts, reason, extra=extra)


def log_unread(transition: Transition, reason: object) -> None:
    """Que una lista no se pudo leer, o no entera."""
    _log.info("Lista de pendientes de %s: %s", transition.noun, reason, extra=_fields(transition))


def log_settled(transition: Transition, event: Event, result: Result, error: str | None, attempts: int = 0) -> None:
    """Cómo acabó un evento, y tras cuántos intentos."""
    lag = lag_seconds(event, wall_clock.now())
    extra = _fields(transition, event, result=result.value, attempts=attempts, lag_seconds=lag)
    match result:
        case Result.DONE:
            _log.info("✓ Evento %s %s exitosamente", event.key, transition.participle, extra=extra)
        case Result.ALREADY_DONE:
            _log.info("✓ Evento %s: ya no está pendiente de %s", event.key, transition.noun, extra=extra)
        case Result.FAILED:
            name = printable(event.key, 64) if event.id is not None else "sin id"
            _log.warning("✗ No se pudo %s el evento %s: %s", transition.infinitive, name, error, extra=extra)


def _fields(transition: Transition | None = None, event: Event | None = None, **own: Any) -> dict[str, Any]:
    """Lo que dice una línea, en claves para una máquina: el evento y, con nuestro nombre delante, lo demás."""
    found: dict[str, Any] = {}
    if event and event.id is not None:
        found["event.id"] = printable(event.key, 64)
    if transition:
        found["estado_eventos.transition"] = transition.name
    return {"fields": found | {f"estado_eventos.{key}": value for key, value in own.items()}}
