"""Una vida cualquiera del servicio: pasadas, averías, rivales y personas, en un orden que decide Hypothesis."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.forked import ForkServer
from tests.support.lives import Service
from tests.support.reference.server import ReferenceBackend

pytestmark = pytest.mark.timeout(600)


def live(backend: ReferenceBackend, forks: ForkServer, folder: Path, lives: int, steps: int) -> None:
    """Vive unas cuantas vidas de unos cuantos pasos; en CI son siempre las mismas."""
    run_state_machine_as_test(
        lambda: Service(backend, forks, folder),  # type: ignore[arg-type]  # Vale cualquier función.
        settings=settings(
            max_examples=lives,
            stateful_step_count=steps,
            deadline=None,
            # Acortar una vida pide repetirla, y con procesos de verdad no hay dos iguales: se enseña tal cual.
            phases=set(Phase) - {Phase.shrink, Phase.explain},
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow
def test_a_few_lives(backend: ReferenceBackend, forks: ForkServer, tmp_path: Path) -> None:
    """Unas pocas vidas: las muchas, en `tests/simulation/`."""
    live(backend, forks, tmp_path, lives=4, steps=8)
