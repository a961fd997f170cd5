"""Lo que un token dice de sí."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from estado_eventos.backend.token import Token, spoken_token

NOW = datetime(2026, 1, 12, 10, 0, tzinfo=UTC)
KEY = "clave-de-prueba-de-treinta-y-dos-bytes"


def minted(**claims: object) -> str:
    """Un token con esos datos."""
    return jwt.encode(claims, KEY, "HS256")


@given(st.text(max_size=80) | st.binary(max_size=60).map(lambda raw: f"a.{raw.hex()}.b"))
@example("a.eyJleHAiOiAxZTk5OTl9.b")
@example("a." + "W" * 100_000 + ".b")
def test_any_text_is_a_token_that_says_what_it_can(text: str) -> None:
    """De cualquier texto se lee lo que se entiende; nunca falla, y entero no se enseña."""
    token = Token.read(text, NOW)

    assert token.text == text
    assert spoken_token(token, NOW)
    assert f"text={text!r}" not in repr(token)


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({}, "no dice cuándo caduca"),
        ({"exp": NOW.timestamp() + 1800}, "le quedan 30 min (caduca el 2026-01-12 11:30:00)"),
        ({"exp": NOW.timestamp() - 1}, "caducó el 2026-01-12 10:59:59"),
        ({"exp": "mañana"}, "no dice cuándo caduca"),
        ({"exp": True}, "no dice cuándo caduca"),
    ],
)
@pytest.mark.usefixtures("madrid")
def test_how_long_it_lives_in_words(claims: dict[str, object], words: str) -> None:
    """Hasta cuándo vale, y para quién si se sabe, en una frase sin el token."""
    assert spoken_token(Token.read(minted(**claims)), NOW) == words
    assert spoken_token(Token.read(minted(**claims), role="admin\x1b"), NOW) == f"{words}, rol admin"


@pytest.mark.parametrize("skew", [timedelta(), timedelta(hours=-1), timedelta(hours=1)])
@pytest.mark.parametrize("says_when", [True, False])
def test_the_life_counts_from_its_arrival(skew: timedelta, *, says_when: bool) -> None:
    """De un token que dio el backend cuenta su vida desde que llegó, la diga él o el `Date` de la respuesta."""
    there = NOW + skew
    issued = {"iat": there.timestamp()} if says_when else {}
    text = minted(**issued, exp=there.timestamp() + 1800)
    token = Token.read(text, received_at=NOW, issued_at=None if says_when else there)

    assert (token.life, token.left(NOW)) == (timedelta(minutes=30), timedelta(minutes=30))
    assert not token.expired(NOW + timedelta(minutes=29))
    assert token.expired(NOW + timedelta(minutes=30))
    # Un reloj que salta hacia atrás no le alarga la vida.
    assert token.left(NOW - timedelta(days=1)) == timedelta(minutes=30)


def test_without_a_date_the_life_is_what_is_left_on_arrival() -> None:
    """Si nadie dice cuándo se emitió, vive desde que llegó hasta su caducidad; si ya había pasado, no se sabe."""
    behind = Token.read(minted(exp=NOW.timestamp() - 1800), received_at=NOW)

    assert Token.read(minted(exp=NOW.timestamp() + 1800), received_at=NOW).life == timedelta(minutes=30)
    assert (behind.life, behind.left(NOW), behind.expired(NOW)) == (None, None, False)
