"""Lo que contesta el programa a un monitor: si está bien (`health`) y qué es (`info`)."""

from collections.abc import Callable

from estado_eventos import __version__, logs, terminal
from estado_eventos.report import ExitCode
from estado_eventos.settings import Settings, SettingsError
from estado_eventos.sources import Loaded
from estado_eventos.transitions import TRANSITIONS

# Un evento mal escrito en una lista no es un backend enfermo: las listas se leyeron.
_HEALTHY = {ExitCode.OK, ExitCode.FAILED}


def health(load: Callable[[], Loaded], *, as_json: bool) -> ExitCode:
    """Ensaya una pasada y dice si se pudieron leer las listas; devuelve el código de la pasada si no."""
    code, detail = _rehearse(load)
    healthy = code in _HEALTHY
    if as_json:
        terminal.write_json({"status": "ok"} if healthy else {"status": "error", "detail": detail})
    else:
        terminal.write(["ok: se leen las listas de pendientes" if healthy else f"error: {detail}"])
    return ExitCode.OK if healthy else code


def _rehearse(load: Callable[[], Loaded]) -> tuple[ExitCode, str]:
    # Solo aquí: quien pregunta `info` no tiene por qué esperar a que se importe httpx.
    from estado_eventos.plan import Plan
    from estado_eventos.runner import new_run_id, run_pass
    from estado_eventos.signals import Signals

    try:
        report = run_pass(load().settings, Plan("health", TRANSITIONS, dry_run=True), new_run_id(), Signals())
    except SettingsError as error:
        return ExitCode.CONFIG, str(error)
    except Exception as error:  # noqa: BLE001  A un monitor se le contesta siempre lo que espera leer.
        return ExitCode.SOFTWARE, logs.describe_bug(error)
    return report.exit_code, report.error or report.exit_code.name


def service_info(interval_seconds: int) -> dict[str, str | int]:
    """Qué es esto, con las claves que daba el servicio antiguo."""
    return {
        "service": "Estado de Eventos",
        "version": __version__,
        "status": "running",
        "scheduler_interval_seconds": interval_seconds,
    }


def info(settings: Settings, *, as_json: bool) -> ExitCode:
    """Dice qué programa es, su versión, cada cuánto se ejecuta y, si hay reparto, qué parte hace."""
    content = service_info(settings.scheduler_interval_seconds)
    lines = [f"{content['service']} {content['version']}", f"Una pasada cada {settings.scheduler_interval_seconds} s"]
    if not settings.part.is_whole:
        content["shard"] = str(settings.part)
        lines.append(f"Parte {settings.part} de los eventos")
    if as_json:
        terminal.write_json(content)
    else:
        terminal.write(lines)
    return ExitCode.OK
