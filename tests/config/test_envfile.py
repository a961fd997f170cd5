"""Lo que systemd leería de otra manera en un archivo de configuración (`EnvironmentFile=`)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estado_eventos.config.envfile import differences


@pytest.mark.parametrize(
    ("line", "cure"),
    [
        ("HTTP_TIMEOUT=5 # segundos", "comentario en su propia línea"),
        ('LOG_LEVEL="INFO"   # poco', "comentario en su propia línea"),
        ("export HTTP_TIMEOUT=5", "Quite «export»"),
        ("  'HTTP_TIMEOUT'=5", "lo que rodea al nombre"),
        (r"METRICS_FILE=/a\b", "sin comillas ni «\\»"),
        (r'METRICS_FILE="/a\$b"', "sin comillas ni «\\»"),
        (r"METRICS_FILE='/a\\b'", "sin comillas ni «\\»"),
        ('METRICS_FILE="/a\\tb"', "sin comillas ni «\\»"),
        ("METRICS_FILE=\"a\"'b'", None),
        ("METRICS_FILE=/a b", None),
        ("METRICS_FILE=/a#b", None),
        ("METRICS_FILE=/a$HOME/${b}", None),
        ("METRICS_FILE='/a # $b'", None),
        ('METRICS_FILE="/a # b"', None),
        ("METRICS_FILE = /a  ", None),
        ("# METRICS_FILE=/a # b", None),
        ("OTRA=1 # no es nuestra", None),
        ("METRICS_FILE=", None),
    ],
)
def test_lines_that_systemd_reads_otherwise(line: str, cure: str | None) -> None:
    """Lo que systemd y este programa leen distinto se dice con su línea y cómo escribirlo; lo demás, no."""
    found = list(differences(f"# uno\n\n{line}\nMAX_CONCURRENCY=3\n"))

    assert [difference.line for difference in found] == ([3] if cure else [])
    assert all(cure in difference.cure for difference in found if cure)


def test_a_byte_order_mark_hides_the_first_line_from_systemd() -> None:
    """La marca BOM del principio es parte del nombre para systemd."""
    (difference,) = differences("\ufeffBACKEND_URL=http://a.example\r\nHTTP_TIMEOUT=3\r\n")

    assert (difference.line, difference.name) == (1, "BACKEND_URL")
    assert "BOM" in difference.cure


@given(st.from_regex(r"[A-Za-z0-9_./:@%+,-]+", fullmatch=True))
def test_plain_values_are_read_alike(value: str) -> None:
    """Un valor sin comillas, espacios ni barras invertidas se lee igual en todas partes."""
    assert list(differences(f"BACKEND_URL={value}\n")) == []


@given(st.text())
def test_no_file_breaks_the_comparison(text: str) -> None:
    """Ningún archivo, por raro que sea, rompe la comparación."""
    list(differences(f"BACKEND_URL={text}\nHTTP_TIMEOUT='{text}"))
