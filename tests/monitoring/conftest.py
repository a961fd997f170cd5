"""Los archivos que se sirven por HTTP, en un directorio de usar y tirar."""

from pathlib import Path

import pytest

from estado_eventos.monitoring.handover import EndpointConfig


@pytest.fixture
def report_file(tmp_path: Path) -> Path:
    """Dónde se busca el informe; aún no existe."""
    return tmp_path / "report.json"


@pytest.fixture
def metrics_file(tmp_path: Path) -> Path:
    """Dónde se buscan las métricas; aún no existe."""
    return tmp_path / "metrics.prom"


@pytest.fixture
def site(report_file: Path, metrics_file: Path) -> EndpointConfig:
    """Un sitio con esos archivos."""
    return EndpointConfig(60, report_file, metrics_file)
