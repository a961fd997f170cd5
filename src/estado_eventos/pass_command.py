"""Los mandatos que hacen o ensayan una pasada: la hacen, la cuentan y acaban con su código."""

from collections.abc import Callable

from estado_eventos import logs, render, terminal
from estado_eventos.reconcile import Plan
from estado_eventos.report import ExitCode, Report
from estado_eventos.runner import failed_report, new_run_id, run_pass
from estado_eventos.settings import SettingsError
from estado_eventos.sources import Loaded


def run(plan: Plan, load: Callable[[], Loaded], *, as_json: bool, quiet: bool) -> ExitCode:
    """Hace la pasada con la configuración que dé `load` y enseña su informe, también si no pudo empezar."""
    report = _attempt(plan, load, new_run_id(), quiet=quiet)
    render.log_closing(report)
    if as_json:
        terminal.write([render.report_json(report)])
    elif plan.command == "pending":
        terminal.show_pending(report)
    elif not quiet:
        terminal.show_summary(report)
    return report.exit_code


def _attempt(plan: Plan, load: Callable[[], Loaded], run_id: str, *, quiet: bool) -> Report:
    try:
        settings = load().settings
        with terminal.progress(wanted=not quiet) as watch:
            return run_pass(settings, plan, run_id, watch)
    except SettingsError as error:
        return failed_report(plan.command, run_id, ExitCode.CONFIG, str(error))
    except Exception as error:  # noqa: BLE001  Ningún fallo nuestro llega a una persona como un volcado de pila.
        return failed_report(plan.command, run_id, ExitCode.SOFTWARE, logs.describe_bug(error))
