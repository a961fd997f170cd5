"""Los mandatos que hacen o ensayan una pasada: la hacen, la cuentan y acaban con su código."""

from collections.abc import Callable
from typing import NamedTuple

from estado_eventos.config.settings import Settings, SettingsError
from estado_eventos.config.sources import Loaded
from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.report import Report
from estado_eventos.output.logs import describe_bug
from estado_eventos.output.progress import progress
from estado_eventos.output.summary import PassSummary, PendingSummary, log_closing, render
from estado_eventos.reconcile.plan import Plan
from estado_eventos.reconcile.run import Launch, failed_report, new_run_id, run_pass
from estado_eventos.reconcile.signals import Signals


class _Attempt(NamedTuple):
    """Una pasada intentada: su informe y, si llegó a empezar, con qué configuración y qué señales."""

    report: Report
    settings: Settings | None = None
    signals: Signals | None = None


def run(plan: Plan, load: Callable[[], Loaded], *, as_json: bool, quiet: bool, started: float) -> ExitCode:
    """Hace la pasada con la configuración que dé `load` y enseña su informe, también si no pudo empezar.

    `started` es desde cuándo cuenta su límite, en el reloj de `time.monotonic`.
    """
    attempt = _attempt(plan, load, quiet=quiet, started=started)
    log_closing(attempt.report)
    _notify(plan, attempt)
    if as_json or not quiet:
        render(PendingSummary(attempt.report) if plan.dry_run else PassSummary(attempt.report), as_json=as_json)
    return attempt.report.exit_code


def _attempt(plan: Plan, load: Callable[[], Loaded], *, quiet: bool, started: float) -> _Attempt:
    run_id = new_run_id()
    settings = signals = None
    try:
        settings = load().settings
        signals = Signals()
        with progress(wanted=not quiet and not plan.dry_run) as callback:
            report = run_pass(settings, plan, Launch(run_id, started, signals), callback)
    except SettingsError as error:
        report = failed_report(plan.command, run_id, ExitCode.CONFIG, str(error))
    except Exception as error:  # noqa: BLE001  Ningún fallo nuestro llega a una persona como un volcado de pila.
        report = failed_report(plan.command, run_id, ExitCode.SOFTWARE, describe_bug(error))
    return _Attempt(report, settings, signals)


def _notify(plan: Plan, attempt: _Attempt) -> None:
    """Cuenta la pasada a los monitores; un simulacro o unos eventos sueltos no dicen nada de los demás."""
    report, settings, signals = attempt
    if settings is None or signals is None or plan.dry_run or plan.only:
        return
    if settings.metrics_file or settings.report_file or settings.heartbeat_url:
        from estado_eventos.monitoring.notify import notify

        notify(report, plan.transitions, settings, signals)
