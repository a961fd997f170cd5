"""Los intervalos, como los escriben systemd y cron."""

import subprocess
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from estado_eventos.schedule.calendar import IntervalError, calendar, cron_fields, next_cron_tick
from tests.support.systemd import needs_systemd_analyze


@needs_systemd_analyze
@pytest.mark.parametrize("interval", [10, 15, 25, 30, 45, 60, 90, 120, 480, 900, 1800, 3600, 5400, 7200, 43200, 86400])
def test_the_calendar_ticks_every_interval(interval: int) -> None:
    """Systemd entiende el calendario como un tic cada tantos segundos exactos."""
    ticks: set[datetime] = set()
    base = "2026-03-01 00:00:00 UTC"
    for line in calendar(interval):
        shown = subprocess.run(
            ["systemd-analyze", "calendar", "--iterations=8", f"--base-time={base}", line],
            check=True,
            capture_output=True,
            text=True,
            env={"PATH": "/usr/bin:/bin", "TZ": "UTC", "LC_ALL": "C.UTF-8"},
        ).stdout
        for text in shown.splitlines():
            label, _, moment = text.partition(": ")
            if label.strip() == "Next elapse" or label.strip().startswith("Iter"):
                ticks.add(datetime.strptime(moment.strip(), "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC))
    ordered = sorted(ticks)[:8]
    steps = {later - earlier for earlier, later in pairwise(ordered)}

    assert steps == {timedelta(seconds=interval)}


@pytest.mark.parametrize(
    ("interval", "nearest"), [(7, "10"), (27, "25"), (420, "400"), (4000, "4320"), (80000, "86400")]
)
def test_what_systemd_cannot_say_names_the_nearest(interval: int, nearest: str) -> None:
    """Un intervalo imposible se rechaza diciendo el más cercano que sí puede ser."""
    with pytest.raises(IntervalError, match=f"Lo más cercano que sabe es {nearest}$"):
        calendar(interval)


@pytest.mark.parametrize(
    ("interval", "fields"),
    [
        (60, "* * * * *"),
        (300, "*/5 * * * *"),
        (3600, "0 * * * *"),
        (7200, "0 */2 * * *"),
        (86400, "0 0 * * *"),
    ],
)
def test_cron_fields(interval: int, fields: str) -> None:
    """Los intervalos que cron sabe expresar."""
    assert cron_fields(interval) == fields


@pytest.mark.parametrize(
    ("interval", "nearest"), [(10, "60"), (90, "60"), (420, "360"), (5400, "3600"), (50000, "43200")]
)
def test_what_cron_cannot_say_names_the_nearest(interval: int, nearest: str) -> None:
    """Cron no baja del minuto ni sabe de fracciones: se dice el más cercano."""
    with pytest.raises(IntervalError, match=f"cron no sabe .* Lo más cercano que sabe es {nearest}$"):
        cron_fields(interval)


@pytest.mark.parametrize(
    ("fields", "tick"),
    [
        ("* * * * *", "10:01"),
        ("*/10 * * * *", "10:10"),
        ("0 * * * *", "11:00"),
        ("0 */6 * * *", "12:00"),
        ("5,35 8-9 * * *", "08:05"),
        ("0 0 * * *", "00:00"),
        ("0 0 1 * *", None),
        ("a b c d e", None),
        ("", None),
    ],
)
def test_when_cron_will_run_a_line(fields: str, tick: str | None) -> None:
    """De los campos de una línea de cron sale cuándo toca; de los que no se entienden, nada."""
    found = next_cron_tick(fields.split(), datetime(2026, 1, 1, 10, 0, 30))  # noqa: DTZ001  Hora de pared.

    assert (found and f"{found:%H:%M}") == tick
