"""Los intervalos, como los escriben systemd y cron."""

import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from estado_eventos.reconcile.tick import lead_seconds
from estado_eventos.schedule.calendar import IntervalError, calendar, cron_fields, next_cron_tick
from tests.support.systemd import needs_systemd_analyze

DAY = 86400
DIVISORS = [interval for interval in range(10, DAY + 1) if DAY % interval == 0]


def starts(line: str) -> set[int]:
    """Los segundos del día que da una línea `OnCalendar=` (systemd.time(7): `*`, `05` o `05/10`)."""
    assert line.startswith("*-*-* ")
    assert line.endswith(" UTC")
    fields = line.removeprefix("*-*-* ").removesuffix(" UTC").split(":")
    hours, minutes, seconds = (
        range(size) if field == "*" else _repeated(field, size)
        for field, size in zip(fields, (24, 60, 60), strict=True)
    )
    return {hour * 3600 + minute * 60 + second for hour in hours for minute in minutes for second in seconds}


def _repeated(field: str, size: int) -> range:
    first, slash, step = field.partition("/")
    return range(int(first), size, int(step)) if slash else range(int(first), int(first) + 1)


@pytest.mark.parametrize("interval", DIVISORS)
def test_the_lines_are_exactly_the_ticks_minus_the_lead(interval: int) -> None:
    """Con cualquier intervalo que se pueda instalar, las líneas juntas son cada tic menos el adelanto, y ni uno más."""
    try:
        lines = calendar(interval)
    except IntervalError:
        assert interval % 60
        assert 3600 % interval
        return
    found = [start for line in lines for start in starts(line)]

    assert len(found) == len(set(found))
    assert set(found) == {(tick - lead_seconds(interval)) % DAY for tick in range(0, DAY, interval)}


@pytest.mark.slow
@needs_systemd_analyze
@pytest.mark.parametrize("interval", [10, 25, 45, 60, 90, 480, 5400, 43200, 86400])
def test_systemd_reads_the_lines_as_we_do(interval: int) -> None:
    """Systemd entiende cada línea como los segundos del día que se cree."""
    for line in calendar(interval):
        shown = subprocess.run(
            ["systemd-analyze", "calendar", "--iterations=8", "--base-time=2026-03-01 00:00:00 UTC", line],
            check=True,
            capture_output=True,
            text=True,
            env={"PATH": "/usr/bin:/bin", "TZ": "UTC", "LC_ALL": "C.UTF-8"},
        ).stdout
        elapses = [
            datetime.strptime(text.partition(": ")[2].strip(), "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
            for text in shown.splitlines()
            if text.strip().startswith(("Next elapse", "Iter"))
        ]
        expected = [
            datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=day, seconds=second)
            for day in range(9)
            for second in sorted(starts(line))
        ]
        # La de medianoche, justo al empezar, no es «la siguiente».
        assert elapses == [moment for moment in expected if moment > datetime(2026, 3, 1, tzinfo=UTC)][:8]


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
