"""La ayuda y los errores de uso, en español."""

import re

import pytest

from estado_eventos.cli.spanish import in_spanish
from tests.support.english import ENGLISH
from tests.support.inside import run_inside


@pytest.mark.parametrize(
    "command", [[], ["run-once"], ["pending"], ["schedule"], ["schedule", "install"], ["token"], ["health"]]
)
def test_help_is_in_spanish(command: list[str]) -> None:
    """La ayuda de cada mandato está en español y acaba con 0."""
    completed = run_inside(*command, "--help")

    assert completed.code == 0
    assert completed.stdout.startswith("Uso: estado-eventos")
    assert not ENGLISH & set(re.findall(r"\w+", completed.stdout))


@pytest.mark.parametrize(
    ("english", "spanish"),
    [
        ("No such option: --foo (Possible options: --bar, --baz)", "no existe la opción --foo (¿quizá --bar, --baz?)"),
        ("No such command 'strat'. Did you mean 'start'?", "no existe el mandato 'strat' ¿Quizá 'start'?"),
        ("Missing argument 'WHICH'. Choose from:\n\tsystemd,\n\tcron", "falta «WHICH» (systemd,\n\tcron)"),
        ("Got unexpected extra argument(s) (7)", "sobra «7»"),
        ("Some brand new sentence", "Some brand new sentence"),
    ],
)
def test_known_sentences_are_translated(english: str, spanish: str) -> None:
    """Las frases hechas de typer salen en español; la que no se conoce se deja como está."""
    assert in_spanish(english) == spanish
