"""Un entorno vacío para las pruebas de la configuración: ni variables, ni archivos de esta máquina."""

from pathlib import Path

import pytest

from estado_eventos.config import sources
from estado_eventos.config.settings import Settings


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr(sources, "SYSTEM_ENV_FILE", tmp_path / "etc.env")
    monkeypatch.chdir(tmp_path)
