"""Lo que cada pasada deja dicho en su directorio de estado a quien contesta por HTTP, que no lee la configuración.

Va en un archivo y no en la unidad: cambiar la configuración no pide instalar otra vez. No lleva ningún secreto.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from estado_eventos.output.files import read_file

_NAME = "http.json"
_MAX_BYTES = 8 << 10
_MAX_INTERVAL = 86400


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """De dónde salen las respuestas y cada cuántos segundos toca una pasada."""

    interval_seconds: int = 60
    report_file: Path | None = None
    metrics_file: Path | None = None

    def to_json(self) -> bytes:
        """Como se guarda."""
        files = {"report_file": self.report_file, "metrics_file": self.metrics_file}
        paths = {name: str(path.absolute()) if path else None for name, path in files.items()}
        return f"{json.dumps({'interval_seconds': self.interval_seconds, **paths})}\n".encode()


def handover_file(environ: Mapping[str, str]) -> Path | None:
    """Dónde se deja, si systemd da un directorio de estado (systemd.exec(5), `$STATE_DIRECTORY`)."""
    directory = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(directory, _NAME) if directory else None


def read_handover(environ: Mapping[str, str]) -> EndpointConfig:
    """Lo que dejó la última pasada; si no hay nada o no se entiende, lo que dice el entorno, y si no, lo de fábrica."""
    path = handover_file(environ)
    if path is not None:
        try:
            content = json.loads(read_file(path, _MAX_BYTES))
            interval, *files = (content[name] for name in ("interval_seconds", "report_file", "metrics_file"))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return EndpointConfig(report_file=path.with_name("report.json"))
        if type(interval) is int and 0 < interval <= _MAX_INTERVAL:
            return EndpointConfig(interval, *map(_path, files))
        return EndpointConfig(report_file=path.with_name("report.json"))
    # Las unidades de antes lo llevaban escrito.
    seconds = environ.get("SCHEDULER_INTERVAL_SECONDS", "")
    interval = int(seconds) if seconds.isdecimal() and len(seconds) <= 5 else 60
    return EndpointConfig(interval, _path(environ.get("REPORT_FILE")), _path(environ.get("METRICS_FILE")))


def _path(value: object) -> Path | None:
    return Path(value) if isinstance(value, str) and value and value.isprintable() else None
