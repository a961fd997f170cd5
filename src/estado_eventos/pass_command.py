"""Los mandatos que hacen o ensayan una pasada: la hacen, la cuentan y acaban con su código."""

from collections.abc import Callable

from estado_eventos import logs, render, terminal
from estado_eventos.plan import Plan
from estado_eventos.report import ExitCode, Report
from estado_eventos.runner import failed_report, new_run_id, run_pass
from estado_eventos.settings import Settings, SettingsError
from estado_eventos.signals import Signals
from estado_eventos.sources import Loaded


def run(plan: Plan, load: Callable[[], Loaded], *, as_json: bool, quiet: bool) -> ExitCode:
    """Hace la pasada con la configuración que dé `load` y enseña su informe, también si no pudo empezar."""
    run_id = new_run_id()
    settings = signals = None
    try:
        settings = load().settings
        signals = Signals()
        with terminal.progress(wanted=not quiet) as watch:
            report = run_pass(settings, plan, run_id, signals, watch)
    except SettingsError as error:
        report = failed_report(plan.command, run_id, ExitCode.CONFIG, str(error))
    except Exception as error:  # noqa: BLE001  Ningún fallo nuestro llega a una persona como un volcado de pila.
        report = failed_report(plan.command, run_id, ExitCode.SOFTWARE, logs.describe_bug(error))
    render.log_closing(report)
    if settings and signals:
        _notify(plan, report, settings, signals)
    if as_json:
        terminal.write_json(report.to_dict())
    elif plan.command == "pending" or (plan.dry_run and not quiet):
        terminal.show_pending(report)
    elif not quiet:
        terminal.show_summary(report)
    return report.exit_code


def _notify(plan: Plan, report: Report, settings: Settings, signals: Signals) -> None:
    """Cuenta la pasada a los monitores; un simulacro o unos eventos sueltos no dicen nada de los demás."""
    watched = settings.metrics_file or settings.report_file or settings.heartbeat_url
    if watched and not plan.dry_run and not plan.only:
        from estado_eventos import monitoring

        monitoring.notify(report, plan.transitions, settings, signals)
