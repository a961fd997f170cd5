"""Lo que se sabe de cada evento en una pasada, sin red y sin reloj."""

from collections.abc import Callable
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from estado_eventos.domain.report import Result, TransitionReport
from estado_eventos.domain.transitions import START, Event
from estado_eventos.reconcile.tracker import Tracker

NOW = datetime(2026, 1, 1, 10, tzinfo=UTC)
BAD = Event(None, problem="el elemento de la lista no tiene id")


def tracking(*lists: list[Event], takes: Callable[[Event, datetime], bool] = lambda *_: True) -> Tracker:
    """Lo que se sabe después de leer esas listas."""
    tracker = Tracker(takes)
    for events in lists:
        tracker.read(events, NOW)
    return tracker


def test_the_oldest_go_first() -> None:
    """Lo que enseña una lista sale del más antiguo al más reciente, y al final los que no dicen su hora."""
    events = [Event(1), Event(2, NOW), Event(3, NOW.replace(hour=9)), Event(4, NOW.replace(year=2025))]

    assert [tracked.event.id for tracked in tracking().read(events, NOW)] == [4, 3, 2, 1]


def test_an_event_is_one_however_it_is_written() -> None:
    """7 y "7", en una lista o en varias, es un evento; lo que se sabe de él no se pierde."""
    tracker = tracking([Event(7), Event("7"), Event(7)])
    (first,) = tracker.read([Event(7)], NOW)
    first.attempts = 3
    (again,) = tracker.read([Event("7")], NOW)

    assert again is first
    assert len(tracker) == 1


def test_what_is_not_for_this_pass_does_not_exist() -> None:
    """Lo que no es de la pasada no se cuenta, ni siquiera lo que está mal escrito."""
    tracker = tracking([Event(1), Event(2), BAD], takes=lambda event, _: event.key == "2")

    assert [outcome.event.id for outcome in tracker.outcomes(NOW)] == [2]
    assert tracker.bad == ()


def test_bad_items_are_those_of_the_last_list() -> None:
    """Los elementos mal escritos fallan con su motivo; si la lista siguiente los trae bien, no han fallado."""
    assert [(one.result, one.error) for one in tracking([BAD]).outcomes(NOW)] == [(Result.FAILED, BAD.problem)]
    assert tracking([BAD], []).outcomes(NOW) == ()


def test_a_last_list_may_bring_nothing_new() -> None:
    """Con `add=False`, lo que no se conocía queda para la pasada siguiente."""
    tracker = tracking([Event(1)])

    assert [tracked.event.id for tracked in tracker.read([Event(2), Event(1)], NOW, add=False)] == [1]
    assert len(tracker) == 1


def test_only_an_undone_event_was_denied() -> None:
    """Que se negara el permiso importa mientras el evento siga sin hacer."""
    tracker = tracking([Event(1), Event(2)])
    denied, _ = tracker.read([Event(1), Event(2)], NOW)
    denied.denied, denied.error = True, "HTTP 403"

    assert tracker.denial == "evento 1: HTTP 403"
    tracker.settle(denied, Result.ALREADY_DONE, NOW)
    assert tracker.denial is None


@given(st.lists(st.sampled_from([*Result, None]), max_size=8), st.integers(0, 3))
def test_every_event_ends_in_one_result(results: list[Result | None], bad: int) -> None:
    """Acabe como acabe cada evento, también sin resolver, sale una vez en el informe y las sumas cuadran."""
    events = [Event(number) for number in range(len(results))]
    tracker = tracking([*events, *[BAD] * bad])
    for tracked, result in zip(tracker.read([*events, *[BAD] * bad], NOW), results, strict=True):
        if result:
            tracker.settle(tracked, result, NOW)

    outcomes = tracker.outcomes(NOW)

    assert tracker.has_unsettled is (None in results)
    assert [outcome.result for outcome in outcomes] == [
        *(result or Result.SKIPPED for result in results),
        *[Result.FAILED] * bad,
    ]
    assert len(tracker) == len(outcomes) == TransitionReport(START, outcomes, 1, None).to_dict()["pending"]
