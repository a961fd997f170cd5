"""Propiedades: el backend contesta cualquier cosa."""

import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.faults import FaultyServer
from tests.support.inside import endure
from tests.support.passes import texts
from tests.support.reactions import OK_HEAD, Raw, Rule, answer


def _pass_with(rule: Rule) -> None:
    """Una pasada en este proceso; comprueba lo que vale conteste lo que conteste el servidor."""
    with FaultyServer(rule) as server:
        completed = endure(server, "run-once", seconds=0.1, BACKEND_JWT_TOKEN="abc.def.ghi")
    assert all(text.isprintable() for text in texts(completed.report))


EXAMPLES = 40 if "CI" in os.environ else 10
"""En la integración continua, más; y siempre los mismos: con `CI`, Hypothesis no los sortea."""
PROPERTY = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])


HEADER_NAMES = (
    *("Location", "Retry-After", "Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding", "Upgrade"),
    *("Set-Cookie", "Set-Cookie2", "Connection", "Date", "WWW-Authenticate", "Link", "X"),
)


HEADER_TEXT = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=40)


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(HEADER_NAMES),
        HEADER_TEXT
        | st.sampled_from(["gzip", "chunked", "close", "0", "2", "http://", "//x", "a=b; expires=0; path=/"]),
    ),
    max_size=5,
)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


ITEMS = st.lists(
    st.fixed_dictionaries({}, optional={"id": JSON | st.integers(1, 9), "start_date": JSON | st.datetimes().map(str)})
    | JSON,
    max_size=6,
)


@PROPERTY
@given(body=st.binary(max_size=200), reply=st.binary(max_size=60))
def test_any_bytes_are_a_list(body: bytes, reply: bytes) -> None:
    """Cualquier cuerpo en las listas y en los eventos: un código del contrato, sin volcados, y la suma cuadra."""
    _pass_with(lambda request: answer(200, body if request.method == "GET" else reply))


@pytest.mark.slow
@PROPERTY
@given(items=ITEMS, following=st.none() | JSON | st.text(max_size=30), reply=JSON, status=st.integers(100, 599))
def test_any_json_is_a_list(items: list[Any], following: Any, reply: Any, status: int) -> None:
    """Cualquier JSON por elementos, por página siguiente y por respuesta a un evento: lo mismo."""
    page = answer(200, json.dumps({"results": items, "next": following}))

    _pass_with(lambda request: page if request.method == "GET" else answer(status, json.dumps(reply)))


@PROPERTY
@given(
    status=st.integers(100, 999),
    reason=HEADER_TEXT,
    headers=HEADERS,
    body=st.sampled_from([b"", b"[]", b'[{"id": 1}]']),
)
def test_any_headers_are_survived(status: int, reason: str, headers: list[tuple[str, str]], body: bytes) -> None:
    """Cualquier código, frase y cabeceras: lo mismo."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    reply = Raw(f"HTTP/1.1 {status} {reason}\r\n{lines}\r\n".encode("latin-1") + body)

    _pass_with(lambda _: reply)


@PROPERTY
@given(
    head=st.sampled_from(
        [b"", b"HTTP/1.1 ", OK_HEAD, OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n", OK_HEAD + b"\r\n"]
    ),
    rest=st.binary(max_size=200),
)
def test_any_bytes_are_an_answer(head: bytes, rest: bytes) -> None:
    """Cualquier ristra de bytes por respuesta, sea o no HTTP: lo mismo."""
    _pass_with(lambda _: Raw(head + rest))
