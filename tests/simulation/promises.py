"""Lo que se promete, comprobado al acabar un mundo con lo que vieron el backend y la red."""

from collections.abc import Callable, Iterator

from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.report import Outcome, Result
from tests.simulation.life import Life
from tests.simulation.machine import Process
from tests.simulation.model import VERBS
from tests.simulation.wire import Exchange

GRACE_SECONDS = 3.0
EPSILON = 1e-6
Promise = Callable[[Life], Iterator[str]]


def grace(process: Process) -> float:
    """Lo que una pasada deja al final a lo que está en camino."""
    return min(GRACE_SECONDS, 0.1 * process.settings.pass_timeout)


def last_start(process: Process) -> float:
    """Desde cuándo ya no empieza nada."""
    return process.started_at + process.settings.pass_timeout - grace(process)


def each_change_is_made_once(life: Life) -> Iterator[str]:
    """Ningún evento va hacia atrás ni cambia dos veces por pasadas de la misma máquina."""
    latest: dict[str, Exchange | None] = {}
    for moved in life.wire.history:
        mine, other = moved.exchange, latest.get(moved.key)
        latest[moved.key] = mine
        if moved.before == VERBS.index(moved.verb) or mine is None or other is None or moved.key in life.touched:
            continue
        first, second = sorted((mine, other), key=lambda exchange: exchange.sent_at)
        # Dos máquinas no comparten turno: si se cruzan en un evento, el backend puede pisarse.
        same_machine = first.process.machine is second.process.machine and not _was_crossed(life, moved.key, first)
        was_long = first.abandoned and (first.saved_at or 0.0) - first.sent_at > grace(first.process)
        if same_machine and not was_long and not first.process.was_killed:
            yield f"evento {moved.key}: {moved.verb} se guardó dos veces o hacia atrás, en {moved.at:.3f}"


def _was_crossed(life: Life, key: str, exchange: Exchange) -> bool:
    """Si otra máquina movió ese evento mientras esta petición estaba en camino."""
    return any(
        other.key == key
        and other.exchange is not None
        and other.exchange.process.machine is not exchange.process.machine
        and exchange.sent_at <= other.at <= (exchange.saved_at or 0.0)
        for other in life.wire.history
    )


def nothing_is_repeated_blindly(life: Life) -> Iterator[str]:
    """Ningún POST sin una lista, leída después del anterior o de que se le acabara el tiempo, que enseñe el evento."""
    for process in life.processes:
        lists = [exchange for exchange in process.exchanges if exchange.kind == "list" and shows(exchange) is not None]
        previous: dict[tuple[str, str], Exchange] = {}
        for post in process.exchanges:
            if post.kind != "move":
                continue
            before = previous.get((post.verb, post.key))
            previous[post.verb, post.key] = post
            if before and before.got and before.got.status == 401:
                continue
            since = process.started_at if before is None else before.settled_at or 0.0
            if before and before.abandoned:
                since += 2 * process.settings.http_timeout
            if not any(
                seen.verb == post.verb
                and seen.sent_at >= since - EPSILON
                and (seen.settled_at or 0.0) <= post.sent_at
                and post.key in (shows(seen) or ())
                for seen in lists
            ):
                yield f"{name(process)}: POST {post.verb} {post.key} en {post.sent_at:.3f}, sin una lista más nueva"


def reports_tell_the_truth(life: Life) -> Iterator[str]:
    """Lo que se da por hecho lo hizo el backend, lo que falla sigue en la lista y las cuentas cuadran."""
    when: dict[tuple[str, str], float] = {}
    for moved in life.wire.history:
        when.setdefault((moved.key, moved.verb), moved.at)
    for process in life.processes:
        if process.report is None or process.plan.dry_run:
            continue
        asked = len(process.exchanges) + process.unsent
        if process.report.requests != asked:
            yield f"{name(process)}: dice {process.report.requests} peticiones y fueron {asked}"
        for part in process.report.transitions:
            verb, seen = part.transition.name, set()
            for outcome in part.outcomes:
                key = outcome.event.key
                is_true = _is_true(life, process, outcome, verb, when.get((key, verb), float("inf")))
                if key in seen or not (is_true or key in life.touched):
                    yield f"{name(process)}: {verb} {key} consta como {outcome.result}, una vez o de más, y no es así"
                seen.add(key)


def _is_true(life: Life, process: Process, outcome: Outcome, verb: str, moved_at: float) -> bool:
    """Si lo que dice el informe de un evento es lo que pasó."""
    is_done = moved_at <= (process.ended_at or 0.0)
    match outcome.result:
        case Result.DONE:
            return is_done or (_was_cut_short(process) and was_lied_to(process, verb, outcome.event.key))
        case Result.ALREADY_DONE:
            # Un reloj que va hacia atrás quita de la lista lo que ya enseñaba.
            return is_done or _was_not_due(life, process, verb, outcome.event.key)
        case Result.FAILED:
            return _was_last_seen(process, verb, outcome.event.key)
    return True


def _was_not_due(life: Life, process: Process, verb: str, key: str) -> bool:
    """Si en alguna lista, por el reloj del backend, no le tocaba."""
    due = life.world.model.events[key].due_at(verb)
    handled = (exchange.handled_at for exchange in process.lists(verb))
    return any(life.world.clock.at(moment) < due for moment in handled if moment is not None)


def _was_cut_short(process: Process) -> bool:
    """Si no llegó a mirar por última vez: se le acabó el tiempo o no le dejaron."""
    is_late = (process.ended_at or 0.0) >= last_start(process) - EPSILON
    is_bad = process.report is not None and process.report.exit_code is not ExitCode.OK
    return is_late or is_bad or process.signalled_at is not None


def was_lied_to(process: Process, verb: str, key: str) -> bool:
    """Si le dijeron que sí en falso y después no leyó ninguna lista."""
    lies = [
        exchange.settled_at or 0.0
        for exchange in process.exchanges
        if (exchange.kind, exchange.verb, exchange.key) == ("move", verb, key)
        and exchange.fault
        and exchange.fault.kind in {"lie", "stale"}
        and exchange.got
        and exchange.got.status == 200
    ]
    return bool(lies) and not any(
        shows(exchange) is not None and exchange.sent_at >= lies[-1] for exchange in process.lists(verb)
    )


def _was_last_seen(process: Process, verb: str, key: str) -> bool:
    listed = process.lists(verb)
    shown = [exchange for exchange in listed if key in (shows(exchange) or ())]
    first_pages = [exchange for exchange in listed if shows(exchange) is not None and not exchange.ask.query]
    return bool(shown) and shown[-1].sent_at >= (first_pages[-1].sent_at if first_pages else 0.0)


def asked_wait(exchange: Exchange) -> float:
    """Los segundos que el backend pidió esperar, si los pidió."""
    if exchange.got is None or exchange.kind not in {"list", "move"}:
        return 0.0
    return float(dict(exchange.got.headers).get("Retry-After", 0))


def shows(exchange: Exchange) -> tuple[str, ...] | None:
    """Los eventos de la lista que llegó, si llegó."""
    return exchange.got.shown if exchange.got else None


def name(process: Process) -> str:
    """Cómo se nombra una pasada."""
    return f"pasada {process.number} ({process.machine.name}, {process.plan.command})"
