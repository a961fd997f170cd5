"""Las métricas de la última pasada, en el formato de texto de Prometheus."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from estado_eventos import __version__
from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.report import Report, Result, TransitionReport
from estado_eventos.domain.transitions import TRANSITIONS, Transition

_PREFIX = "estado_eventos_"
_RESULTS = (Result.DONE, Result.ALREADY_DONE, Result.FAILED, Result.SKIPPED)
_RUN = "last_run_timestamp_seconds"
_SUCCESS = "last_success_timestamp_seconds"
_DURATION = "last_duration_seconds"
_EXIT_CODE = "last_exit_code"
_EVENTS = "last_events"
_MAX_LAG = "last_max_lag_seconds"
_PART_SUCCESS = "last_transition_success_timestamp_seconds"
_TOKEN = "token_expiry_timestamp_seconds"  # noqa: S105  Es el nombre de una métrica.
_BUILD = "build_info"

NEVER = 0.0
"""La hora de un éxito que no ha habido: la alerta de «sin éxito» salta también donde nunca lo hubo."""

Samples = Mapping[tuple[str, str, str], float]
"""El valor de cada serie por el nombre de su métrica, sin prefijo, y sus etiquetas `transition` y `result`."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Lo último que se sabe de una transición."""

    events: Mapping[Result, float]
    max_lag_seconds: float
    success: float


def text(report: Report, transitions: Sequence[Transition], old: str) -> bytes:
    """El archivo de métricas tras una pasada por `transitions`; `old` es el anterior, valga o no.

    De él salen la hora del último éxito, si esta pasada no lo fue, y lo que dejó dicho la última pasada de las
    transiciones que esta no tocaba: `start` y `finish` pueden ser dos trabajos con el mismo archivo.
    """
    samples = _read(old)
    ended = report.started_at.timestamp() + report.duration_seconds
    # Otro trabajo pudo acabar después que este y escribir antes.
    now = max(ended, datetime.now(UTC).timestamp())
    fresh = {part.transition.name: part for part in report.transitions}
    parts: dict[str, _Part] = {}
    for transition in TRANSITIONS:
        name = transition.name
        if transition in transitions:
            parts[name] = _part(fresh.get(name), ended, _moment(samples, now, _PART_SUCCESS, name))
        elif (_PART_SUCCESS, name, "") in samples:
            parts[name] = _old_part(samples, name, now)
    if report.exit_code is ExitCode.OK:
        # Que una mitad vaya bien no puede tapar que la otra, en su propio trabajo, lleve horas fallando.
        success = min(part.success for part in parts.values())
    else:
        success = _moment(samples, now, _SUCCESS)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector((*_of_pass(report, ended, success), *_of_parts(parts))))
    return generate_latest(registry)


def _part(part: TransitionReport | None, ended: float, old_success: float) -> _Part:
    """Lo que dio de sí esta pasada; `None` es que no llegó a empezar."""
    if part is None:
        return _Part(dict.fromkeys(_RESULTS, 0.0), 0.0, old_success)
    return _Part(
        {result: float(part.count(result)) for result in _RESULTS},
        part.max_lag_seconds or 0.0,
        ended if part.code is ExitCode.OK else old_success,
    )


def _old_part(samples: Samples, name: str, now: float) -> _Part:
    return _Part(
        {result: samples.get((_EVENTS, name, result.value), 0.0) for result in _RESULTS},
        samples.get((_MAX_LAG, name, ""), 0.0),
        _moment(samples, now, _PART_SUCCESS, name),
    )


def _moment(samples: Samples, now: float, metric: str, transition: str = "") -> float:
    """Una hora del archivo anterior; una que aún no ha llegado es de un reloj que iba mal y no vale."""
    value = samples.get((metric, transition, ""), NEVER)
    return value if NEVER <= value <= now else NEVER


def _of_pass(report: Report, ended: float, success: float) -> Iterator[GaugeMetricFamily]:
    yield _gauge(_RUN, "Cuándo acabó la última pasada.", {(): ended})
    yield _gauge(_SUCCESS, "Cuándo acabó la última pasada que salió bien; 0 si no se sabe de ninguna.", {(): success})
    yield _gauge(_DURATION, "Cuánto duró la última pasada.", {(): report.duration_seconds})
    yield _gauge(_EXIT_CODE, "El código de salida de la última pasada.", {(): int(report.exit_code)})
    if report.token_expires_at:
        yield _gauge(_TOKEN, "Cuándo caduca el token de la última pasada.", {(): report.token_expires_at.timestamp()})
    yield _gauge(_BUILD, "Siempre 1; la versión del programa va en su etiqueta.", {(__version__,): 1}, "version")


def _of_parts(parts: Mapping[str, _Part]) -> Iterator[GaugeMetricFamily]:
    yield _gauge(
        _EVENTS,
        "Cuántos eventos acabaron de cada manera en la última pasada.",
        {(name, result.value): count for name, part in parts.items() for result, count in part.events.items()},
        *("transition", "result"),
    )
    yield _gauge(
        _MAX_LAG,
        "El mayor retraso de los eventos de la última pasada; 0 si no había ninguno.",
        {(name,): part.max_lag_seconds for name, part in parts.items()},
        "transition",
    )
    yield _gauge(
        _PART_SUCCESS,
        "Cuándo acabó la última pasada en que la transición salió bien; 0 si no se sabe de ninguna.",
        {(name,): part.success for name, part in parts.items()},
        "transition",
    )


def _gauge(name: str, meaning: str, values: Mapping[tuple[str, ...], float], *labels: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(_PREFIX + name, meaning, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


class _Collector(Collector):
    def __init__(self, families: Iterable[GaugeMetricFamily]) -> None:
        self._families = tuple(families)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        return self._families


def _read(old: str) -> Samples:
    """Las series de un archivo de métricas, o ninguna si no se entiende."""
    try:
        return {
            (name.removeprefix(_PREFIX), labels.get("transition", ""), labels.get("result", "")): value
            for family in text_string_to_metric_families(old)
            for name, labels, value, *_ in family.samples
        }
    except Exception:  # noqa: BLE001  El analizador no dice qué lanza, y de un archivo estropeado no depende nada.
        return {}
