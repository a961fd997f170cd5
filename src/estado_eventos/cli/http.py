"""El mandato `http`, que ejecuta systemd cuando alguien pregunta. No importa lo que solo sirve a las pasadas."""

import logging
import os
from pathlib import Path

from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.monitoring.endpoint import EndpointConfig
from estado_eventos.monitoring.serving import IDLE_SECONDS, inherited_listeners, serve
from estado_eventos.output.streams import complain

_log = logging.getLogger(__name__)


def main(idle_seconds: float = IDLE_SECONDS) -> int:
    """Contesta en el socket de systemd hasta que nadie pregunta. Devuelve el código de salida; no lanza nada."""
    # Bajo systemd la hora y la gravedad las pone el journal (`SyslogLevel=` en la unidad).
    line = "%(message)s" if "JOURNAL_STREAM" in os.environ else "%(asctime)s - %(levelname)s - %(message)s"
    logging.basicConfig(level=logging.WARNING, format=line, datefmt="%Y-%m-%d %H:%M:%S", force=True)
    try:
        listeners = inherited_listeners(os.environ)
        if not listeners:
            complain("«http» lo arranca systemd con su socket: instálelo con «schedule install systemd --api»")
            return ExitCode.USAGE
        config = _config()
        serve(listeners, config, idle_seconds)
    except Exception as error:  # noqa: BLE001  Nadie más queda por encima: una línea, y no una pila de llamadas.
        _log.error("fallo interno (%s): systemd lo arrancará otra vez", type(error).__name__)
        return ExitCode.SOFTWARE
    return ExitCode.CONFIG if config.problem else ExitCode.OK


def _config() -> EndpointConfig:
    """Lo que dice la unidad. La configuración no se lee: tiene la contraseña, y aquí pregunta cualquiera."""
    interval = os.environ.get("SCHEDULER_INTERVAL_SECONDS", "60")
    if not interval.isdecimal() or not 0 < len(interval) <= 5:
        _log.error("SCHEDULER_INTERVAL_SECONDS: tiene que ser un número de segundos")
        return EndpointConfig(problem="la configuración no vale; el registro dice por qué")
    return EndpointConfig(int(interval), _path("REPORT_FILE"), _path("METRICS_FILE"))


def _path(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value) if value else None
