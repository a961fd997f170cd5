"""El estado de un planificador como datos: lo mismo para systemd y para cron."""

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from estado_eventos.report import ExitCode, printable

_MAX_REPORT_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class LastReport:
    """Cómo acabó la última pasada, según `REPORT_FILE`."""

    outcome: str
    exit_code: int
    started_at: str
    error: str | None


@dataclass(frozen=True, slots=True)
class ScheduleStatus:
    """Si hay planificador, si está en marcha, cuándo toca y cómo fue la última vez."""

    scheduler: str
    name: str
    installed: bool
    active: bool
    next_tick: str | None = None
    last_exit_code: int | None = None
    last_report: LastReport | None = None

    @property
    def exit_code(self) -> ExitCode:
        """0 si todo va bien; el código de la última pasada, o 1 si no está instalado o no está en marcha."""
        last = self.last_exit_code
        if last is None and self.last_report:
            last = self.last_report.exit_code
        if last:
            return ExitCode(last) if last in list(ExitCode) else ExitCode.FAILED
        return ExitCode.OK if self.installed and self.active else ExitCode.FAILED

    def to_dict(self) -> dict[str, Any]:
        """Las claves de `schedule status --json`."""
        report = self.last_report
        return {
            "schema": 1,
            "scheduler": self.scheduler,
            "name": self.name,
            "installed": self.installed,
            "active": self.active,
            "next_tick": self.next_tick,
            "last_exit_code": self.last_exit_code,
            "last_report": {
                "outcome": report.outcome,
                "exit_code": report.exit_code,
                "started_at": report.started_at,
                "error": report.error,
            }
            if report
            else None,
            "exit_code": int(self.exit_code),
        }

    def lines(self) -> list[str]:
        """Lo mismo para una persona."""
        if not self.installed:
            return [f"✗ {self.name}: no está instalado. Póngalo con: estado-eventos schedule install {self.scheduler}"]
        state = "✓ en marcha" if self.active else "✗ parado"
        lines = [f"{self.name} ({self.scheduler}): {state}"]
        if self.next_tick:
            lines.append(f"Próximo tic: {self.next_tick}")
        if self.last_exit_code is not None:
            lines.append(f"Última ejecución: código {self.last_exit_code} ({spoken_code(self.last_exit_code)})")
        if self.last_report:
            reason = f": {self.last_report.error}" if self.last_report.error else ""
            lines.append(f"Último informe: {self.last_report.outcome}, de {self.last_report.started_at}{reason}")
        return lines


_SPOKEN = {
    0: "bien",
    1: "algún evento sigue pendiente",
    69: "UNAVAILABLE: no se pudo leer una lista",
    70: "SOFTWARE: un error del programa",
    75: "TEMPFAIL: se cortó; lo que falta queda para la siguiente",
    76: "PROTOCOL: lo que contesta no es la API",
    77: "NOPERM: credenciales o rol",
    78: "CONFIG: la configuración no vale",
}


def spoken_code(code: int) -> str:
    """Un código de salida en palabras."""
    return _SPOKEN.get(code, "no se pudo ejecutar")


def read_last_report(path: Path) -> LastReport | None:
    """El último informe, o `None` si no hay o no se entiende."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            content = json.loads(file.read(_MAX_REPORT_BYTES))
        error = content["error"]
        return LastReport(
            outcome=printable(str(content["outcome"]), 20),
            exit_code=int(content["exit_code"]),
            started_at=datetime.fromisoformat(content["started_at"]).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
            error=printable(error) if isinstance(error, str) else None,
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
