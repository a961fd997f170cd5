"""Si la máquina no puede, se dice por qué."""

import os

import pytest

from tests.e2e.requisites import unavailable


def test_root_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sin ser root no hay contenedores."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert unavailable() == "hace falta ser root para arrancar contenedores"


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Si faltan programas, dice qué paquetes los traen."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert unavailable() == "faltan paquetes: ejecute «apt-get install apt debootstrap systemd-container util-linux»"
