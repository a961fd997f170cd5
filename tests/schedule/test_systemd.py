"""El temporizador donde no hay systemd; lo demás lo prueba `make e2e` con uno de verdad."""

from pathlib import Path

import pytest

from tests.support.inside import run_inside


def test_without_systemd_it_says_what_to_use() -> None:
    """Donde no hay systemd, se dice que cron, y no hay volcado de pila."""
    if Path("/run/systemd/system").is_dir():
        pytest.skip("esta máquina arrancó con systemd")

    refused = run_inside("schedule", "install", "systemd")

    assert refused.code == 69
    assert "schedule install cron" in refused.stderr
