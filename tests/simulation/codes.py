"""El código de salida, contra lo que la pasada vio en la red."""

from collections.abc import Iterator

from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.report import Result
from tests.simulation.life import Life
from tests.simulation.machine import Process
from tests.simulation.promises import EPSILON, last_start, name, shows


def exit_codes_keep_the_contract(life: Life) -> Iterator[str]:
    """El código es el del contrato para lo que pasó, y nunca 70 ni 78."""
    for process in life.processes:
        if process.report is None:
            continue
        code, facts = process.report.exit_code, _facts(process)
        if code in {ExitCode.SOFTWARE, ExitCode.CONFIG, ExitCode.USAGE}:
            yield f"{name(process)}: código {code}: {process.report.error}"
        elif code not in facts | {ExitCode.OK}:
            yield f"{name(process)}: código {code} y solo pasó {sorted(facts)}"
        results = {outcome.result for part in process.report.transitions for outcome in part.outcomes}
        if code is ExitCode.OK and (results & {Result.FAILED, Result.SKIPPED} or _last_lists_failed(process)):
            yield f"{name(process)}: código 0, con {sorted(results)} y la última lista sin leer"


def _facts(process: Process) -> set[ExitCode]:
    """Los códigos que explica lo que vio la pasada."""
    facts = set()
    for exchange in process.exchanges:
        got = exchange.got
        if got is None:
            facts |= {ExitCode.UNAVAILABLE, ExitCode.TEMPFAIL, ExitCode.FAILED}
        elif got.status in {401, 403}:
            facts |= {ExitCode.NOPERM, ExitCode.FAILED}
        elif got.status in {408, 425, 429} or got.status >= 500:
            facts |= {ExitCode.UNAVAILABLE, ExitCode.FAILED}
        elif got.status >= 400 or (exchange.fault and exchange.fault.kind in {"garbage", "lie", "stale"}):
            facts |= {ExitCode.PROTOCOL, ExitCode.FAILED}
        if got is None and exchange.kind not in {"list", "move"}:
            facts.add(ExitCode.NOPERM)
    end = process.ended_at or 0.0
    if process.signalled_at is not None or end >= last_start(process) - EPSILON:
        facts |= {ExitCode.TEMPFAIL, ExitCode.UNAVAILABLE}
    if process.plan.only:
        facts.add(ExitCode.FAILED)
    return facts


def _last_lists_failed(process: Process) -> bool:
    for verb in (transition.name for transition in process.plan.transitions):
        lists = [exchange for exchange in process.exchanges if exchange.kind == "list" and exchange.verb == verb]
        if not lists or shows(lists[-1]) is None:
            return True
    return False
