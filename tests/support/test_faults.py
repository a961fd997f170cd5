"""Lo que las demás pruebas dan por bueno del servidor con averías."""

import pytest

from estado_eventos.domain.transitions import FINISH, START
from tests.support.faults import check_no_blind_repeats
from tests.support.reactions import Fault, Reaction, Request, answer


def test_a_blind_repeat_is_noticed() -> None:
    """Lo que comprueba `endure` distingue un POST repetido a ciegas del que la lista pide, y del que sigue a un 401."""

    def asked(method: str, path: str, signed: str = "a", reaction: Reaction = None) -> Request:
        return Request(method, path, {"authorization": signed}, b"", 1, "", reaction)

    post, other = asked("POST", START.action_path(7)), asked("POST", FINISH.action_path(7))
    read, lost = asked("GET", START.list_path), asked("GET", START.list_path, reaction=Fault.CUT)

    denied = asked("POST", START.action_path(7), reaction=answer(401))

    check_no_blind_repeats([read, post, other, read, post, asked("POST", START.action_path(7), "b")])
    check_no_blind_repeats([read, denied, post])
    for between in ([], [lost], [asked("GET", FINISH.list_path)]):
        with pytest.raises(AssertionError, match="a ciegas"):
            check_no_blind_repeats([read, post, *between, post])
