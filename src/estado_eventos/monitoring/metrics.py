"""Las métricas de una pasada: lo que dijo la última y lo que suman todas."""

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

from estado_eventos import __version__
from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.report import Report, Result, TransitionReport
from estado_eventos.domain.transitions import TRANSITIONS, Transition
from estado_eventos.monitoring.textfile import Family, Labels, Sample, Textfile

NEVER = 0.0
"""La hora de un éxito que no ha habido: la alerta de «sin éxito» salta también donde nunca lo hubo."""

BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, math.inf)
"""Los retrasos que se distinguen, en segundos. 1 es «a su hora»."""

_RESULTS = (Result.DONE, Result.ALREADY_DONE, Result.FAILED, Result.SKIPPED)
_MOVED = {Result.DONE, Result.ALREADY_DONE}
_RUN = Family("last_run_timestamp_seconds", "gauge", "Cuándo acabó la última pasada.")
_SUCCESS = Family(
    "last_success_timestamp_seconds",
    "gauge",
    "Cuándo acabó la última pasada que salió bien; 0 si no se sabe de ninguna.",
)
_PART_SUCCESS = Family(
    "last_transition_success_timestamp_seconds",
    "gauge",
    "Cuándo acabó la última pasada en que la transición salió bien; 0 si no se sabe de ninguna.",
)
_DURATION = Family("last_duration_seconds", "gauge", "Cuánto duró la última pasada.")
_EXIT_CODE = Family("last_exit_code", "gauge", "El código de salida de la última pasada.")
_LAST_EVENTS = Family("last_events", "gauge", "Cuántos eventos acabaron de cada manera en la última pasada.")
_MAX_LAG = Family(
    "last_max_lag_seconds",
    "gauge",
    "El mayor retraso de los eventos de la última pasada; 0 si no había ninguno. Falta si no se pudo leer la lista.",
)
_CLOCK = Family("clock_offset_seconds", "gauge", "El reloj del backend menos el de esta máquina; falta si no se sabe.")
_TOKEN = Family("token_expiry_timestamp_seconds", "gauge", "Cuándo caduca el token de la última pasada.")
_OWED = Family("follow_ups_owed", "gauge", "Cuántos eventos finalizados faltan por avisar al backend.")
_BUILD = Family("build_info", "gauge", "Siempre 1; la versión del programa va en su etiqueta.")
_EVENTS = Family("events_total", "counter", "Cuántos eventos han acabado de cada manera.")
_PASSES = Family("passes_total", "counter", "Cuántas pasadas han acabado con cada código de salida.")
_STANDBY = Family("standby_events_total", "counter", "Cuántos eventos ha movido esta máquina, que es la de repuesto.")
_FOLLOW_UPS = Family("follow_ups_total", "counter", "Cuántos avisos de evento finalizado se han dado o se han dejado.")
_LAG = Family("lag_seconds", "histogram", "Cuánto se retrasó cada evento que cambió de estado.")


def text(report: Report, transitions: Sequence[Transition], owner: Mapping[str, str], old: str) -> bytes:
    """El archivo de métricas tras una pasada por `transitions` del trabajo `owner`; `old` es el anterior, valga o no.

    De él salen las cuentas, la hora del último éxito, si esta pasada no lo fue, y lo que dejó dicho la última pasada de
    las transiciones que esta no tocaba: `start` y `finish` pueden ser dos mandatos del mismo trabajo.
    """
    file = Textfile.read(old, owner)
    return file.replaced_by((*_of_pass(report, transitions, file), *_of_parts(report, transitions, file)))


def _of_pass(report: Report, transitions: Sequence[Transition], file: Textfile) -> Iterator[Sample]:
    ended = _ended(report)
    yield Sample(_RUN, max(ended, _moment(file, ended, _RUN)))
    yield Sample(_SUCCESS, _success(report, transitions, file))
    yield Sample(_DURATION, report.duration_seconds)
    yield Sample(_EXIT_CODE, int(report.exit_code))
    if report.clock_offset_seconds is not None:
        yield Sample(_CLOCK, report.clock_offset_seconds)
    if report.token_expires_at:
        yield Sample(_TOKEN, report.token_expires_at.timestamp())
    yield Sample(_BUILD, 1, _labels(version=__version__))
    for code in ExitCode:
        if code is not ExitCode.USAGE:
            labels = _labels(exit_code=str(int(code)))
            yield _counter(file, _PASSES, labels, report.exit_code is code)
    yield from _of_follow_ups(report, file)


def _of_follow_ups(report: Report, file: Textfile) -> Iterator[Sample]:
    told = [part.follow_ups for part in report.transitions if part.follow_ups]
    owed = float(sum(each.owed for each in told)) if told else file.value(_OWED.name)
    if owed is None:
        return
    yield Sample(_OWED, owed)
    yield _counter(file, _FOLLOW_UPS, _labels(result="told"), sum(each.told for each in told))
    yield _counter(file, _FOLLOW_UPS, _labels(result="given_up"), sum(each.given_up for each in told))


