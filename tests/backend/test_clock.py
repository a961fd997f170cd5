"""Lo que se sabe del reloj del backend."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estado_eventos.backend.clock import BackendClock, Sighting, sight

MIDNIGHT = 1_767_225_600
"""2026-01-01T00:00:00Z."""
OFFSETS = st.floats(-3, 3)


def clock(*seen: Sighting) -> BackendClock:
    """Un reloj del que se han visto esas respuestas."""
    known = BackendClock()
    for sighting in seen:
        known.learn(sighting)
    return known


@given(OFFSETS, st.lists(st.tuples(st.floats(0, 60), st.floats(0, 2), st.floats(0, 1)), min_size=1, max_size=6))
def test_what_is_known_is_true(offset: float, answers: list[tuple[float, float, float]]) -> None:
    """La diferencia de verdad está siempre entre los límites, por poco o mucho que tarden las respuestas."""
    known = BackendClock()
    for sent, took, share in answers:
        written = int(MIDNIGHT + sent + took * share + offset)
        known.learn(Sighting(written, MIDNIGHT + sent, MIDNIGHT + sent + took))

    assert known.low - 1e-6 <= offset <= known.high + 1e-6


def test_clocks_that_may_agree_agree() -> None:
    """Si con lo que se sabe pueden ir igual, la diferencia es 0; si no, la mitad de lo que cabe; sin `Date`, nada."""
    assert clock().offset is None
    assert clock(Sighting(MIDNIGHT, MIDNIGHT + 0.4, MIDNIGHT + 20)).offset == 0
    assert clock(Sighting(MIDNIGHT - 5, MIDNIGHT + 0.1, MIDNIGHT + 0.2)).offset == pytest.approx(-4.65)
    assert clock(Sighting(MIDNIGHT + 5, MIDNIGHT + 0.1, MIDNIGHT + 0.2)).offset == pytest.approx(5.35)


def test_each_answer_narrows_what_is_known() -> None:
    """Dos respuestas en distinto instante del segundo dejan la mitad; una que las contradice es un reloj que saltó."""
    half = clock(Sighting(MIDNIGHT - 1, MIDNIGHT, MIDNIGHT), Sighting(MIDNIGHT, MIDNIGHT + 0.5, MIDNIGHT + 0.5))
    assert (half.low, half.high) == (-0.5, 0)

    half.learn(Sighting(MIDNIGHT + 100, MIDNIGHT + 1, MIDNIGHT + 1))
    assert (half.low, half.high) == (99, 100)


@given(st.text(max_size=60) | st.datetimes().map(lambda moment: f"{moment:%a, %d %b %Y %H:%M:%S} GMT"))
def test_any_date_is_understood_or_not(text: str) -> None:
    """Lo que traiga `Date`, se entiende o no dice nada; nunca es un fallo."""
    seen = sight({"date": text}, 0, 1)

    assert seen is None or isinstance(seen.date, int)
    assert sight({}, 0, 1) is None
