"""El programa se instala desde su rueda, sin red. De una copia del repositorio: `test_newcomer.py`."""

from pathlib import Path

from estado_eventos import __version__
from tests.e2e import wheelhouse
from tests.e2e.container import Container


def test_pipx_installs_the_wheel_for_one_user(wheels: dict[str, Path]) -> None:
    """`pipx install ./dist/*.whl` de un usuario sin privilegios deja el programa en su `~/.local/bin`, y funciona."""
    with Container(wheels, private_network=True) as container:
        wheelhouse.configure(container)
        wheelhouse.install_pipx(container)
        container.run(["useradd", "--create-home", "ana"])
        container.run(["sh", "-c", f"cd && pipx install {wheelhouse.PROJECT}/*.whl"], user="ana", timeout=180)
        program = "/home/ana/.local/bin/estado-eventos"
        assert container.run([program, "--version"], user="ana").stdout == f"estado-eventos {__version__}\n"
        assert "[Timer]" in container.run([program, "schedule", "show", "systemd", "--user"], user="ana").stdout
