"""El diagnóstico en las pruebas: `check --json` leído con rigor, y una máquina con su systemd y su cron."""

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.inside import run_inside
from tests.support.program import Completed, run

RUNNING = "estado-eventos.timer enabled active"
STOPPED = "estado-eventos.timer disabled inactive"


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """Lo que dijo `check --json`."""

    code: int
    findings: list[dict[str, Any]]
    text: str

    def about(self, topic: str) -> list[dict[str, Any]]:
        """Los hallazgos de un tema."""
        return [finding for finding in self.findings if finding["topic"] == topic]

    def one(self, topic: str) -> dict[str, Any]:
        """El único hallazgo de un tema."""
        (finding,) = self.about(topic)
        return finding

    @property
    def errors(self) -> list[str]:
        """Los temas de los errores."""
        return [finding["topic"] for finding in self.findings if finding["level"] == "error"]


def diagnose(*arguments: str, **variables: object) -> Diagnosed:
    """Diagnostica en este proceso, solo con esas variables."""
    return _read(run_inside("check", "--json", *arguments, **variables))


def diagnose_apart(*arguments: str, cwd: Path | str = "/", **variables: object) -> Diagnosed:
    """Diagnostica en su propio proceso: con su directorio, sus bibliotecas y lo que lea al arrancar."""
    return _read(run("check", "--json", *arguments, env=variables, cwd=cwd))


def _read(completed: Completed) -> Diagnosed:
    """Comprueba lo que vale siempre: la forma, el código y una cura por problema."""
    content = json.loads(completed.stdout)
    assert list(content) == ["schema", "exit_code", "findings"]
    assert (content["schema"], content["exit_code"], completed.stderr) == (1, completed.code, "")
    for finding in content["findings"]:
        assert list(finding) == ["level", "topic", "message", "cure"]
        assert finding["level"] in {"ok", "warning", "error"}
        assert (finding["cure"] is None) == (finding["level"] == "ok"), finding
    diagnosed = Diagnosed(completed.code, content["findings"], completed.stdout)
    assert bool(diagnosed.errors) == bool(completed.code)
    return diagnosed


@contextmanager
def nobody() -> Iterator[str]:
    """Una URL donde no escucha nadie."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    yield f"http://127.0.0.1:{port}"


@contextmanager
def cron_daemon(directory: Path) -> Iterator[None]:
    """Un cron en marcha: un proceso que se llama así y no hace nada."""
    crond = directory / "crond"
    crond.symlink_to("/bin/sleep")
    with subprocess.Popen([crond, "600"]) as process:
        try:
            yield
        finally:
            process.kill()


def machine(
    directory: Path, *, crontab: str | None = None, units: dict[str, str] | None = None, **managers: str
) -> dict[str, Any]:
    """El entorno con un systemd y un cron de mentira, que contestan como los de verdad.

    `system` y `user` son líneas «unidad estado-de-instalación estado»; el que no se da no está en marcha. `units` son
    las demás propiedades de una unidad, como las enseña `systemctl show`. `crontab` es lo que hay en él; `None`, que no
    hay cron.
    """
    directory = directory / "bin"
    directory.mkdir(exist_ok=True)
    rest = units or {}
    tools = {"systemctl": "".join(_manager(directory, *item, rest) for item in managers.items()) + "exit 1"}
    tools["crontab"] = "exit 1"
    if crontab is not None:
        (directory / "crontab.txt").write_text(crontab)
        tools["crontab"] = f"cat {directory}/crontab.txt"
    for name, body in tools.items():
        (directory / name).write_text(f"#!/bin/sh\n{body}\n")
        (directory / name).chmod(0o755)
    return {"PATH": f"{directory}:/usr/bin:/bin", "HOME": directory}


def _manager(directory: Path, name: str, lines: str, rest: dict[str, str]) -> str:
    """Lo que contesta un systemd a las dos preguntas que se le hacen."""
    units = [line.split() for line in lines.splitlines() if line.startswith("estado-eventos")]
    listed = "".join(f"{unit} {installed} enabled\n" for unit, installed, _ in units)
    shown = {unit: f"ActiveState={state}\nUnitFileState={installed}\n" for unit, installed, state in units}
    shown = {"estado-eventos.timer": "ActiveState=inactive\n"} | shown
    for unit, properties in rest.items():
        shown[unit] = shown.get(unit, "") + properties + "\n"
    blocks = [f"Id={unit}\n{properties}" for unit, properties in shown.items()]
    (directory / f"{name}.listed").write_text(listed)
    (directory / f"{name}.shown").write_text("\n".join(blocks))
    return f"""case "$*" in
    *--{name}*list-unit-files*) exec cat {directory}/{name}.listed ;;
    *--{name}*show*) exec cat {directory}/{name}.shown ;;
esac
"""
