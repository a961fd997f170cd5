"""Con qué se avisa de lo finalizado."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.reference.contract import FOLLOW_UP


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Donde se apunta lo que se debe."""
    return tmp_path / "avisos"


@pytest.fixture
def settings(notes: Path) -> dict[str, Any]:
    """Las variables con que se avisa."""
    return {"FINISH_FOLLOW_UP": FOLLOW_UP, "FOLLOW_UP_DIRECTORY": notes}
