"""La ayuda y los errores de uso, en español y a cualquier ancho."""

import re
from pathlib import Path

import pytest

from tests.support.english import ENGLISH
from tests.support.inside import run_inside

COMMANDS = [
    *([], ["start"], ["finish"], ["run-once"], ["pending"], ["check"], ["token"], ["health"], ["info"], ["http"]),
    *(["schedule"], ["schedule", "show"], ["schedule", "install"], ["schedule", "remove"], ["schedule", "status"]),
]


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_in_spanish_at_any_width(command: list[str], columns: int) -> None:
    """La ayuda de cada mandato está en español, cabe en el terminal y acaba con 0."""
    completed = run_inside(*command, "--help", COLUMNS=columns)

    assert completed.code == 0
    assert completed.stdout.startswith(f"Uso: {' '.join(['estado-eventos', *command])} ")
    assert not ENGLISH & set(re.findall(r"\w+", completed.stdout))
    assert max(map(len, completed.stdout.splitlines())) <= columns


@pytest.mark.parametrize("command", [[], ["schedule"]])
def test_a_group_without_a_command_shows_its_whole_help(command: list[str]) -> None:
    """Sin mandato detrás se ve la ayuda entera, con sus renglones, y es un error de uso."""
    asked = run_inside(*command, "--help")
    for options in ([], ["--log-level", "info"]):
        bare = run_inside(*options, *command)

        assert (bare.code, bare.stdout) == (2, "")
        assert bare.stderr == asked.stdout
    assert len(asked.stdout.splitlines()) > 8


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["strat"], "estado-eventos"),
        (["start", "--foo"], "estado-eventos start"),
        (["start", "--event"], "estado-eventos start"),
        (["start", "7"], "estado-eventos start"),
        (["schedule", "instal"], "estado-eventos schedule"),
        (["schedule", "install"], "estado-eventos schedule install"),
        (["schedule", "install", "cron", "--interval", "9"], "estado-eventos schedule install"),
    ],
)
def test_wrong_usage_names_the_help_to_read(arguments: list[str], command: str) -> None:
    """Lo mal escrito acaba diciendo la ayuda del mandato de que se trata."""
    assert run_inside(*arguments).stderr.endswith(f". Vea: {command} --help\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_is_shown(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """El autocompletado del intérprete desde el que se llama sale solo en la salida."""
    monkeypatch.setattr("shellingham.detect_shell", lambda *_: (shell, f"/bin/{shell}"))

    completed = run_inside("--show-completion")

    assert (completed.code, completed.stderr) == (0, "")
    assert "_ESTADO_EVENTOS_COMPLETE" in completed.stdout


def test_the_completion_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instalado el autocompletado, se dice dónde y desde cuándo vale, en español."""
    monkeypatch.setattr("shellingham.detect_shell", lambda *_: ("bash", "/bin/bash"))

    completed = run_inside("--install-completion", HOME=tmp_path)

    assert completed.code == 0
    assert f"Autocompletado de bash instalado en {tmp_path}" in completed.stdout
    assert not ENGLISH & set(re.findall(r"\w+", completed.stdout.replace(str(tmp_path), "")))


@pytest.mark.parametrize("option", ["--show-completion", "--install-completion"])
def test_an_unknown_shell_is_said_in_spanish(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Desde un intérprete que no se conoce se dice para cuáles hay."""
    monkeypatch.setattr("shellingham.detect_shell", lambda *_: ("tcsh", "/bin/tcsh"))

    completed = run_inside(option)

    assert (completed.code, completed.stdout) == (69, "")
    assert "bash, zsh, fish" in completed.stderr
