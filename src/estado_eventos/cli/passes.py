"""Los mandatos que hacen o ensayan una pasada: la hacen, la cuentan y acaban con su código."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from estado_eventos.config.settings import LogFormat, Settings, SettingsError
from estado_eventos.config.sources import Loaded
from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.report import Report
from estado_eventos.output import logs, tables
from estado_eventos.output.progress import progress
from estado_eventos.output.summary import PassSummary, PendingSummary, log_closing, log_summary, render
from estado_eventos.reconcile.plan import Plan
from estado_eventos.reconcile.run import Launch, failed_report, new_run_id, run_pass
from estado_eventos.reconcile.signals import Signals


class _Attempt(NamedTuple):
    """Una pasada intentada: su informe y, con lo que se supo de la configuración, a quién contarlo."""

    report: Report
    settings: Settings | None = None
    signals: Signals | None = None


def run(plan: Plan, load: Callable[[], Loaded], *, as_json: bool, quiet: bool, started: float) -> ExitCode:
    """Hace la pasada con la configuración que dé `load` y enseña su informe, también si no pudo empezar.

    `started` es desde cuándo cuenta su límite, en el reloj de `time.monotonic`.
    """
    attempt = _attempt(plan, load, quiet=quiet, started=started)
    report = attempt.report
    drawn = _is_drawn(attempt.settings)
    if not (as_json or plan.dry_run or drawn):
        log_summary(report)
    log_closing(report)
    _notify(plan, attempt)
    if as_json or (plan.dry_run and not quiet):
        render(PendingSummary(report) if plan.dry_run else PassSummary(report), as_json=as_json)
    elif drawn and not quiet:
        render(PassSummary(report), as_json=False)
    return report.exit_code


def _is_drawn(settings: Settings | None) -> bool:
    """Si lo que hizo una pasada se enseña en una tabla: solo a quien mira un terminal y no espera JSON."""
    return tables.can_draw() and (settings is None or settings.log_format is not LogFormat.JSON)


def _attempt(plan: Plan, load: Callable[[], Loaded], *, quiet: bool, started: float) -> _Attempt:
    run_id = new_run_id()
    logs.run_id.set(run_id)
    settings = signals = None
    try:
        settings = load().settings
        signals = Signals()
        moving = not plan.dry_run and settings.log_format is not LogFormat.JSON
        with progress(wanted=moving and not quiet) as callback:
            report = run_pass(settings, plan, Launch(run_id, started, signals), callback)
        report = _with_absent(report, plan)
    except SettingsError as error:
        report = failed_report(plan.command, run_id, ExitCode.CONFIG, str(error))
        settings, signals = error.readable, Signals()
    except Exception as error:  # noqa: BLE001  Ningún fallo nuestro llega a una persona como un volcado de pila.
        report = failed_report(plan.command, run_id, ExitCode.SOFTWARE, logs.describe_bug(error))
    return _Attempt(report, settings, signals)


def _with_absent(report: Report, plan: Plan) -> Report:
    """El informe, con los eventos pedidos que no están en ninguna lista, si se leyeron todas."""
    if report.problem or any(part.error for part in report.transitions):
        return report
    absent = plan.absent(outcome.event for part in report.transitions for outcome in part.outcomes)
    if not absent:
        return report
    names = ", ".join(absent)
    where = "la lista" if len(report.transitions) == 1 else "ninguna lista"
    nouns = " ni de ".join(part.transition.noun for part in report.transitions)
    problem = f"no está en {where} de pendientes de {nouns}: {names}. Ya se hizo, aún no le toca o no existe"
    return replace(report, problem=problem, problem_code=ExitCode.FAILED)


def _notify(plan: Plan, attempt: _Attempt) -> None:
    """Cuenta la pasada a los monitores; un simulacro o unos eventos sueltos no dicen nada de los demás."""
    report, settings, signals = attempt
    if settings is None or signals is None or plan.dry_run or plan.only:
        return
    if settings.metrics_file or settings.report_file or settings.heartbeat_url:
        from estado_eventos.monitoring.notify import notify

        notify(report, plan.transitions, settings, signals)
