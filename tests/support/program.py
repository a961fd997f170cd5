"""Ejecuta el programa de verdad, en su propio proceso y con un entorno limpio."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from estado_eventos.config.settings import Settings

PROGRAM = (sys.executable, "-m", "estado_eventos")

_READ_IN_TIME = {name.upper() for name in Settings.model_fields} | {
    "CREDENTIALS_DIRECTORY",
    "HOME",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "STATE_DIRECTORY",
    "XDG_CONFIG_HOME",
}
"""Las que el programa lee ya arrancado; las demás puede mirarlas el intérprete, o una biblioteca al importarse."""


@dataclass(frozen=True, slots=True)
class Completed:
    """Cómo acabó una ejecución."""

    code: int
    stdout: str
    stderr: str

    @property
    def report(self) -> dict[str, Any]:
        """El informe que `--json` escribe en la salida."""
        report: dict[str, Any] = json.loads(self.stdout)
        check_adds_up(report)
        return report

    @property
    def messages(self) -> list[str]:
        """Las líneas del registro, sin la hora."""
        return [line.split(" - ", 1)[-1] for line in self.stderr.splitlines()]


def environment(**variables: object) -> dict[str, str]:
    """Un entorno sin nada del usuario: lo imprescindible, la cobertura y las variables dadas."""
    kept = {name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("COVERAGE_")}
    return kept | {"HOME": "/nonexistent", "LANG": "C.UTF-8"} | {name: str(value) for name, value in variables.items()}


def run(
    *arguments: str, env: Mapping[str, object] | None = None, cwd: Path | str = "/", timeout: float = 60, **options: Any
) -> Completed:
    """Ejecuta el programa y espera a que acabe; `env` son las variables de configuración.

    Si nada de lo que se le pide depende de cómo arranca, el proceso nace con todo importado (`forked`).
    """
    if not options and set(env or {}) <= _READ_IN_TIME:
        from tests.support.forked import shared

        return shared().run(*arguments, env=env, cwd=cwd, timeout=timeout)
    process = subprocess.run(
        [*PROGRAM, *arguments],
        env=environment(**(env or {})),
        cwd=cwd,
        timeout=timeout,
        check=False,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        **options,
    )
    return Completed(process.returncode, process.stdout, process.stderr)


def start(
    *arguments: str, env: Mapping[str, object] | None = None, cwd: Path | str = "/", **options: Any
) -> subprocess.Popen[str]:
    """Arranca el programa sin esperarlo."""
    return subprocess.Popen(
        [*PROGRAM, *arguments],
        env=environment(**(env or {})),
        cwd=cwd,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def wait(process: subprocess.Popen[str], timeout: float = 60) -> Completed:
    """Espera a que acabe lo que `start` arrancó."""
    stdout, stderr = process.communicate(timeout=timeout)
    return Completed(process.returncode, stdout, stderr)


def check_adds_up(report: Mapping[str, Any]) -> None:
    """La suma del informe cuadra: `pending = done + already_done + failed + skipped`."""
    for name, part in report["transitions"].items():
        total = part["done"] + part["already_done"] + part["failed"] + part["skipped"]
        assert part["pending"] == total == len(part["events"]), f"no cuadra {name}: {part}"
