"""El puerto de `GET /health`, mirado antes de instalar nada."""

import socket
from pathlib import Path

import pytest

from estado_eventos.schedule.job import ScheduleError
from estado_eventos.schedule.port import check_port

SETTINGS = Path("/etc/estado-eventos/aula2.env")


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104  El de fábrica.
def test_a_port_that_is_taken_is_named(host: str) -> None:
    """Un puerto en que ya escucha otro se nombra, con el mandato que dice quién y el archivo donde se cambia."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ScheduleError) as refusal:
            check_port(f"{host}:{port}", SETTINGS)
    check_port(f"{host}:{port}", SETTINGS)

    assert f"{host}:{port}" in refusal.value.message
    assert "ya lo tiene otro" in refusal.value.message
    assert f"sport = :{port}" in refusal.value.hint
    assert str(SETTINGS) in refusal.value.hint


def test_an_address_of_another_machine_is_named() -> None:
    """Una dirección que no es de esta máquina se dice, en español."""
    with pytest.raises(ScheduleError, match="no es de esta máquina"):
        check_port("192.0.2.1:8001", SETTINGS)
