"""Mundos enteros, en tiempo virtual: lo que se promete, con cualquier avería y con varias a la vez."""

import pytest

from tests.simulation.trace import tell
from tests.simulation.verdict import judge

_BATCHES, _WORLDS = 5, 6
_EVENTFUL = 841
"""Un mundo en que pasa de todo."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("batch", range(_BATCHES))
def test_no_world_breaks_a_promise(batch: int) -> None:
    """En ningún mundo se rompe ninguna promesa; si en uno sí, dice cómo verlo."""
    for seed in range(batch * _WORLDS, (batch + 1) * _WORLDS):
        verdict = judge(seed)
        assert not verdict.broken, f"make simulate SEED={seed}: {verdict.broken[:3]}"


@pytest.mark.parametrize(
    "seed", [2026, 2036, 2196, 20186, 100192, 200624, 10000481, 10101970, 60000339, 110005091, 110005961]
)
def test_what_a_world_once_broke_stays_mended(seed: int) -> None:
    """Semillas que encontraron un fallo: un 0 sin leer la lista, un `Retry-After` mal contado, un aviso sin dar…"""
    assert not judge(seed).broken


def test_the_same_seed_is_the_same_life() -> None:
    """Una semilla da siempre la misma vida, petición a petición: por eso se puede repetir la que falla."""
    first, second = (list(tell(judge(_EVENTFUL).life)) for _ in range(2))

    assert any("[limited " in line for line in first)
    assert first == second
