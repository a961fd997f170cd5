"""Las opciones: lo mal escrito se dice en una línea, y las globales valen delante y detrás del mandato."""

import re
from pathlib import Path

import pytest

from estado_eventos import __version__
from tests.support.english import ENGLISH
from tests.support.inside import run_inside


def test_version() -> None:
    """`--version` dice el nombre y la versión del paquete."""
    assert run_inside("--version").stdout == f"estado-eventos {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["strat"], "no existe el mandato «strat» (¿quizá start"),
        (["start", "--foo"], "no existe la opción --foo"),
        (["start", "--dry-rum"], "¿quizá --dry-run?"),
        (["start", "--event"], "a la opción --event le falta su valor"),
        (["start", "--event", "a/b"], "un identificador lleva letras"),
        (["start", "--event", "\x1b[2J"], "un identificador lleva letras"),
        (["start", "--quiet=si"], "la opción --quiet no lleva valor"),
        (["start", "7"], "sobra «7»"),
        (["--log-level", "x", "start"], "«x» no es ninguno de DEBUG, INFO"),
        (["start", "--log-format"], "le falta su valor"),
        (["schedule", "install"], "falta «systemd|cron»"),
        (["schedule", "install", "cron", "--interval", "9"], "un número entero, de 10 a 86400"),
        (["schedule", "install", "cron", "--interval", "un rato"], "un número entero, de 10 a 86400"),
        (["schedule", "install", "anacron"], "«anacron» no es ninguno de systemd, cron"),
    ],
)
def test_wrong_usage_is_one_spanish_line(arguments: list[str], words: str) -> None:
    """Lo mal escrito se dice en una línea, en español, con 2."""
    completed = run_inside(*arguments)

    assert completed.code == 2
    assert completed.stdout == ""
    (line,) = completed.stderr.splitlines()
    assert words in line
    assert "\x1b" not in line
    assert not ENGLISH & set(re.findall(r"\w+", line))


@pytest.mark.parametrize("where", ["delante", "detrás", "con «=»"])
def test_global_options_go_anywhere(where: str, tmp_path: Path) -> None:
    """`--env-file`, `--log-level` y `--log-format` valen delante y detrás del mandato."""
    path = tmp_path / "mi.env"
    path.write_text("SCHEDULER_INTERVAL_SECONDS=300\n")
    arguments = {
        "delante": ("--env-file", str(path), "--log-level", "ERROR", "info"),
        "detrás": ("info", "--log-level", "ERROR", "--env-file", str(path)),
        "con «=»": ("info", f"--env-file={path}", "--log-level=ERROR"),
    }[where]

    completed = run_inside(*arguments)

    assert completed.code == 0
    assert "Una pasada cada 300 s" in completed.stdout


def test_the_command_line_wins() -> None:
    """Lo que dice la línea de mandatos puede más que el entorno y que el archivo."""
    completed = run_inside("check", "--json", "--log-level", "ERROR", LOG_LEVEL="DEBUG", BACKEND_URL="http://[::1]:9")

    assert "LOG_LEVEL=ERROR (línea de mandatos)" in completed.stdout
