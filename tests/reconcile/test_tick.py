"""El tic al que sirve una pasada, con relojes que no van igual."""

import asyncio
import time
from collections.abc import Callable

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from estado_eventos.backend.clock import BackendClock, Sighting
from estado_eventos.domain import wall_clock
from estado_eventos.reconcile.deadline import Deadline
from estado_eventos.reconcile.tick import HoldCutError, Tick, lead_seconds, look_again_at, max_offset, served_tick

DAY = 86400
MIDNIGHT = 20_454 * DAY
NOON = MIDNIGHT + DAY / 2
_QUICK = 0.1
"""Lo que tarda, como mucho, una lista de la que se cree su fecha."""


@pytest.mark.parametrize(
    ("now", "interval", "tick"),
    [
        (NOON - 1.8, 60, NOON),
        (NOON - 2.1, 60, NOON - 60),
        (NOON, 60, NOON),
        (NOON + 0.4, 60, NOON),
        (NOON + 31, 60, NOON),
        (NOON - 0.9, 10, NOON),
        (NOON - 1.1, 10, NOON - 10),
        (MIDNIGHT - 1, 7, MIDNIGHT),
        (MIDNIGHT + 8, 7, MIDNIGHT + 7),
    ],
)
def test_a_pass_serves_the_tick_that_is_about_to_come_or_the_last(now: float, interval: int, tick: float) -> None:
    """El que está al llegar, a `lead` como mucho, o el último; contados desde la medianoche UTC."""
    assert served_tick(now, interval) == tick


@given(st.floats(MIDNIGHT, MIDNIGHT + DAY - 0.001), st.integers(10, DAY))
def test_the_served_tick_is_a_tick(now: float, interval: int) -> None:
    """Sea cual sea el intervalo, es un múltiplo suyo desde la medianoche, y ni está lejos ni se ha saltado otro."""
    tick = served_tick(now, interval)

    assert (tick - MIDNIGHT) % interval == 0 or tick == MIDNIGHT + DAY
    assert -interval < tick - now <= lead_seconds(interval)


def reads(interval: int, offset: float, latencies: list[tuple[float, float]]) -> tuple[list[float], float]:
    """Las horas nuestras a que un backend con ese reloj hace cada lista, y lo que se esperó en total.

    De cada latencia, lo que tarda la lista y qué parte antes de hacerse; el resto, antes de fecharse.
    """
    clock, now, looks = BackendClock(), NOON + 0.03, 0
    made: list[float] = []
    while True:
        took, share = latencies[len(made) % len(latencies)]
        made.append(now + took * share)
        seen = Sighting(int(now + took + offset), now, now + took)
        clock.learn(seen)
        again = look_again_at(NOON, seen, clock, looks, max_offset(interval))
        if again is None:
            return made, now - NOON
        now, looks = max(again, now + took), looks + 1


LATENCIES = st.lists(st.tuples(st.floats(0.001, 1.5), st.floats(0, 1)), min_size=1, max_size=3)


@given(st.integers(10, 3600), st.floats(-25, 25), LATENCIES)
@example(60, -0.4, [(0.01, 0.5)])
@example(60, -5, [(0.01, 0.5)])
def test_no_tick_that_can_be_reached_is_missed(
    interval: int, offset: float, latencies: list[tuple[float, float]]
) -> None:
    """Con el reloj del backend atrasado, la última lista es de cuando él ya había dado el tic.

    Menos si va tan poco atrasado que lo da mientras hace una lista rápida (se le cree su fecha), o más que lo que se le
    espera. Nunca se lee más de dos veces de más, ni se espera más que un tercio del intervalo.
    """
    made, waited = reads(interval, offset, latencies)
    quickest = latencies[0][0]

    assert len(made) <= 3
    assert waited <= max_offset(interval) + 0.1 + sum(took for took, _ in latencies) * 3
    assume(-offset <= max_offset(interval) - 1)
    assume(quickest > _QUICK or not -0.03 - quickest <= offset < -0.03 + quickest)
    assert made[-1] + offset >= NOON


@given(st.floats(0, 25), st.floats(0.001, 0.099))
def test_a_clock_that_agrees_or_is_ahead_costs_nothing(offset: float, took: float) -> None:
    """Con relojes que coinciden, o el del backend adelantado, se lee una vez."""
    made, waited = reads(60, offset, [(took, 0.5)])

    assert len(made) == 1
    assert waited == pytest.approx(0.03)


@given(st.floats(-19, -0.2))
def test_a_clock_behind_is_followed_closely(offset: float) -> None:
    """Con el reloj atrasado y una red rápida, alguna lista es de como mucho 0,7 s después de que dé el tic."""
    made, _ = reads(60, offset, [(0.02, 0.5)])
    after = [moment + offset - NOON for moment in made if moment + offset >= NOON]

    assert min(after) <= 0.7


class Clock:
    """Un reloj de pared que se adelanta, se atrasa o se para."""

    def __init__(self, start: float, jumps: float = 0.0) -> None:
        """Al tercer vistazo salta `jumps` segundos."""
        self._start, self._since, self._looks, self._jumps = start, time.monotonic(), 0, jumps

    def __call__(self) -> float:
        """La hora."""
        self._looks += 1
        return self._start + time.monotonic() - self._since + (self._jumps if self._looks > 3 else 0)


def held(interval: int, now: Callable[[], float], seconds: float = 48, *, cut: bool = False) -> float:
    """Cuánto se espera al tic, en segundos de verdad."""

    async def hold() -> float:
        deadline = Deadline(seconds, time.monotonic())
        wall_clock.source.set(now)
        tick = Tick(interval, BackendClock(), deadline)
        if cut:
            asyncio.get_running_loop().call_soon(deadline.closing.set)
        before = time.monotonic()
        await tick.hold()
        return time.monotonic() - before

    return asyncio.run(hold())


def test_it_holds_until_the_tick() -> None:
    """Al que está al llegar se le espera; a nadie más: ni a mitad de intervalo ni si no se sirve a ningún tic."""
    assert held(60, Clock(NOON - 0.2)) >= 0.2
    assert held(60, Clock(NOON + 30)) < 0.1
    assert held(0, Clock(NOON - 0.2)) < 0.1


@pytest.mark.parametrize("jumps", [-7200.0, 7200.0])
def test_a_clock_that_jumps_does_not_hold_it_longer(jumps: float) -> None:
    """Si el reloj salta mientras se espera, hacia donde sea, no se espera más de lo que faltaba."""
    assert held(60, Clock(NOON - 0.6, jumps)) < 5


def test_a_pass_without_time_waits_for_no_tick() -> None:
    """Si el límite de la pasada no da para esperar y además trabajar, no se espera."""
    assert held(60, Clock(NOON - 1.9), seconds=2) < 0.1


def test_whatever_ends_the_pass_ends_the_hold() -> None:
    """Una señal acaba la espera en el acto, sin haber pedido nada."""
    with pytest.raises(HoldCutError):
        held(60, Clock(NOON - 1.5), cut=True)
