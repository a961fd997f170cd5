"""El código de salida, contra lo que la pasada vio en la red."""

from collections.abc import Iterator

from estado_eventos.domain.exit_codes import ExitCode, gravest
from estado_eventos.domain.report import Report, Result
from tests.simulation.life import Life
from tests.simulation.machine import Process
from tests.simulation.promises import EPSILON, asked_wait, last_start, name, shows
from tests.simulation.wire import Exchange

_BUSY = {408, 425, 429}


def exit_codes_keep_the_contract(life: Life) -> Iterator[str]:
    """El código es uno que explica lo que pasó, no menos grave que lo que seguro que pasó, y nunca 70 ni 78."""
    for process in life.processes:
        if process.report is None:
            continue
        code = process.report.exit_code
        sure, possible = _sure(process, process.report), _possible(process)
        if code not in possible | sure | {ExitCode.OK} or gravest([code, *sure]) is not code:
            seen = f"por seguro, {sorted(sure)}; por posible, {sorted(possible)}"
            yield f"{name(process)}: código {code} ({process.report.error}); {seen}"


def _sure(process: Process, report: Report) -> set[ExitCode]:
    """Los códigos de lo que seguro que pasó: cómo acabaron los eventos y la última lista de cada transición."""
    sure = set()
    results = {outcome.result for part in report.transitions for outcome in part.outcomes}
    if Result.FAILED in results:
        sure.add(ExitCode.FAILED)
    if Result.SKIPPED in results:
        sure.add(ExitCode.TEMPFAIL)
    for last in _last_lists(process):
        if last is None:
            sure.add(ExitCode.TEMPFAIL)
        elif not last.abandoned:
            sure |= _meaning(last)
    # El 401 de lo que salió sin firmar, porque no se pudo renovar, no es de la cuenta.
    troubles = {code for exchange in process.exchanges if exchange.is_renewal for code in _meaning(exchange)}
    return sure - {ExitCode.NOPERM} if troubles - {ExitCode.NOPERM} else sure


def _possible(process: Process) -> set[ExitCode]:
    """Los que además explicaría lo que vio: un corte, una cuenta que no sirve o una lista que no acabó de llegar."""
    possible = set()
    if _was_cut(process):
        possible.add(ExitCode.TEMPFAIL)
    for exchange in process.exchanges:
        meaning = _meaning(exchange)
        if exchange.is_renewal:
            possible |= meaning
        elif exchange.kind in {"list", "move"} and ExitCode.NOPERM in meaning:
            possible.add(ExitCode.NOPERM)
    for last in _last_lists(process):
        if last is None or last.abandoned:
            possible.add(ExitCode.UNAVAILABLE)
    for last in _last_lists(process, settled=True):
        # Si la última se cortó, vale lo que dijo la anterior.
        possible |= _meaning(last) if last else set()
    if process.plan.only:
        possible.add(ExitCode.FAILED)
    return possible


def _was_cut(process: Process) -> bool:
    end, limit = process.ended_at or 0.0, last_start(process) - EPSILON
    waits = [(exchange.settled_at or 0.0) + asked_wait(exchange) for exchange in process.exchanges]
    return process.signalled_at is not None or max([end, *waits]) >= limit


def _last_lists(process: Process, *, settled: bool = False) -> Iterator[Exchange | None]:
    """La última lista de cada transición; con `settled`, la última que no se cortó."""
    for verb in (transition.name for transition in process.plan.transitions):
        lists = [exchange for exchange in process.lists(verb) if not (settled and exchange.abandoned)]
        yield lists[-1] if lists else None


def _has_shifted(page: Exchange) -> bool:
    """Si la lista cambió entre la primera página y esta."""
    totals = set()
    pages = page.process.lists(page.verb)
    for each in reversed(pages[: pages.index(page) + 1]):
        totals.add(each.got.total if each.got else None)
        if not each.ask.query:
            break
    return len(totals) > 1


def _meaning(exchange: Exchange) -> set[ExitCode]:
    """El código de lo que le llegó a la pasada de esa petición; ninguno, si llegó lo que tenía que llegar."""
    got = exchange.got
    if got is None or got.status in _BUSY or got.status >= 500:
        return {ExitCode.UNAVAILABLE}
    if exchange.ask.query and got.status == 404:
        # La lista se acortó mientras se leía, y esa página ya no existe.
        return {ExitCode.UNAVAILABLE}
    if got.status in {401, 403}:
        return {ExitCode.NOPERM}
    is_bad = shows(exchange) is None if exchange.kind == "list" else got.status >= 400
    is_garbled = exchange.fault is not None and exchange.fault.kind in {"garbage", "stale"}
    if is_bad or (is_garbled and exchange.kind != "list"):
        return {ExitCode.PROTOCOL}
    return {ExitCode.UNAVAILABLE} if exchange.kind == "list" and _has_shifted(exchange) else set()
