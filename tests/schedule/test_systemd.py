"""El temporizador donde no hay systemd; lo demás lo prueba `make e2e` con uno de verdad."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from estado_eventos.schedule.systemd import next_tick
from tests.support.inside import run_inside


def test_without_systemd_it_says_what_to_use() -> None:
    """Donde no hay systemd, se dice que cron, y no hay volcado de pila."""
    if Path("/run/systemd/system").is_dir():
        pytest.skip("esta máquina arrancó con systemd")

    refused = run_inside("schedule", "install", "systemd")

    assert refused.code == 69
    assert "schedule install cron" in refused.stderr


@pytest.mark.parametrize(
    ("elapses", "environment", "tick"),
    [
        ("Sat 2026-11-28 04:12:58 UTC", "SCHEDULER_INTERVAL_SECONDS=60 PASS_TIMEOUT=48", "2026-11-28T04:13:00+00:00"),
        ("Sat 2026-11-28 04:12:59 UTC", "PASS_TIMEOUT=8 SCHEDULER_INTERVAL_SECONDS=10", "2026-11-28T04:13:00+00:00"),
        ("Sat 2026-11-28 04:13:00 UTC", "", "2026-11-28T04:13:00+00:00"),
        ("", "SCHEDULER_INTERVAL_SECONDS=60", "2026-11-28T04:14:00+00:00"),
        ("", "", None),
    ],
)
def test_the_next_tick_is_the_one_that_is_served(elapses: str, environment: str, tick: str | None) -> None:
    """El próximo tic es aquel al que sirve la pasada, no cuándo salta el temporizador; con una en marcha, el otro."""
    found = next_tick(elapses, environment, datetime(2026, 11, 28, 4, 13, 1, tzinfo=UTC))

    assert (found and found.isoformat()) == tick
