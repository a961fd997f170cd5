"""Las transiciones como datos: las rutas de la API y los elementos de sus listas."""

from datetime import UTC, datetime, timedelta, timezone
from posixpath import normpath
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from estado_eventos.domain.transitions import FINISH, START, TRANSITIONS, Event, Transition, is_safe_id

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def test_the_paths_are_those_of_the_api() -> None:
    """Las rutas son las del backend, letra por letra."""
    assert [transition.list_path for transition in TRANSITIONS] == [
        "/api/events-status/pending-start/",
        "/api/events-status/pending-finish/",
    ]
    assert START.action_path(7) == "/api/events-status/7/start/"
    assert FINISH.action_path("a-b_C") == "/api/events-status/a-b_C/finish/"


@given(event_id=st.text(max_size=80) | st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True))
@example(event_id="..")
@example(event_id="7\n")
@example(event_id="٣")
def test_a_safe_id_cannot_steer_the_url(event_id: str) -> None:
    """Un identificador que se da por bueno deja la ruta donde estaba: ni sube, ni añade consulta, ni otro servidor."""
    path = START.action_path(event_id)
    parts = urlsplit(f"http://a{path}")
    stays = (parts.path, parts.netloc, parts.query, parts.fragment) == (path, "a", "", "")

    assert not is_safe_id(event_id) or (stays and f"{normpath(path)}/" == path and path.count("/") == 5)


@given(item=JSON | st.fixed_dictionaries({"id": JSON}, optional={START.date_field: JSON}))
def test_any_item_is_an_event_or_says_why(item: Any) -> None:
    """Venga como venga un elemento, sale un evento al que se le puede pedir algo, o el motivo de que no."""
    event = Event.from_item(item, START)

    assert event.problem or (event.id is not None and is_safe_id(event.id))
    assert event.due_at is None or event.due_at.tzinfo


@pytest.mark.parametrize("transition", TRANSITIONS, ids=lambda transition: transition.name)
def test_each_transition_has_its_date(transition: Transition) -> None:
    """La hora debida de cada transición es la de su campo; la del otro no cuenta."""
    dates = {START.date_field: "2026-01-01T10:00:00Z", FINISH.date_field: "2026-01-01T12:00:00Z"}

    event = Event.from_item({"id": 1, **dates}, transition)

    assert (event.due_text, event.problem) == (dates[transition.date_field], None)


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-01-01T10:00:00", datetime(2026, 1, 1, 10, tzinfo=UTC)),
        ("2026-01-01t10:00:00z", datetime(2026, 1, 1, 10, tzinfo=UTC)),
        ("2026-01-01T10:00:00+05:45", datetime(2026, 1, 1, 10, tzinfo=timezone(timedelta(hours=5, minutes=45)))),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:60Z", None),
        ("2026-02-30T10:00:00Z", None),
        ("ayer", None),
        (1767261600, None),
        (None, None),
    ],
)
def test_when_an_event_was_due(written: object, moment: datetime | None) -> None:
    """Sin zona es UTC, el segundo 60 es el siguiente, y lo que no se entiende no se adivina ni se repite."""
    event = Event.from_item({"id": 1, START.date_field: written}, START)

    assert (event.due_at, event.due_text) == (moment, written if moment else "")
    assert event.problem is None
