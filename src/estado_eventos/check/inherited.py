"""Las variables del servicio antiguo que este programa no lee: qué ha sido de cada una."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

from dotenv.parser import parse_stream

from estado_eventos.check.findings import Finding, problem
from estado_eventos.config import envfile
from estado_eventos.config.settings import SettingsError
from estado_eventos.domain.text import printable

_NO_RESIDENT = "no hay planificador dentro: un tic que se pierde lo hace el siguiente, y la lista guarda lo pendiente"
_CLEANUP = "era la cuenta con que se borraban los eventos viejos, que este programa no borra (docs/mudanza.md)"
_REMOVE = "Quítela de ahí"
_FATE = {
    "SCHEDULER_MISFIRE_GRACE_SECONDS": (_NO_RESIDENT, _REMOVE),
    "SCHEDULER_COALESCE": (_NO_RESIDENT, _REMOVE),
    "BACKEND_SUPERADMIN_EMAIL": (_CLEANUP, f"{_REMOVE}; si quiere que la usen las pasadas, llámela BACKEND_EMAIL"),
    "BACKEND_SUPERADMIN_PASSWORD": (
        _CLEANUP,
        f"{_REMOVE}; si quiere que la usen las pasadas, llámela BACKEND_PASSWORD",
    ),
    "BACKEND_SUPERADMIN_TOKEN": (_CLEANUP, f"{_REMOVE}; caduca en media hora, y BACKEND_EMAIL y BACKEND_PASSWORD no"),
}

GONE = _FATE.keys()


def examine(path: Path | None) -> Iterator[Finding]:
    """Las que hay en el entorno y en el archivo de configuración que se usa."""
    places = {"el entorno": set(os.environ), str(path): _names(path)}
    for where, names in places.items():
        for name in sorted(names & GONE):
            fate, cure = _FATE[name]
            yield problem(
                "settings_file", f"{printable(where)}: {name} es del servicio antiguo y no se lee; {fate}", cure
            )


def _names(path: Path | None) -> set[str]:
    try:
        text = envfile.read_text(path) if path and path.is_file() else ""
    except (OSError, SettingsError):
        # Si alguien contaba con él, ya lo ha dicho quien lo carga.
        return set()
    return {binding.key for binding in parse_stream(io.StringIO(text)) if binding.key}