def _of_parts(report: Report, transitions: Sequence[Transition], file: Textfile) -> Iterator[Sample]:
    fresh = {part.transition: part for part in report.transitions}
    for transition in TRANSITIONS:
        labels = _labels(transition=transition.name)
        known = file.value(_PART_SUCCESS.name, labels) is not None
        if transition not in transitions and not known:
            continue
        # Una pasada que no llegó a empezar es una transición de la que no se sabe nada.
        part = fresh.get(transition, TransitionReport(transition, code=ExitCode.TEMPFAIL))
        yield Sample(_PART_SUCCESS, _part_success(report, transition, file), labels)
        counted = {result: part.count(result) for result in _RESULTS}
        for result, count in counted.items():
            each = _labels(transition=transition.name, result=result.value)
            now = count if transition in transitions else file.value(_LAST_EVENTS.name, each) or 0.0
            yield Sample(_LAST_EVENTS, now, each)
            yield _counter(file, _EVENTS, each, count)
        lag = _known_lag(part) if transition in transitions else file.value(_MAX_LAG.name, labels)
        if lag is not None:
            yield Sample(_MAX_LAG, lag, labels)
        if report.standby_seconds or file.value(_STANDBY.name, labels) is not None:
            yield _counter(file, _STANDBY, labels, part.count(Result.DONE) if report.standby_seconds else 0)
        yield from _histogram(file, part, labels)


def _known_lag(part: TransitionReport) -> float | None:
    """El mayor retraso; `None` si la lista no se pudo leer, que no es lo mismo que no haber ninguno."""
    if part.max_lag_seconds is None and part.code in {ExitCode.OK, ExitCode.FAILED}:
        return 0.0
    return part.max_lag_seconds


def _success(report: Report, transitions: Sequence[Transition], file: Textfile) -> float:
    """Cuándo fue el último éxito; una hora ya dicha nunca se atrasa."""
    last = _moment(file, _ended(report), _SUCCESS)
    if report.exit_code is not ExitCode.OK:
        return last
    # Que una mitad vaya bien no puede tapar que la otra, en su propio mandato, lleve horas fallando.
    halves = [
        _part_success(report, transition, file)
        for transition in TRANSITIONS
        if transition in transitions or file.value(_PART_SUCCESS.name, _labels(transition=transition.name)) is not None
    ]
    return max(last, min(halves))


def _part_success(report: Report, transition: Transition, file: Textfile) -> float:
    ended = _ended(report)
    last = _moment(file, ended, _PART_SUCCESS, _labels(transition=transition.name))
    well = any(part.transition is transition and part.code is ExitCode.OK for part in report.transitions)
    return max(last, ended) if well else last


def _moment(file: Textfile, ended: float, family: Family, labels: Labels = frozenset()) -> float:
    """Una hora del archivo anterior. Una que aún no ha llegado, de un reloj que iba mal, es ahora."""
    value = file.value(family.name, labels)
    if value is None or not NEVER <= value < math.inf:
        return NEVER
    # Otro trabajo pudo acabar después que este y escribir antes.
    return min(value, max(ended, file.read_at))


def _ended(report: Report) -> float:
    return report.started_at.timestamp() + report.duration_seconds


def _counter(file: Textfile, family: Family, labels: Labels, more: float) -> Sample:
    return Sample(family, _count(file.value(family.name, labels)) + more, labels)


def _count(value: float | None) -> float:
    """Una cuenta del archivo anterior; 0 si no puede serlo."""
    return value if value is not None and 0 <= value < math.inf else 0.0


def _histogram(file: Textfile, part: TransitionReport, labels: Labels) -> Iterator[Sample]:
    """Los retrasos de lo que cambió de estado, con los de antes; lo que se adelantó, por un reloj, no se retrasó."""
    totals, seconds = _old_histogram(file, labels)
    for outcome in part.outcomes:
        if outcome.result in _MOVED and outcome.lag_seconds is not None:
            lag = max(0.0, outcome.lag_seconds)
            seconds += lag
            for index in range(bisect_left(BUCKETS, lag), len(BUCKETS)):
                totals[index] += 1
    for bound, total in zip(BUCKETS, totals, strict=True):
        yield Sample(_LAG, total, labels | _labels(le=written(bound)), "_bucket")
    yield Sample(_LAG, totals[-1], labels, "_count")
    yield Sample(_LAG, seconds, labels, "_sum")


def _old_histogram(file: Textfile, labels: Labels) -> tuple[list[float], float]:
    """Cuántos iban hasta cada retraso y lo que sumaban; desde cero, si no cuadra."""
    name = _LAG.name
    totals = [_count(file.value(f"{name}_bucket", labels | _labels(le=written(bound)))) for bound in BUCKETS]
    if totals != sorted(totals) or totals[-1] != file.value(f"{name}_count", labels):
        return [0.0] * len(BUCKETS), 0.0
    return totals, _count(file.value(f"{name}_sum", labels))


def written(bound: float) -> str:
    """Como escribe Prometheus un límite."""
    return "+Inf" if bound == math.inf else str(bound)


def _labels(**labels: str) -> Labels:
    return frozenset(labels.items())
