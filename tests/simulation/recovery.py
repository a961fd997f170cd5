"""Lo que se promete con el tiempo: que nada llega tarde, que todo se cura y que se avisa de lo que acaba."""

from collections.abc import Iterator

from estado_eventos.domain.shard import Shard
from tests.simulation.life import Life
from tests.simulation.model import VERBS, Event
from tests.simulation.promises import name, was_lied_to
from tests.simulation.world import NOON, Site, World

_DEAD_BAND = (0.02, 0.3)
"""Lo que un reloj atrasado así tiene de particular: su `Date` no lo delata (`test_tick.py` dice por qué)."""


def everything_due_is_moved(life: Life) -> Iterator[str]:
    """Desde que todo va bien, cada evento que vence se mueve en un intervalo; y sin averías, en su tic."""
    world, when = life.world, _moments(life)
    for event in world.model.events.values():
        if event.broken or event.key in life.touched:
            continue
        owner = _owner(world, event)
        for verb in VERBS[event.state :]:
            # Lo que sigue pendiente al final.
            if _should_be_done_by(life, owner, event, verb) <= world.end:
                yield f"evento {event.key}: {verb} sigue pendiente al final"
            break
        for verb in VERBS[: event.state]:
            moved = when.get((event.key, verb))
            limit = _should_be_done_by(life, owner, event, verb)
            if moved is not None and moved > limit:
                yield f"evento {event.key}: {verb} a los {moved:.3f}, y como muy tarde tocaba a los {limit:.3f}"


def _moments(life: Life) -> dict[tuple[str, str], float]:
    when: dict[tuple[str, str], float] = {}
    for moved in life.wire.history:
        when.setdefault((moved.key, moved.verb), moved.at)
    return when


def _owner(world: World, event: Event) -> Site:
    for site in world.sites:
        part = site.variables.get("shard")
        if part is None or Shard.read(str(part)).owns(event.key):
            return site
    raise AssertionError(event)


def _slack(world: World, site: Site) -> float:
    """Lo que puede costar mover lo que haya, yendo todo bien."""
    rounds = 3 * (1 + len(world.model.events) / int(str(site.variables["max_concurrency"])))
    pages = 1 + (len(world.model.events) / world.model.page_size if world.model.page_size else 0)
    return 4.0 + (rounds + 4 * pages) * (4 * world.latency + world.gap)


def _should_be_done_by(life: Life, site: Site, event: Event, verb: str) -> float:
    """La hora del bucle a la que, como muy tarde, tiene que estar hecho un cambio."""
    world, interval = life.world, life.world.interval
    due = event.due_at(verb)
    if verb == "finish":
        due = max(due, event.starts_at)
    if not world.clock.is_steady or not site.clock.is_steady:
        shown = due - NOON - world.clock.offset + 100
    else:
        shown = due - NOON - world.clock.offset
    standby = 0.0
    spare = next((other for other in world.sites if other.name == "spare"), None)
    troubled = world.troubled_until
    if site.dies_at is not None:
        troubled = max(troubled, site.dies_at)
        standby, site = 20.0 + interval, spare or site
    slack = _slack(world, site)
    if slack > 0.5 * interval:
        return float("inf")
    behind = site.clock.offset - world.clock.offset
    is_tricky = _DEAD_BAND[0] < behind < _DEAD_BAND[1] + 4 * world.latency or behind > interval / 3 - 1
    if not standby and troubled <= 0.0 and not is_tricky and site.has_lead and verb == "start":
        # El primer tic de la máquina que no es anterior a que venza, con lo que su reloj va adelantado.
        first = -(-(due - NOON) // interval) * interval - site.clock.offset
        if first - 2 > 0:
            return max(first, shown) + 1.2 + slack
    return max(shown, troubled, 0.0) + standby + interval * 4 / 3 + 3 + slack + abs(site.clock.offset)


def follow_ups_are_told(life: Life) -> Iterator[str]:
    """De cada evento finalizado se avisa al menos una vez, y de ninguno que no lo esté."""
    told = {
        exchange.key
        for exchange in life.wire.exchanges
        if exchange.kind == "follow_up" and exchange.got and exchange.got.status in {200, 202, 400, 404}
    }
    finished: dict[str, float] = {}
    for moved in life.wire.history:
        if moved.verb != "finish":
            continue
        finished.setdefault(moved.key, moved.at)
        if moved.exchange is None or moved.key in life.touched or moved.key in told:
            continue
        if moved.exchange.got and moved.exchange.got.status in {400, 404}:
            # La respuesta a otra petición decía un no claro: lo haría otro.
            continue
        process = moved.exchange.process
        site = next(site for site in life.world.sites if site.name == process.machine.name)
        too_late = life.world.end - 2 * life.world.interval if _slack(life.world, site) < 10 else 0.0
        if process.settings.finish_follow_up and site.dies_at is None and moved.at < too_late:
            yield f"evento {moved.key}: lo finalizó la {name(process)} y nadie avisó"
    for exchange in life.wire.exchanges:
        if exchange.kind != "follow_up" or exchange.key in life.touched:
            continue
        if was_lied_to(exchange.process, "finish", exchange.key):
            continue
        if finished.get(exchange.key, float("inf")) > exchange.sent_at:
            yield f"{name(exchange.process)}: avisó del evento {exchange.key}, que no había finalizado"


def the_spare_stays_still(life: Life) -> Iterator[str]:
    """La de repuesto solo toca lo que llega tarde y, si la principal va bien, nada de lo que vence en un tic."""
    world = life.world
    for process in life.processes:
        if process.machine.name != "spare":
            continue
        for post in process.exchanges:
            if post.kind != "move" or process.plan.only:
                continue
            event = world.model.events[post.key]
            late = world.clock.at(post.sent_at) - event.due_at(post.verb)
            if world.clock.is_steady and event.key not in life.touched and late < 18:
                yield f"{name(process)}: tocó {post.verb} {post.key}, que solo llegaba {late:.1f} s tarde"
            main = world.sites[0]
            apart = abs(main.clock.offset - world.clock.offset)
            punctual = world.calm and main.dies_at is None and apart < 5 and _slack(world, main) < 10
            dates = (event.starts_at - NOON, event.ends_at - NOON)
            if (
                punctual
                and not event.broken
                and all(date > 0 and date % world.interval == 0 for date in dates)
                and dates[0] < dates[1]
            ):
                yield f"{name(process)}: tocó {post.verb} {post.key}, y la principal iba bien"


def quiet_passes_cost_two_requests(life: Life) -> Iterator[str]:
    """Con relojes que coinciden y nada que hacer, una pasada son dos peticiones y nada más."""
    world = life.world
    if not world.calm or world.clock.offset or world.model.page_size or world.latency > 0.03:
        return
    for process in life.processes:
        site = next(site for site in world.sites if site.name == process.machine.name)
        report = process.report
        if report is None or site.clock.offset or any(part.outcomes for part in report.transitions):
            continue
        lists = [exchange for exchange in process.exchanges if exchange.kind == "list" and exchange.got]
        lists = [exchange for exchange in lists if exchange.got and exchange.got.status == 200]
        if len(lists) != 2 and not any(exchange.got and exchange.got.shown for exchange in lists):
            yield f"{name(process)}: {len(lists)} lecturas sin nada que hacer"
