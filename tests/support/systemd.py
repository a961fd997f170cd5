"""Lo que hace falta de systemd para comprobar unidades sin arrancarlas."""

import shutil

import pytest

needs_systemd_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no está systemd-analyze (systemd)"
)
