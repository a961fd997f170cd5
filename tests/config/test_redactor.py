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

    cleaned = Redactor([secret]).clean(f"{before}{form}{after}")

    assert form not in cleaned or form in f"{before}***{after}"


def test_what_is_no_secret_stays() -> None:
    """Lo demás queda como estaba, sea lo que sea."""
    assert Redactor(["secreto"]).clean("nada \ud800\ufffe que tachar") == "nada \ud800\ufffe que tachar"
    assert Redactor().clean("todo") == "todo"


def test_the_longest_goes_first() -> None:
    """De dos secretos en que uno empieza como el otro no queda ni el resto."""
    assert Redactor(["abcdef", "abcdefghi"]).clean("x abcdefghi y abcdef") == "x *** y ***"


@pytest.mark.parametrize(("secret", "blind"), [("corto", True), ("secreto", False), ("", False)])
def test_a_secret_too_short_to_look_for_blinds(secret: str, blind: bool) -> None:  # noqa: FBT001
    """De un secreto de menos de seis letras no se busca nada: se deja de repetir lo que llega."""
    assert Redactor([secret]).is_blind is blind


@given(secret=st.text(min_size=6, max_size=20), ascii_only=st.booleans())
@example(secret="success", ascii_only=True)
@example(secret="results", ascii_only=False)
@example(secret="123456", ascii_only=True)
@example(secret="nabcdef", ascii_only=True)
@example(secret='", "error": "', ascii_only=True)
def test_a_json_is_still_the_same_json(*, secret: str, ascii_only: bool) -> None:
    """De un JSON se tachan sus textos, después de leerlo: sus claves, sus números y sus comillas no son un secreto."""
    content = {"results": [{"id": 123456, "error": f"x{secret}y"}], "success": True, "n\nabcdef": None}
    raw = json.dumps(content, ensure_ascii=ascii_only).encode(errors="surrogatepass")

    cleaned = Redactor([secret]).clean_json(raw, json.loads(raw))

    assert cleaned["results"][0]["id"] == 123456
    assert cleaned.keys() == content.keys()
    assert secret not in cleaned["results"][0]["error"] or secret in "x***y"


def test_an_escape_that_nobody_needs_hides_nothing() -> None:
    """Un secreto escrito con escapes que no hacen falta también es el secreto cuando se lee."""
    raw = rb'{"error": "\u0073ecreto-largo"}'

    assert Redactor(["secreto-largo"]).clean_json(raw, json.loads(raw)) == {"error": "***"}


@pytest.mark.parametrize(
    "word", ["pending", "Pendiente", "BACKEND_URL", "run-once", "en_progreso", "123456", "no vale", "programado"]
)
def test_our_words_are_not_crossed_out(word: str) -> None:
    """Una contraseña que es una palabra no estropea nuestras frases: tachada de ellas, se sabría cuál es."""
    redactor = Redactor([word])

    assert redactor.guard(f"«{word}» es nuestro") == f"«{word}» es nuestro"
    assert redactor.clean(f"«{word}» es del backend") == "«***» es del backend"


@pytest.mark.parametrize("secret", ["s3cret0", "eyJhbGciOi.eyJleHAi.x_y-z", "correo@example.com", "aZbYcX", "a" * 24])
def test_what_cannot_be_a_word_of_ours_does_not_go_out(secret: str) -> None:
    """Lo que no puede ser una palabra nuestra se tacha también de lo que sale; de un JSON, solo de sus textos."""
    redactor = Redactor([secret])

    assert redactor.guard(f"<{secret}>") == "<***>"
    assert redactor.guard_json({"a": [f"<{secret}>", 7, None], secret: "b"}) == {"a": ["<***>", 7, None], secret: "b"}


def test_what_a_secret_address_hides() -> None:
    """De una URL secreta se tachan quien entra por ella, también en Base64, y sus trozos; no sus palabras."""
    proxy = "http://usuario.p1:cl%40ve-larga@proxy.example:3128"
    monitor = "https://monitor.example/ping/0b5f-44aa?key=ab12cd34"
    redactor = Redactor(urls=[proxy, monitor])
    secrets = f"cl@ve-larga cl%40ve-larga usuario.p1 dXN1YXJpby5wMTpjbEB2ZS1sYXJnYQ== 0b5f-44aa ab12cd34 {monitor}"

    assert set(redactor.guard(secrets).split()) == {"***"}
    assert (
        redactor.clean("un ping a monitor.example por proxy.example") == "un ping a monitor.example por proxy.example"
    )
    assert not redactor.is_blind


def test_a_short_password_of_a_proxy_blinds_too() -> None:
    """La contraseña de un proxy, si es demasiado corta para buscarla, es como la de la cuenta; su usuario no."""
    assert Redactor(urls=["http://yo:p4ss@proxy.example"]).is_blind
    assert not Redactor(urls=["http://yo:contraseña@proxy.example"]).is_blind
