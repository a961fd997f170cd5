"""El nombre del turno lo puede ocupar cualquiera de la máquina: no para las pasadas, y se dice quién es."""

import os

import pytest

from tests.support.faults import FaultyServer
from tests.support.inside import endure, run_inside
from tests.support.obliging import Obliging
from tests.support.squatter import squatter

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="hace falta ser root para hacerse pasar por otro usuario")


@pytest.mark.parametrize("accepts", [False, True])
def test_a_stranger_on_the_name_stops_nobody(accepts: bool) -> None:  # noqa: FBT001
    """A otro usuario que ocupa el turno, conteste o no, no se le espera: todo se mueve, y un ERROR da su PID."""
    with (
        FaultyServer(Obliging([{"id": 7}])) as server,
        squatter(f"{server.url} start", listens=True, accepts=accepts) as pid,
    ):
        completed = endure(server)

    errors = [line for line in completed.messages if line.startswith("ERROR")]
    assert completed.code == 0
    assert completed.report["transitions"]["start"]["done"] == 1
    words = f"El turno de las pasadas lo ocupa otro usuario (PID {pid}): no se le espera. Mire quién es: ps -fp {pid}"
    assert errors == [f"ERROR - {words}"]


def test_a_name_that_nobody_answers_for_stops_nobody() -> None:
    """Un nombre ocupado en el que no escucha nadie se deja por imposible en un segundo, con un ERROR."""
    with FaultyServer(Obliging([{"id": 7}])) as server, squatter(f"{server.url} start", listens=False):
        completed = endure(server)

    assert completed.code == 0
    assert completed.report["transitions"]["start"]["done"] == 1
    assert "ERROR - El turno de las pasadas lo ocupa alguien que no lo usa" in completed.stderr


def test_the_diagnosis_says_who_it_is() -> None:
    """`check` avisa de quién ocupa el turno, con su PID o, si no escucha, sin él; con el turno libre, de nada."""
    with FaultyServer(Obliging([])) as server:
        free = run_inside("check", BACKEND_URL=server.url)
        with squatter(f"{server.url} start", listens=True) as pid:
            listening = run_inside("check", BACKEND_URL=server.url)
        with squatter(f"{server.url} finish", listens=False):
            mute = run_inside("check", BACKEND_URL=server.url)

    assert "El turno" not in free.stdout
    assert f"! El turno de las pasadas de inicio lo ocupa otro usuario (PID {pid}): no se le espera" in listening.stdout
    assert f"→ Mire quién es: ps -fp {pid}" in listening.stdout
    assert "! El turno de las pasadas de finalización lo ocupa alguien que no lo usa" in mute.stdout
