"""El estado de un planificador como datos: lo mismo para systemd y para cron."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from estado_eventos.domain.exit_codes import ExitCode, spoken_code
from estado_eventos.domain.report import REPORT_HEAD_BYTES, LastReport, read_last_report
from estado_eventos.domain.text import spoken_moment, utc_text
from estado_eventos.output.files import read_file
from estado_eventos.output.summary import Item, View


@dataclass(frozen=True, slots=True)
class ScheduleStatus(View):
    """Si hay planificador, si está en marcha, cuándo toca y cómo fue la última vez."""

    scheduler: str
    name: str
    installed: bool
    active: bool
    next_tick: datetime | None = None
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
            "next_tick": utc_text(self.next_tick) if self.next_tick else None,
            "last_exit_code": self.last_exit_code,
            "last_report": {
                "outcome": report.outcome,
                "exit_code": report.exit_code,
                "started_at": utc_text(report.started_at.replace(microsecond=0)),
                "error": report.error,
            }
            if report
            else None,
            "exit_code": int(self.exit_code),
        }

    def items(self) -> Iterator[Item]:
        """Lo mismo para una persona."""
        if not self.installed:
            yield Item(
                f"✗ {self.name}: no está instalado. Póngalo con: estado-eventos schedule install {self.scheduler}"
            )
            return
        yield Item(f"{self.name} ({self.scheduler}): {'✓ en marcha' if self.active else '✗ parado'}")
        if self.next_tick:
            yield Item(f"Próximo tic: {spoken_moment(self.next_tick)}")
        if self.last_exit_code is not None:
            yield Item(f"Última ejecución: código {self.last_exit_code} ({spoken_code(self.last_exit_code)})")
        if self.last_report:
            reason = f": {self.last_report.error}" if self.last_report.error else ""
            when = spoken_moment(self.last_report.started_at)
            yield Item(f"Último informe: {self.last_report.outcome}, de {when}{reason}")

    def announcement(self) -> str:
        """Con qué acaba de decir cómo ha quedado quien lo instala."""
        if not self.active:
            return f"✗ {self.name}: puesto, pero aquí no hay ningún {self.scheduler} en marcha que lo ejecute"
        when = f"; próximo tic {spoken_moment(self.next_tick)}" if self.next_tick else ""
        return f"✓ {self.name}: en marcha{when}"


def last_report(path: Path) -> LastReport | None:
    """El último informe, o `None` si no hay o no se entiende."""
    try:
        return read_last_report(read_file(path, REPORT_HEAD_BYTES))
    except OSError:
        return None
