"""Los errores del backend: una frase y su cura."""

from estado_eventos.backend.errors import BackendError, Denied, Refused, Unanswered, Unavailable, WrongProtocol
from estado_eventos.domain.exit_codes import ExitCode


def test_an_error_says_what_happens_and_what_to_do() -> None:
    """La frase de un error es lo que pasa y, detrás, la cura, si la hay."""
    error = Denied("HTTP 403", "El usuario del token tiene que ser admin", status=403)

    assert str(error) == "HTTP 403. El usuario del token tiene que ser admin"
    assert (error.message, error.hint, error.status) == ("HTTP 403", "El usuario del token tiene que ser admin", 403)
    assert str(Refused("no toca")) == "no toca"


def test_each_error_has_its_code() -> None:
    """Cada clase de error acaba en su código, y solo lo que se cura esperando se intenta otra vez."""
    kinds = (Refused, Unavailable, Unanswered, WrongProtocol, Denied)

    assert [kind("x").code for kind in kinds] == [
        ExitCode.FAILED,
        ExitCode.UNAVAILABLE,
        ExitCode.UNAVAILABLE,
        ExitCode.PROTOCOL,
        ExitCode.NOPERM,
    ]
    assert [kind for kind in kinds if kind("x").retryable] == [Unavailable, Unanswered]
    assert all(issubclass(kind, BackendError) for kind in kinds)
