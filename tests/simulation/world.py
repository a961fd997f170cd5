"""Un mundo: lo que sale de una semilla, antes de que pase nada."""

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from estado_eventos.config.settings import Settings
from tests.simulation.model import EMAIL, PASSWORD, Event, Model
from tests.simulation.weather import Spell, Weather
from tests.support.reference.contract import FOLLOW_UP

if TYPE_CHECKING:
    from collections.abc import Callable

NOON = 1_800_014_400.0
"""Un mediodía: ahí empieza el bucle, en un reloj que vaya en hora."""
_HOUR_TICKS = 60
CALM_TICKS = 3
"""Los tics del final, sin averías: para ver que todo se cura."""
COMMANDS = ("run-once", "run-once", "start", "finish", "event", "dry-run")


@dataclass(slots=True)
class Clock:
    """Un reloj: cuánto va adelantado, cuánto deriva y los saltos que da; `elapsed` es la hora del bucle."""

    offset: float = 0.0
    drift: float = 0.0
    jumps: list[tuple[float, float]] = field(default_factory=list)

    def at(self, elapsed: float) -> float:
        """Qué hora da, en segundos desde 1970."""
        jumped = sum(size for moment, size in self.jumps if moment <= elapsed)
        return NOON + elapsed + self.offset + self.drift * elapsed + jumped

    @property
    def is_steady(self) -> bool:
        """Si ni deriva ni salta."""
        return not self.drift and not self.jumps


@dataclass(slots=True)
class Site:
    """Una máquina antes de arrancar."""

    name: str
    clock: Clock
    variables: dict[str, object]
    has_lead: bool = True
    """Si su temporizador se adelanta a cada tic (systemd) o no (cron)."""
    dies_at: float | None = None
    """Cuándo se apaga para siempre."""

    def settings(self, **changes: object) -> Settings:
        """Su configuración, con esos cambios."""
        return Settings.model_validate({**self.variables, **changes})


@dataclass(slots=True)
class Act:
    """Algo que hace alguien a una hora: a qué máquina o evento, y con qué cifra."""

    at: float
    name: str
    target: str = ""
    amount: float = 0.0


@dataclass(slots=True)
class World:
    """Todo lo que sale de la semilla."""

    seed: int
    interval: int
    ticks: int
    calm: bool
    """Sin averías, sin muertes y con relojes que no saltan: se exige todo al segundo."""
    model: Model
    weather: Weather
    clock: Clock
    latency: float
    gap: float
    sites: list[Site] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)

    @property
    def end(self) -> float:
        """Cuándo acaba, en la hora del bucle."""
        return self.ticks * self.interval

    @property
    def troubled_until(self) -> float:
        """Desde cuándo ya no pasa nada malo."""
        return max([self.weather.clears_at, *(act.at for act in self.acts)], default=0.0)


def draw_world(seed: int) -> World:
    """El mundo de esa semilla."""
    random = Random(seed)
    interval = random.choice((30, 60, 60, 60, 120, 300))
    ticks = CALM_TICKS + random.choice((2, 2, 3, 3, 4, 5, 8)) if random.random() < 0.85 else _HOUR_TICKS
    calm = random.random() < 0.3
    latency = random.choice((0.001, 0.004, 0.02, 0.1, 0.4)) * random.uniform(0.5, 1)
    gap = random.choice((0.0, 0.01, 0.3, 2.9)) if interval >= 60 else random.choice((0.0, 0.01, 0.3))
    world = World(seed, interval, ticks, calm, Model(), Weather(), _clock(random, interval, calm), latency, gap)
    world.model.as_list = random.random() < 0.2
    _draw_events(world, random)
    world.model.page_size = random.choice((0, 0, 0, 2 if len(world.model.events) < 12 else 25))
    _draw_sites(world, random)
    if not calm:
        _draw_trouble(world, random)
    return world


def _clock(random: Random, interval: int, calm: bool) -> Clock:  # noqa: FBT001
    offset = random.choice((0.0, 0.0, random.uniform(-0.02, 0.02), random.uniform(-1, 1), random.uniform(-6, 6)))
    clock = Clock(offset)
    if not calm and random.random() < 0.2:
        clock.drift = random.uniform(-1e-3, 1e-3)
    if not calm and random.random() < 0.1:
        clock.offset = random.uniform(-interval, interval)
    return clock


def _draw_events(world: World, random: Random) -> None:
    most = random.choice((0, 1, 2, 3, 3, 5, 8, 8, 8, 30, 30, 200 if world.ticks < 8 else 30))
    for number in range(1, random.randint(0, most) + 1):
        start, end = sorted(_date(world, random) for _ in range(2))
        event = Event(str(number), start, end)
        if random.random() < 0.3 and start < NOON:
            event.state = 1
        event.broken = random.random() < 0.03
        event.participants = random.random() < 0.9
        world.model.events[event.key] = event


def _date(world: World, random: Random) -> float:
    """Casi siempre, en un tic."""
    tick = random.randint(-2, world.ticks - 1) * world.interval
    return NOON + tick + random.choice((0, 0, 0, random.uniform(0, world.interval)))


