"""Lo que se entiende de lo que llega por la red, sea lo que sea."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from estado_eventos.backend.answers import Answer, read_applied, read_page, retry_after
from estado_eventos.backend.errors import BackendError, Denied, Refused, Unavailable, WrongProtocol
from estado_eventos.domain.transitions import START, is_safe_id

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["id", "start_date", "x"]), inner),
    max_leaves=12,
)


@given(st.binary(max_size=300), st.integers(100, 599))
@example(b"[" * 100_000, 200)
@example(b"1" * 100_000, 200)
@example(b'{"results": [{"id": "\\ud800"}]}', 200)
def test_any_body_is_a_page_or_a_named_error(body: bytes, status: int) -> None:
    """Cualquier respuesta a una lista es una página o un `BackendError`; nunca otra excepción."""
    outcome: object
    try:
        outcome = read_page(START, Answer(status, {}, body))
    except BackendError as error:
        outcome = str(error)

    assert outcome


@pytest.mark.slow
@given(st.lists(JSON, max_size=5))
def test_any_item_is_an_event_or_says_what_is_wrong(items: list[Any]) -> None:
    """Cada elemento de la lista es un evento con un id seguro o dice qué le pasa; no se pierde ninguno."""
    page = read_page(START, Answer(200, {}, json.dumps(items).encode()))

    assert len(page.events) == len(items)
    for event in page.events:
        assert event.problem or (event.id is not None and is_safe_id(event.id))
        assert event.due_at is None or event.due_at.tzinfo is not None


@given(st.integers(100, 599), JSON)
def test_only_a_clear_yes_is_a_yes(status: int, content: Any) -> None:
    """Una transición solo se da por hecha con 200 y `success: true`."""
    done = True
    try:
        read_applied(START, Answer(status, {}, json.dumps(content).encode()))
    except BackendError:
        done = False

    assert done == (status == 200 and isinstance(content, dict) and content.get("success") is True)


def test_the_status_is_the_one_the_backend_says() -> None:
    """El estado del informe es el de la respuesta o, si no lo dice, el que la transición busca."""
    said = read_applied(START, Answer(200, {}, b'{"success": true, "status": "otro\\u001b"}'))
    unsaid = read_applied(START, Answer(200, {}, b'{"success": true}'))

    assert (said, unsaid) == ("otro", "en_progreso")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *[(status, Refused) for status in (204, 301, 400, 404, 409)],
        *[(status, Denied) for status in (401, 403)],
        *[(status, Unavailable) for status in (408, 429, 500, 503)],
    ],
)
def test_what_a_no_means(status: int, kind: type[BackendError]) -> None:
    """Cada forma de decir que no a un evento es un error distinto, con las palabras del backend."""
    with pytest.raises(kind, match="palabras"):
        read_applied(START, Answer(status, {}, b'{"error": "palabras"}'))


def test_success_without_a_body_is_no_success() -> None:
    """Un 200 vacío o en HTML no es un sí."""
    for body in (b"", b"<html>"):
        with pytest.raises(WrongProtocol):
            read_applied(START, Answer(200, {}, body))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *[("3", 3), (" 12 ", 12), ("0", 0), ("9" * 400, 999999999999)],
        *[(absurd, None) for absurd in ("-1", "nan", "", "mañana", "1e9", "²")],
    ],
)
def test_retry_after_in_seconds(value: str, seconds: float | None) -> None:
    """`Retry-After` en cifras son segundos; lo absurdo no cuenta o es enorme, nunca negativo."""
    assert retry_after({"retry-after": value}) == seconds


@pytest.mark.parametrize(("offset", "at_least", "at_most"), [(30, 28, 30), (-30, 0, 0)])
def test_retry_after_as_a_date(offset: int, at_least: float, at_most: float) -> None:
    """`Retry-After` como fecha son los segundos que faltan, o ninguno si ya pasó."""
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=offset), usegmt=True)

    found = retry_after({"retry-after": moment})

    assert found is not None
    assert at_least <= found <= at_most


@given(st.text(max_size=40))
def test_any_retry_after_is_survived(value: str) -> None:
    """Ninguna cabecera `Retry-After` lanza nada."""
    found = retry_after({"retry-after": value})

    assert found is None or found >= 0
