"""Los códigos de salida."""

from estado_eventos.domain.exit_codes import ExitCode, gravest


def test_the_gravest_code_wins() -> None:
    """Con varios problemas manda el más grave, en el orden del contrato."""
    order = [70, 78, 77, 76, 69, 75, 1, 0]
    for index, code in enumerate(order):
        assert gravest(ExitCode(other) for other in order[index:]) == code
    assert gravest([]) is ExitCode.OK
