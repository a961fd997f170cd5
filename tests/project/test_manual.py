"""La página de man, `estado-eventos(1)`."""

import re
import shutil
import subprocess

import pytest

from estado_eventos.config.settings import Settings
from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.output.streams import PROGRAM
from tools import commands, manual

PAGE = manual.DOCUMENT.read_text()


def test_it_is_fresh() -> None:
    """Es lo que el programa y la documentación dicen hoy; si no: `make reference`."""
    assert manual.render() == PAGE


def test_it_has_every_command_setting_and_exit_code() -> None:
    """Están todos los mandatos, las variables y los códigos de salida."""
    plain = re.sub(r"\\f[BIR]", "", PAGE.replace("\\-", "-"))

    assert [name for name, *_ in commands.tree() if f'.SS "{name}"' not in plain] == [PROGRAM]
    assert [name for name in Settings.model_fields if name.upper() not in plain] == []
    assert [code for code in ExitCode if not re.search(rf"^{int(code)}\b", plain, re.MULTILINE)] == []


@pytest.mark.parametrize(
    "linter",
    [
        ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"],
        ["mandoc", "-Tlint", "-Wwarning"],
    ],
    ids=lambda command: command[0],
)
def test_nobody_complains_about_it(linter: list[str]) -> None:
    """Ni man ni mandoc, si están, le ponen un pero."""
    if not shutil.which(linter[0]):
        pytest.skip(f"no está {linter[0]}")
    finished = subprocess.run([*linter, str(manual.DOCUMENT)], check=False, capture_output=True, text=True)
    said = finished.stderr if linter[0] == "man" else finished.stdout

    assert (finished.returncode, said) == (0, "")


def test_it_reads_well() -> None:
    """Tal como se ve: sin órdenes de roff a la vista, y cada opción con lo que hace."""
    if not shutil.which("man"):
        pytest.skip("no está man")
    command = ["man", "-E", "UTF-8", "-l", "-Tutf8", str(manual.DOCUMENT)]
    env = {"PATH": "/usr/bin:/bin", "MANWIDTH": "80", "GROFF_NO_SGR": "1", "LC_ALL": "C.UTF-8"}
    shown = subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout
    plain = re.sub(".\b", "", shown)

    assert re.search(r"--dry-run\n? +Enseña lo que haría, sin cambiar nada\.", plain)
    assert not re.search(r"\\[fe&-]|`|\]\(", plain)
