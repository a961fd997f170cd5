"""El texto para una persona: lo que viene de fuera, limpio, y los retrasos, en palabras."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estado_eventos.domain.text import printable, spoken_lag


@given(st.text(), st.integers(1, 80))
def test_printable_is_one_harmless_line(text: str, limit: int) -> None:
    """El texto de fuera queda en una línea imprimible, codificable y no más larga que el tope."""
    line = printable(text, limit)

    assert line.isprintable()
    assert len(line) <= limit
    assert line.encode().decode() == line


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *[(0, "0 s"), (31.4, "31 s"), (320, "5 min 20 s"), (300, "5 min"), (7380, "2 h 3 min"), (273600, "3 d 4 h")],
        *[(-90, "-1 min 30 s"), (-0.2, "0 s"), (None, "?")],
    ],
)
def test_lag_in_words(seconds: float | None, words: str) -> None:
    """Un retraso se dice con sus dos unidades mayores."""
    assert spoken_lag(seconds) == words
