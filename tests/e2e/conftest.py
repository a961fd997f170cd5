"""El contenedor que comparten las pruebas de extremo a extremo."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import requisites, wheelhouse
from tests.e2e.container import Container
from tests.support.documents import ROOT, typed_by
from tests.support.reference.server import ReferenceBackend

_HERE = Path(__file__).parent
_LONGEST = {"test_clone.py", "test_newcomer.py"}
_PATIENCE = 600  # La primera vez hay que hacer el árbol; y cron no despierta más que cada minuto.


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Todo lo de este directorio lleva la marca `e2e` y más plazo que una prueba corriente; lo largo va delante."""
    items.sort(key=lambda item: item.path.name not in _LONGEST)
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.e2e)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(_PATIENCE))


@pytest.fixture(scope="session")
def capable() -> None:
    """Salta la prueba si esta máquina no puede con contenedores; en integración continua, falla."""
    reason = requisites.unavailable()
    if reason is None:
        return
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def wheels(capable: None) -> Iterator[dict[str, Path]]:  # noqa: ARG001
    """Los montajes con las ruedas del programa y de sus dependencias, para `Container(wheels)`."""
    with wheelhouse.wheels() as mounts:
        yield mounts


@pytest.fixture
def typed(request: pytest.FixtureRequest) -> list[list[str]]:
    """Los bloques de la documentación que dicen que los teclea esta prueba."""
    found = typed_by(f"{request.path.relative_to(ROOT)}::{request.node.originalname}")
    assert found, "ningún documento nombra esta prueba"
    return found


@pytest.fixture(scope="session")
def container(wheels: dict[str, Path]) -> Iterator[Container]:
    """Un contenedor para toda la sesión, con las ruedas al alcance de pip y pipx."""
    with Container(wheels) as running:
        wheelhouse.configure(running)
        yield running


@pytest.fixture(scope="session")
def backend_server() -> Iterator[ReferenceBackend]:
    """El backend de estas pruebas: su reloj no es el del contenedor, como no lo es nunca el de otra máquina."""
    with ReferenceBackend(clock_offset=-0.4) as server:
        yield server
