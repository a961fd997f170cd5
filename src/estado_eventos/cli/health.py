"""Lo que contesta el programa a un monitor: si está bien (`health`) y qué es (`info`)."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from estado_eventos.config.settings import Settings, SettingsError
from estado_eventos.config.sources import Loaded
from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.transitions import TRANSITIONS
from estado_eventos.monitoring.endpoint import service_info
from estado_eventos.output.logs import describe_bug
from estado_eventos.output.summary import Item, View, render

# Un evento mal escrito en una lista no es un backend enfermo: las listas se leyeron.
_HEALTHY = {ExitCode.OK, ExitCode.FAILED}


@dataclass(frozen=True, slots=True)
class Facts(View):
    """Unas claves para un programa y, para una persona, unas líneas."""

    content: Mapping[str, str | int]
    sentences: tuple[str, ...]

    def to_dict(self) -> Mapping[str, str | int]:
        """Las claves."""
        return self.content

    def items(self) -> Iterator[Item]:
        """Las líneas."""
        return map(Item, self.sentences)


def health(load: Callable[[], Loaded], *, as_json: bool) -> ExitCode:
    """Ensaya una pasada y dice si se pudieron leer las listas; devuelve el código de la pasada si no."""
    code, detail = _rehearse(load)
    if code in _HEALTHY:
        render(Facts({"status": "ok"}, ("ok: se leen las listas de pendientes",)), as_json=as_json)
        return ExitCode.OK
    render(Facts({"status": "error", "detail": detail}, (f"error: {detail}",)), as_json=as_json)
    return code


def _rehearse(load: Callable[[], Loaded]) -> tuple[ExitCode, str]:
    # Solo aquí: quien pregunta `info` no tiene por qué esperar a que se importe httpx.
    from estado_eventos.reconcile.plan import Plan
    from estado_eventos.reconcile.run import Launch, new_run_id, run_pass
    from estado_eventos.reconcile.signals import Signals

    plan, started = Plan("health", TRANSITIONS, dry_run=True), time.monotonic()
    try:
        report = run_pass(load().settings, plan, Launch(new_run_id(), started, Signals()))
    except SettingsError as error:
        return ExitCode.CONFIG, str(error)
    except Exception as error:  # noqa: BLE001  A un monitor se le contesta siempre lo que espera leer.
        return ExitCode.SOFTWARE, describe_bug(error)
    return report.exit_code, report.error or report.exit_code.name


def info(settings: Settings, *, as_json: bool) -> ExitCode:
    """Dice qué programa es, su versión, cada cuánto se ejecuta y, si hay reparto, qué parte hace."""
    content = service_info(settings.scheduler_interval_seconds)
    sentences: tuple[str, ...] = (
        f"{content['service']} {content['version']}",
        f"Una pasada cada {settings.scheduler_interval_seconds} s",
    )
    if not settings.part.is_whole:
        content |= {"shard": str(settings.part)}
        sentences += (f"Parte {settings.part} de los eventos",)
    render(Facts(content, sentences), as_json=as_json)
    return ExitCode.OK
