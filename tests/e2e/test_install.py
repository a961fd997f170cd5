"""El programa se instala desde su rueda, sin red, como dice el README."""

import re
from pathlib import Path

from estado_eventos import __version__
from tests.e2e import wheelhouse
from tests.e2e.container import Container

_README = (Path(__file__).parents[2] / "README.md").read_text()


def test_pip_installs_the_wheel(wheels: dict[str, Path]) -> None:
    """Sin pipx, con los mandatos del README: el programa queda en el PATH y el temporizador lo encuentra."""
    block = re.findall(r"^# (?:python3 -m venv|/opt/\S+/pip install \.|ln) .+$", _README, re.MULTILINE)
    with Container(wheels, private_network=True) as container:
        wheelhouse.configure(container)
        wheelhouse.put_constraints(container, "/srv/copia")
        for line in block:
            typed = line[2:].replace("pip install .", "pip install estado-eventos")
            container.run(["sh", "-c", f"cd /srv/copia && {typed}"], timeout=180)
        assert container.run(["estado-eventos", "--version"]).stdout == f"estado-eventos {__version__}\n"
        shown = container.run(["estado-eventos", "schedule", "install", "systemd", "--dry-run"]).stdout
        assert "+ExecStart=/opt/estado-eventos/bin/estado-eventos " in shown


def test_pipx_installs_the_wheel_for_everybody(wheels: dict[str, Path]) -> None:
    """`pipx install --global` con la rueda deja el programa fuera de `/root`, al alcance de cualquiera; y se quita."""
    with Container(wheels, private_network=True) as container:
        wheelhouse.configure(container)
        wheelhouse.install_pipx(container)
        wheelhouse.put_constraints(container, "/srv/copia")
        (line,) = re.findall(r"^# (pipx install --global \. .+)$", _README, re.MULTILINE)
        typed = line.replace(" . ", f" {wheelhouse.PROJECT}/*.whl ")
        container.run(["sh", "-c", f"cd /srv/copia && {typed}"], timeout=180)
        found = container.run(["sh", "-c", "readlink -f $(command -v estado-eventos)"], user="nobody").stdout
        assert found == "/opt/pipx/venvs/estado-eventos/bin/estado-eventos\n"
        assert container.run(["estado-eventos", "--version"], user="nobody").stdout == f"estado-eventos {__version__}\n"
        container.run(["sh", "-c", f"pipx install --global --force {wheelhouse.PROJECT}/*.whl"], timeout=180)
        assert container.run(["estado-eventos", "--version"]).stdout == f"estado-eventos {__version__}\n"
        alerts = "/opt/pipx/venvs/estado-eventos/share/estado-eventos/prometheus/alerts.yml"
        assert "EstadoEventosNoSuccess" in container.read(alerts)
        container.run(["pipx", "uninstall", "--global", "estado-eventos"])
        assert container.run(["which", "estado-eventos"], check=False).returncode == 1


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
