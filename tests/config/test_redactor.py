"""Lo que no debe verse se tacha de lo que llega, esté escrito como esté."""

import html
import json
import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from estado_eventos.config.redactor import Redactor

WRITTEN: dict[str, Callable[[str], str]] = {
    "tal cual": str,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON con acentos": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON con barras": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "URL": lambda text: quote(text, safe="", errors="surrogatepass"),
    "URL en minúsculas": lambda text: re.sub(
        "%..", lambda found: found[0].lower(), quote(text, safe="", errors="surrogatepass")
    ),
    "formulario": lambda text: quote_plus(text, errors="surrogatepass"),
    "HTML": html.escape,
    "HTML sin comillas": lambda text: html.escape(text, quote=False),
}


@given(
    st.text(min_size=6, max_size=40),
    st.text(max_size=20),
    st.text(max_size=20),
    st.sampled_from(sorted(WRITTEN)),
)
@example("dos  espacios", "", "", "tal cual")
@example("a&b<c>\"d'e/f", "x", "y", "HTML")
@example("contraseña/ñ", "x", "y", "URL en minúsculas")
def test_a_secret_does_not_come_through(secret: str, before: str, after: str, written: str) -> None:
    """Un secreto se tacha esté como esté escrito: tal cual, o para JSON, una URL o HTML."""
    form = WRITTEN[written](secret)

    cleaned = Redactor([secret]).clean_text(f"{before}{form}{after}")

    assert form not in cleaned or form in f"{before}***{after}"


def test_what_is_no_secret_stays() -> None:
    """Lo demás queda como estaba, sea lo que sea."""
    assert Redactor(["secreto"]).clean(b"nada \xff\xfe que tachar") == b"nada \xff\xfe que tachar"
    assert Redactor().clean(b"todo") == b"todo"


def test_the_longest_goes_first() -> None:
    """De dos secretos en que uno empieza como el otro no queda ni el resto."""
    assert Redactor(["abcdef", "abcdefghi"]).clean_text("x abcdefghi y abcdef") == "x *** y ***"


@pytest.mark.parametrize(("secret", "blind"), [("corto", True), ("secreto", False), ("", False)])
def test_a_secret_too_short_to_look_for_blinds(secret: str, blind: bool) -> None:  # noqa: FBT001
    """De un secreto de menos de seis letras no se busca nada: se deja de repetir lo que llega."""
    assert Redactor([secret]).is_blind is blind
