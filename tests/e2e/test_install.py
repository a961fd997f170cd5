"""El programa se instala desde su rueda, sin red, como dice el README."""

from pathlib import Path

from tests.e2e import wheelhouse
from tests.e2e.container import Container

_VERSION = "import estado_eventos; print(estado_eventos.__version__)"


def test_pip_installs_the_wheel(wheels: dict[str, Path]) -> None:
    """`pip install` en un entorno virtual encuentra el programa y sus dependencias sin salir a la red."""
    with Container(wheels, private_network=True) as container:
        wheelhouse.configure(container)
        container.run(["python3", "-m", "venv", "/opt/program"])
        container.run(["/opt/program/bin/pip", "install", "estado-eventos"], timeout=180)
        assert container.run(["/opt/program/bin/python", "-c", _VERSION]).stdout.strip()
        assert container.run(["test", "-x", "/opt/program/bin/estado-eventos"]).returncode == 0


def test_pipx_installs_the_wheel_for_everybody(wheels: dict[str, Path]) -> None:
    """`pipx install --global` deja el programa fuera de `/root`, al alcance de cualquier usuario."""
    with Container(wheels, private_network=True) as container:
        wheelhouse.configure(container)
        wheelhouse.install_pipx(container)
        container.run(["pipx", "install", "--global", "estado-eventos"], timeout=180)
        found = container.run(["sh", "-c", "readlink -f $(command -v estado-eventos)"], user="nobody").stdout
        assert found == "/opt/pipx/venvs/estado-eventos/bin/estado-eventos\n"
