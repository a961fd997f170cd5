"""La última pasada de cada planificador, según el informe que dejó."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from estado_eventos.check.findings import Finding, good, problem
from estado_eventos.check.schedules import Machine, Schedule
from estado_eventos.config.settings import Settings
from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.report import LastReport
from estado_eventos.domain.text import printable, spoken_lag
from estado_eventos.output.files import read_file
from estado_eventos.schedule.status import last_report

_MAX_REPORT_BYTES = 8 << 20
_MAX_WORDS = 3


def findings(settings: Settings, machine: Machine) -> Iterator[Finding]:
    """Cuándo acabó la última pasada y cómo, según el informe que dejó; de cada planificador, la suya."""
    schedules = [one for one in machine.schedules if os.access(one.report_file, os.R_OK)]
    named = len(machine.schedules) > 1
    for one in schedules:
        interval = one.given.get("SCHEDULER_INTERVAL_SECONDS", "")
        seconds = int(interval) if interval.isdigit() else settings.scheduler_interval_seconds
        yield _report(one.report_file, seconds, one, f"{one.name}: " if named else "")
    path = settings.report_file
    if path and path not in {one.report_file for one in schedules}:
        usual = next(iter(machine.schedules), Schedule("estado-eventos", cron=None if machine.timers else ""))
        yield _report(path, settings.scheduler_interval_seconds, usual, "")
    elif not schedules and not path:
        yield good("report", "De la última pasada no se sabe nada: REPORT_FILE no está puesta")


def _report(path: Path, interval: int, schedule: Schedule, whose: str) -> Finding:
    name = printable(str(path))
    try:
        age = time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return problem("report", f"{whose}{name}: aún no hay informe de ninguna pasada", "estado-eventos run-once")
    except OSError:
        message = f"{whose}{name}: esta cuenta no puede leer el informe de la última pasada"
        return problem("report", message, "Repita con sudo")
    report = last_report(path)
    when = f"{whose}La última pasada acabó hace {spoken_lag(age)}"
    if report is None:
        return problem("report", f"{when}, pero su informe ({name}) no se entiende", "estado-eventos run-once")
    if age > 3 * interval:
        message = f"{when} ({report.outcome}), y toca cada {interval} s"
        return problem("report", message, schedule.command("status"))
    return _failed(when, report, path, schedule) if report.exit_code else good("report", f"{when}, bien")


def _failed(when: str, report: LastReport, path: Path, schedule: Schedule) -> Finding:
    message = f"{when}, con {report.exit_code} ({report.outcome})" + (f": {report.error}" if report.error else "")
    where = f"el registro está en: {schedule.journal}"
    if report.exit_code != ExitCode.FAILED:
        return problem("report", message, f"Cure lo de arriba; {where}")
    words = "; ".join(_refusals(path))
    return problem("report", message + (f" ({words})" if words else ""), f"Mire en el backend por qué lo dice; {where}")


def _refusals(path: Path) -> Iterator[str]:
    """Lo que el backend dijo de los eventos que siguen pendientes, según el informe."""
    try:
        parts = json.loads(read_file(path, _MAX_REPORT_BYTES))["transitions"].values()
        failed = [event for part in parts for event in part["events"] if event["result"] == "failed"]
        for event in failed[:_MAX_WORDS]:
            yield f"evento {printable(str(event['id']), 64)}: {printable(str(event['error']))}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return
    if len(failed) > _MAX_WORDS:
        yield f"y {len(failed) - _MAX_WORDS} más"
