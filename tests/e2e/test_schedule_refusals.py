"""Lo que `schedule install` rehúsa, o solo ensaya: no deja nada, y dice por qué."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import wheelhouse
from tests.e2e.container import Container
from tests.e2e.installation import SERVICE, everything


@pytest.fixture(scope="module")
def server(wheels: dict[str, Path]) -> Iterator[Container]:
    """Un Debian con el programa, sin nada que lo ejecute."""
    with Container(wheels) as running:
        wheelhouse.install(running)
        yield running


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--interval", "7"], "10"),
        (["--interval", "420"], "Lo más cercano que sabe es 400"),
        (["--name", "a b"], "un nombre lleva letras"),
    ],
)
def test_what_cannot_be_is_refused(server: Container, arguments: list[str], words: str) -> None:
    """Un intervalo o un nombre que no puede ser se rechaza en una frase y no deja nada."""
    refused = server.run(["estado-eventos", "schedule", "install", "systemd", *arguments], check=False)

    assert refused.returncode in {2, 78}
    assert words in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_without_rights_it_says_so(server: Container) -> None:
    """Sin ser root: una frase con lo que hay que hacer, y 77."""
    refused = server.run(["estado-eventos", "schedule", "install", "systemd"], check=False, user="nobody")

    assert refused.returncode == 77
    assert "sudo" in refused.stderr


def test_a_program_that_the_service_could_not_read_is_refused(server: Container) -> None:
    """Instalado en /root, el servicio aislado no lo vería: se dice cómo instalarlo."""
    wheelhouse.install_in(server, "/root/venv")

    refused = server.run(["/root/venv/bin/estado-eventos", "schedule", "install", "systemd"], check=False)

    assert refused.returncode == 78
    assert "pipx install --global" in refused.stderr


def test_a_program_that_another_can_change_is_refused(server: Container) -> None:
    """En el venv de otro, ni systemd ni el crontab de root: quien lo cambie manda en ellos; se dice la ruta."""
    wheelhouse.install_in(server, "/opt/ajeno")
    server.run(["chown", "nobody", "/opt/ajeno"])

    for scheduler in ("systemd", "cron"):
        refused = server.run(["/opt/ajeno/bin/estado-eventos", "schedule", "install", scheduler], check=False)

        assert refused.returncode == 78
        assert "/opt/ajeno es de «nobody», y root solo instala" in refused.stderr


def test_dry_run_shows_a_diff_and_changes_nothing(server: Container) -> None:
    """`--dry-run` enseña cada archivo y mandato, y no cambia nada."""
    before = everything(server)

    shown = server.run(["estado-eventos", "schedule", "install", "systemd", "--dry-run"]).stdout

    assert f"+++ /etc/systemd/system/{SERVICE}" in shown
    assert "+OnCalendar=*-*-* *:*:58 UTC" in shown
    assert "$ systemctl daemon-reload" in shown
    assert everything(server) == before
