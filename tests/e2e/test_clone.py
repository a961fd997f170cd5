"""El primer minuto de quien va a trabajar en el programa: `make demo` y `make test` en un Debian recién instalado."""

import re

import pytest

from tests.e2e.newcomer import PYTHONS, USER, fresh, put_editor, type_in
from tests.support.inside import settings_text
from tests.support.reference.server import ReferenceBackend

pytestmark = [pytest.mark.usefixtures("capable"), pytest.mark.timeout(2400)]
# Las que dependen de la máquina; en el Debian más nuevo, más: lleva otro Python.
SELECTED = {
    "bookworm": "tests/project tests/schedule",
    "trixie": "tests/project tests/output tests/schedule tests/domain tests/config",
}


@pytest.mark.parametrize("release", PYTHONS)
def test_the_demo_and_the_tests(release: str, typed: list[list[str]], backend: ReferenceBackend) -> None:
    """Con python3, make y git, `make demo` dice qué paquete falta; con él, se repone, y las pruebas pasan."""
    (tests,), (install, clone, enter, demo), by_hand = typed
    with fresh(release) as (machine, _):
        type_in(machine, ["# apt install git make python3", clone])
        # Lo que deja a medias quien no pasa por make.
        half = ["sh", "-c", "cd ~/estado-eventos && python3 -m venv .venv"]
        assert machine.run(half, user=USER, check=False).returncode == 1
        make = ["make", "-C", f"/home/{USER}/estado-eventos", "demo"]
        for _ in range(2):
            refused = machine.run(make, user=USER, check=False)
            assert (refused.returncode, "apt install python3-venv" in refused.stderr) == (2, True), refused
            assert "Traceback" not in refused.stderr
        type_in(machine, [install])
        assert "✓ Cada evento debido cambió de estado" in type_in(machine, [enter, demo])
        said = type_in(machine, [enter, f"$ export PYTEST_ADDOPTS='{SELECTED[release]}'", tests], timeout=1800)
        assert re.search(r"\b\d{2,} passed", said), said
        put_editor(machine, settings_text(backend))
        type_in(machine, ["# apt install pipx", enter, "$ PATH=$HOME/.local/bin:$PATH", *by_hand])
