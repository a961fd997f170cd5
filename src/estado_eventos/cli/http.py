"""El mandato `http`, que ejecuta systemd cuando alguien pregunta. No importa lo que solo sirve a las pasadas."""

import logging
import os
from functools import partial

from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.monitoring.handover import read_handover
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
        # La configuración no se lee: tiene la contraseña, y aquí pregunta cualquiera.
        serve(listeners, partial(read_handover, os.environ), idle_seconds)
    except Exception as error:  # noqa: BLE001  Nadie más queda por encima: una línea, y no una pila de llamadas.
        _log.error("fallo interno (%s): systemd lo arrancará otra vez", type(error).__name__)
        return ExitCode.SOFTWARE
    return ExitCode.OK
