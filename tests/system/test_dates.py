"""Fechas raras: lo que toca se mueve igual, y el retraso es exacto donde se puede saber."""

from datetime import UTC, datetime, timedelta

import pytest

from estado_eventos.domain.transitions import START
from tests.support.faults import FaultyServer
from tests.support.inside import run_inside
from tests.support.obliging import Obliging


def _due(ago: timedelta, zone: timedelta, text: str) -> str:
    """La hora de hace un rato, escrita en esa zona con esa forma."""
    return (datetime.now(UTC) - ago + zone).strftime(text)


_AGO = timedelta(hours=1)


_RECENT: dict[str, tuple[timedelta, str]] = {
    "sin zona, que es UTC": (timedelta(), "%Y-%m-%dT%H:%M:%S"),
    "Z": (timedelta(), "%Y-%m-%dT%H:%M:%SZ"),
    "z y t minúsculas": (timedelta(), "%Y-%m-%dt%H:%M:%Sz"),
    "un espacio en vez de T": (timedelta(), "%Y-%m-%d %H:%M:%S+00:00"),
    "Katmandú": (timedelta(hours=5, minutes=45), "%Y-%m-%dT%H:%M:%S+05:45"),
    "la isla Baker": (timedelta(hours=-12), "%Y-%m-%dT%H:%M:%S-12:00"),
    "Kiritimati": (timedelta(hours=14), "%Y-%m-%dT%H:%M:%S+1400"),
    "el mayor desfase": (timedelta(hours=23, minutes=59), "%Y-%m-%dT%H:%M:%S+23:59"),
    "el menor desfase": (timedelta(hours=-23, minutes=-59), "%Y-%m-%dT%H:%M:%S-23:59"),
    "un desfase con segundos": (timedelta(hours=5, seconds=21), "%Y-%m-%dT%H:%M:%S+05:00:21"),
    "nueve decimales": (timedelta(), "%Y-%m-%dT%H:%M:%S.123456789Z"),
    "sin guiones": (timedelta(), "%Y%m%dT%H%M%SZ"),
}
"""Maneras de escribir un momento: el desfase de su zona y la forma."""


_EXACT: dict[str, str] = {
    "año 1": "0001-01-01T00:00:00+00:00",
    "año 1, antes del tiempo": "0001-01-01T00:00:00+23:59",
    "año 9999": "9999-12-31T23:59:59Z",
    "año 9999, después del tiempo": "9999-12-31T23:59:59.999999-23:59",
    "1582, antes del calendario": "1582-10-10T00:00:00Z",
}


_LEAP = "2016-12-31T23:59:60Z"


_UNKNOWN: list[object] = [
    "2026-02-30T10:00:00Z",
    "2026-01-01T25:00:00Z",
    "2026-01-01T10:00:00+24:00",
    "ayer",
    "",
    None,
    0,
    1e308,
    [],
]


_ZONES = ["UTC", "Asia/Kathmandu", "Europe/Madrid", "Pacific/Kiritimati", "garbage", "", ":/etc/passwd", "A" * 5000]


@pytest.mark.slow
@pytest.mark.parametrize("zone", _ZONES)
def test_any_date_is_moved_and_its_lag_is_exact(zone: str) -> None:
    """Esté como esté escrita la hora del evento, y sea cual sea `TZ`, se mueve: 0, con su retraso o, si no, sin él."""
    dates: list[object] = [_due(_AGO, *shape) for shape in _RECENT.values()]
    dates += [*_EXACT.values(), _LEAP, *_UNKNOWN]
    items = [{"id": number, START.date_field: date} for number, date in enumerate(dates)]
    asked = datetime.now(UTC)
    with FaultyServer(Obliging(items)) as server:
        completed = run_inside("start", "--json", BACKEND_URL=server.url, TZ=zone)
    settled = datetime.now(UTC)

    lags = [event["lag_seconds"] for event in completed.report["transitions"]["start"]["events"]]
    assert completed.code == 0
    assert server.count("POST") == len(items)
    for lag, written in zip(lags, _RECENT, strict=False):
        assert 3599 <= lag <= 3601 + (settled - asked).total_seconds(), written
    for lag, date in zip(lags[len(_RECENT) :], [*_EXACT.values(), "2017-01-01T00:00:00Z"], strict=False):
        assert 0 <= lag - (asked - datetime.fromisoformat(date)).total_seconds() <= (settled - asked).total_seconds()
    assert lags[len(_RECENT) + len(_EXACT) + 1 :] == [None] * len(_UNKNOWN)
    assert all(len(line.split(" - ")[0]) == len("2026-01-01 10:00:00") for line in completed.stderr.splitlines())


@pytest.mark.parametrize(
    ("written", "happened"),
    [
        ("2026-03-29T02:30:00+01:00", "2026-03-29T01:30:00Z"),
        ("2026-03-29T02:30:00+02:00", "2026-03-29T00:30:00Z"),
        ("2026-10-25T02:30:00+02:00", "2026-10-25T00:30:00Z"),
        ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00Z"),
    ],
)
def test_summer_time_changes_nothing(written: str, happened: str) -> None:
    """La hora que en Madrid no existe, o existe dos veces, es la que dice su desfase, también con ese `TZ`."""
    items = [{"id": 1, START.date_field: written}, {"id": 2, START.date_field: happened}]

    with FaultyServer(Obliging(items)) as server:
        completed = run_inside("pending", "--json", BACKEND_URL=server.url, TZ="Europe/Madrid")

    one, other = (event["lag_seconds"] for event in completed.report["transitions"]["start"]["events"])
    assert completed.code == 0
    assert one == pytest.approx(other, abs=1)
