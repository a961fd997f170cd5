"""Si el sitio donde contestaría `GET /health` está libre: se mira antes de escribir nada."""

import errno
import socket
from pathlib import PurePath

from estado_eventos.domain.text import printable, spoken_os_error
from estado_eventos.schedule.job import ScheduleError


def check_port(listen: str, env_file: PurePath) -> None:
    """Lanza `ScheduleError` si en `listen` (`0.0.0.0:8001`) ya escucha otro, o no se puede escuchar."""
    host, _, port = listen.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), int(port)))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            reason = "ya lo tiene otro" if taken else f"no se puede abrir: {spoken_os_error(error)}"
            raise ScheduleError(
                f"{listen}, donde contestaría GET /health, {reason}",
                f"Mire quién (sudo ss -ltnp 'sport = :{port}') o ponga otro HOST o PORT en {printable(str(env_file))}",
            ) from None
