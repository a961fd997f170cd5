"""Las averías: cuándo las hay y cuál le toca a cada petición."""

from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

KINDS = {
    "refused": 2,
    "reset_before": 3,
    "reset_after": 3,
    "slow_in": 2,
    "slow_out": 2,
    "lost": 1,
    "unwell": 4,
    "unwell_after": 2,
    "limited": 3,
    "refusal": 2,
    "unauthorized": 1,
    "garbage": 1,
    "stale": 1,
    "lie": 1,
}
"""Lo que le puede pasar a una petición y, en una racha variada, cuántas veces le pasa cada cosa.

`reset_after` y `unwell_after`, con el cambio ya hecho; `slow_in` se retrasa antes de llegar y `slow_out` después de
hacerse; `lost` ni llega ni se contesta; `stale` trae la respuesta a otra; `lie` es un sí a lo que no se hace.
"""
_MIXED = tuple(KINDS)
_WEIGHTS = tuple(KINDS.values())
_SPELLS = {
    "down": ("refused",),
    "cut": ("lost", "refused", "reset_before"),
    "slow": ("slow_in", "slow_out"),
    "limited": ("limited",),
    "unwell": ("unwell", "unwell_after", "reset_after"),
    "garbage": ("garbage",),
    "refusing": ("refusal",),
    "lying": ("lie", "stale"),
    "mixed": _MIXED,
}


class Fault(NamedTuple):
    """Lo que le pasa a una petición: qué, y con qué cifra (los segundos, el código)."""

    kind: str
    amount: float = 0.0
    wait: int | None = None
    """El `Retry-After`, si lo trae."""


@dataclass(frozen=True, slots=True)
class Spell:
    """Una racha: de qué, desde y hasta cuándo, a qué máquina (a todas si no se dice) y a cuántas peticiones."""

    name: str
    start: float
    end: float
    share: float
    machine: str | None = None

    def draw(self, random: Random) -> Fault | None:
        """Lo que le pasa a una petición que sale en la racha."""
        if self.share < 1 and random.random() >= self.share:
            return None
        kinds = _SPELLS[self.name]
        kind = random.choices(_MIXED, _WEIGHTS)[0] if kinds is _MIXED else random.choice(kinds)
        wait = None
        match kind:
            case "slow_in" | "slow_out":
                amount = random.choice((random.uniform(0.5, 5), random.uniform(5, 200)))
            case "unwell" | "unwell_after":
                amount, wait = random.choice((500, 502, 503, 504)), random.choice((None, None, random.randint(1, 20)))
            case "limited":
                amount = random.choice((429, 503))
                wait = random.choice((None, random.randint(1, 8), random.randint(1, 40)))
            case "refusal":
                amount = random.choice((400, 404))
            case "unauthorized":
                amount = random.choice((401, 401, 403))
            case _:
                amount = random.randrange(5)
        return Fault(kind, amount, wait)


@dataclass(slots=True)
class Weather:
    """Todas las rachas de un mundo."""

    spells: list[Spell] = field(default_factory=list)

    def draw(self, machine: str, now: float, random: Random) -> Fault | None:
        """Lo que le pasa a una petición de esa máquina que sale ahora."""
        for spell in self.spells:
            if spell.start <= now < spell.end and spell.machine in {None, machine}:
                fault = spell.draw(random)
                if fault:
                    return fault
        return None

    def is_down(self, now: float) -> bool:
        """Si el servidor está caído: lo que tenía entre manos se pierde."""
        return any(spell.name == "down" and spell.start <= now < spell.end for spell in self.spells)

    @property
    def clears_at(self) -> float:
        """Cuándo acaba la última."""
        return max((spell.end for spell in self.spells), default=0.0)
