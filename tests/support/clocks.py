"""El reloj de pared del programa, distinto del de la máquina."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

Clock = Callable[[str], dict[str, object]]
"""Pone en hora el reloj del programa, también en marcha; devuelve el entorno con que se arranca.

Recibe lo que entiende libfaketime: `+3600.5`, o `+3600 x0.1` si además va más despacio.
"""


def fake_clock(directory: Path) -> Clock:
    """Un reloj de pared que se cambia sin tocar el de la máquina; el monótono sigue a lo suyo."""
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not libraries:
        assert "CI" not in os.environ, "falta el paquete faketime"
        pytest.skip("Sin libfaketime (paquete faketime)")
    offset = directory / "desfase"

    def turn(seconds: str) -> dict[str, object]:
        (directory / "nuevo").write_text(seconds)
        (directory / "nuevo").replace(offset)
        return {
            "LD_PRELOAD": libraries[0],
            "FAKETIME_TIMESTAMP_FILE": offset,
            "FAKETIME_NO_CACHE": 1,
            "DONT_FAKE_MONOTONIC": 1,
        }

    return turn
