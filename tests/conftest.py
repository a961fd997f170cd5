"""Los servidores de verdad que comparten las pruebas."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.clocks import Clock, fake_clock
from tests.support.forked import ForkServer, shared
from tests.support.postgres import PostgresUnavailableError, postgres_server
from tests.support.reference.server import ReferenceBackend

# Con nohup se hereda que no se atienda, y el programa lo respetaría.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
# Cuánto tarda un ejemplo depende de la máquina y de lo que haya al lado.
settings.register_profile("sin prisa", deadline=None)
settings.load_profile("sin prisa")


@pytest.fixture(scope="session")
def backend_server() -> Iterator[ReferenceBackend]:
    """El backend de referencia sobre SQLite, uno por sesión."""
    with ReferenceBackend() as server:
        yield server


@pytest.fixture
def backend(backend_server: ReferenceBackend) -> ReferenceBackend:
    """El mismo, como recién arrancado."""
    backend_server.reset()
    return backend_server


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """La DATABASE_URL de un PostgreSQL de usar y tirar; en CI, su falta es un fallo."""
    with ExitStack() as stack:
        try:
            url = stack.enter_context(postgres_server())
        except PostgresUnavailableError as reason:
            if "CI" in os.environ:
                raise
            pytest.skip(f"Sin PostgreSQL: {reason}")
        yield url


@pytest.fixture(scope="session")
def postgres_backend_server(postgres_url: str) -> Iterator[ReferenceBackend]:
    """El backend de referencia sobre PostgreSQL, uno por sesión."""
    with ReferenceBackend(database_url=postgres_url) as server:
        yield server


@pytest.fixture
def postgres_backend(postgres_backend_server: ReferenceBackend) -> ReferenceBackend:
    """El mismo, como recién arrancado."""
    postgres_backend_server.reset()
    return postgres_backend_server


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """Un reloj de pared para el programa."""
    return fake_clock(tmp_path)


@pytest.fixture(scope="session")
def forks() -> ForkServer:
    """El programa ya importado, uno por sesión."""
    return shared()


@pytest.fixture
def madrid(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """La hora de esta máquina es la de Madrid."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Madrid")
        time.tzset()
        yield
    time.tzset()