def _draw_sites(world: World, random: Random) -> None:
    world.model.root = random.choice(("http://127.0.0.1", "http://backend.example"))
    common: dict[str, object] = {
        "backend_url": world.model.root,
        "scheduler_interval_seconds": world.interval,
        "http_timeout": random.choice((5, 10, 30)),
        "max_concurrency": random.choice((1, 2, 8, 8)),
    }
    match random.choice(("open", "account", "account", "cached", "cached", "static")):
        case "open":
            world.model.needs_token = False
        case "static":
            world.model.token_seconds = 86400
            common["backend_jwt_token"] = world.model.mint(NOON)
        case kind:
            world.model.token_seconds = random.choice((1800, 1800, 300, 2 * world.interval))
            common |= {"backend_email": EMAIL, "backend_password": PASSWORD}
            if kind == "cached":
                common["token_cache_file"] = "/simulado/token"
    if random.random() < 0.5:
        common |= {"finish_follow_up": FOLLOW_UP, "follow_up_directory": "/simulado/avisos"}
    kinds = random.choice((("main",), ("main",), ("main", "spare"), ("1/2", "2/2")))
    for kind in kinds:
        extra: dict[str, object] = {}
        if kind == "spare":
            extra["standby_seconds"] = 20
        elif kind != "main":
            extra["shard"] = kind
        clock = Clock(random.choice((0.0, 0.0, random.uniform(-0.02, 0.02), random.uniform(-2, 2))))
        world.sites.append(Site(kind, clock, {**common, **extra}, has_lead=random.random() < 0.8))


def _draw_trouble(world: World, random: Random) -> None:
    last = (world.ticks - CALM_TICKS) * world.interval
    # En una hora entera cada racha pasa, y se ve cómo se sale de ella.
    longest = last if world.ticks < _HOUR_TICKS else 8 * world.interval
    names = (
        "down",
        "cut",
        "slow",
        "limited",
        "limited",
        "unwell",
        "garbage",
        "refusing",
        "lying",
        "mixed",
        "mixed",
        "mixed",
    )
    for _ in range(random.choice((0, 1, 1, 2, 3, 5))):
        start = random.uniform(0, last)
        length = random.choice((random.uniform(1, 5), random.uniform(5, 90), longest))
        machine = random.choice((None, None, random.choice(world.sites).name))
        share = random.choice((1.0, 0.5, 0.1, 0.02))
        name = random.choice(names)
        world.weather.spells.append(Spell(name, start, min(start + length, last), share, machine))
    drawn: dict[str, Callable[[], Act]] = {
        "kill": lambda: Act(_soon_after_a_tick(world, random, last), "kill", random.choice(world.sites).name),
        "stop": lambda: Act(_soon_after_a_tick(world, random, last), "stop", random.choice(world.sites).name),
        "run": lambda: Act(
            random.choice((random.uniform(0, last), _soon_after_a_tick(world, random, last))),
            random.choice(COMMANDS),
            random.choice(world.sites).name,
        ),
        "move": lambda: Act(random.uniform(0, last), "move", _some_event(world, random)),
        "back": lambda: Act(random.uniform(0, last), "back", _some_event(world, random)),
        "edit": lambda: Act(random.uniform(0, last), "edit", _some_event(world, random), random.uniform(-300, 300)),
        "rotate": lambda: Act(random.uniform(0, last), "rotate"),
        "demote": lambda: Act(random.uniform(0, last), "demote", "", random.uniform(5, 200)),
        "password": lambda: Act(random.uniform(0, last), "password", "", random.uniform(5, 200)),
        "jump": lambda: Act(random.uniform(0, last), "jump", _some_clock(world, random), random.uniform(-40, 40)),
        "follow_up": lambda: Act(random.uniform(0, last), "follow_up", "", random.choice((500, 503, 404, 400))),
    }
    for _ in range(random.choice((0, 1, 2, 4, 8))):
        act = drawn[random.choice(list(drawn))]()
        if act.name != "rotate" or "backend_jwt_token" not in world.sites[0].variables:
            world.acts.append(act)
    for act in [*world.acts]:
        if act.name in {"demote", "password", "follow_up"}:
            world.acts.append(Act(min(act.at + act.amount, last), f"un{act.name}"))
    if len(world.sites) == 2 and world.sites[1].name == "spare" and random.random() < 0.4:
        world.sites[0].dies_at = random.uniform(0, last)
    world.acts.sort(key=lambda act: act.at)


def _soon_after_a_tick(world: World, random: Random, last: float) -> float:
    return min(
        last, max(0.0, random.randint(0, world.ticks) * world.interval + random.choice((-2, 0, 1, 5)) * random.random())
    )


def _some_event(world: World, random: Random) -> str:
    return random.choice(list(world.model.events) or [""])


def _some_clock(world: World, random: Random) -> str:
    return random.choice(["backend", *(site.name for site in world.sites)])
