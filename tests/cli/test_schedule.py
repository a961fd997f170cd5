"""Los mandatos `schedule`, como se teclean; lo que hacen se prueba en tests/schedule."""

from pathlib import Path

import pytest

from tests.support.inside import run_inside


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--name", "a b"], "un nombre lleva letras, cifras, «-» y «_»"),
        (["--name", "-x"], "un nombre lleva letras, cifras, «-» y «_»"),
        (["--interval", "5"], "de --interval"),
        (["--interval", "86401"], "de --interval"),
        (["--interval", "mucho"], "de --interval"),
    ],
)
def test_wrong_options_are_usage_errors(arguments: list[str], words: str) -> None:
    """Un nombre que no valdría para una unidad o un intervalo imposible: 2 y una línea."""
    completed = run_inside("schedule", "show", "systemd", *arguments)

    assert (completed.code, completed.stdout) == (2, "")
    (line,) = completed.stderr.splitlines()
    assert words in line


def test_an_interval_no_scheduler_knows_is_78_with_the_nearest() -> None:
    """Un intervalo que systemd o cron no saben expresar: 78 y el más cercano que sí."""
    systemd = run_inside("schedule", "show", "systemd", "--interval", "70")
    cron = run_inside("schedule", "show", "cron", "--interval", "90")

    assert (systemd.code, cron.code) == (78, 78)
    assert "systemd no sabe ejecutar algo cada 70 s. Lo más cercano que sabe es 72" in systemd.stderr
    assert "cron no sabe ejecutar algo cada 90 s. Lo más cercano que sabe es 60" in cron.stderr


def test_the_options_reach_what_is_shown(tmp_path: Path) -> None:
    """El nombre, el intervalo y el archivo de configuración llegan al texto que se instalaría."""
    path = tmp_path / "aula2.env"

    shown = run_inside("schedule", "show", "cron", "--name", "aula2", "--interval", "300", "--env-file", str(path))

    assert shown.code == 0
    assert shown.stdout.startswith("# >>> estado-eventos-aula2: ")
    assert "\n*/5 * * * * exec 9>/var/lib/estado-eventos-aula2.cron/lock; " in shown.stdout
    assert " SCHEDULER_INTERVAL_SECONDS=300 PASS_TIMEOUT=240 " in shown.stdout
    assert f"--env-file {path} run-once --quiet" in shown.stdout


def test_the_units_of_a_user_are_for_a_user() -> None:
    """Con `--user`, las unidades no llevan usuario del sistema ni esperan a la red."""
    own = run_inside("schedule", "show", "systemd", "--user").stdout
    system = run_inside("schedule", "show", "systemd").stdout

    assert "User=estado-eventos" in system
    assert "User=" not in own
    assert "network-online" not in own
    assert "~/.config/systemd/user" in own
