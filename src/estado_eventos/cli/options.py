"""Las opciones de los mandatos, cada una escrita una vez."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from estado_eventos import __version__
from estado_eventos.config.settings import LogFormat, LogLevel
from estado_eventos.domain.text import is_name
from estado_eventos.domain.transitions import is_safe_id
from estado_eventos.output.streams import PROGRAM


class Scheduler(StrEnum):
    """Quién ejecuta el programa."""

    SYSTEMD = "systemd"
    CRON = "cron"


_SHORTEST, _LONGEST = 10, 86400
Choice = TypeVar("Choice", bound=StrEnum)


def _show_version(wanted: bool) -> None:  # noqa: FBT001  Así lo llama typer.
    if wanted:
        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


def _chooser(kind: type[Choice]) -> Callable[[str], Choice]:
    """Entiende uno de los valores de `kind`, en mayúsculas o minúsculas. Lo de typer para esto habla inglés."""

    def choose(text: str) -> Choice:
        found = next((one for one in kind if text.lower() == one.value.lower()), None)
        if found is None:
            raise typer.BadParameter(f"«{text}» no es ninguno de {', '.join(kind)}")
        return found

    return choose


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and _SHORTEST <= int(text[:9]) <= _LONGEST):
        raise typer.BadParameter(f"tiene que ser un número entero, de {_SHORTEST} a {_LONGEST}")
    return int(text)


def _check_ids(ids: list[str] | None) -> list[str]:
    for event_id in ids or []:
        if not is_safe_id(event_id):
            raise typer.BadParameter("un identificador lleva letras, cifras, «-» y «_», 64 como mucho")
    return ids or []


def _check_name(name: str) -> str:
    if not is_name(name):
        raise typer.BadParameter("un nombre lleva letras, cifras, «-» y «_»")
    return name


EnvFile = Annotated[
    Path | None,
    # Si se puede leer lo dice quien lo lee: con su código, y en español.
    typer.Option(
        "--env-file", metavar="ARCHIVO", readable=False, help="Archivo de configuración, en vez de los habituales."
    ),
]
Level = Annotated[
    LogLevel | None,
    typer.Option(
        "--log-level",
        parser=_chooser(LogLevel),
        metavar="|".join(LogLevel),
        autocompletion=lambda: list(LogLevel),
        help="Desde qué gravedad se registra.",
    ),
]
Format = Annotated[
    LogFormat | None,
    typer.Option(
        "--log-format",
        parser=_chooser(LogFormat),
        metavar="|".join(LogFormat),
        autocompletion=lambda: list(LogFormat),
        help="Cómo se escribe el registro.",
    ),
]
Version = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Muestra la versión y acaba.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Enseña lo que haría, sin cambiar nada.")]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--event",
        metavar="ID",
        callback=_check_ids,
        help="Solo este evento, sea de la parte que sea (se puede repetir).",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Escribe en la salida solo el informe, en JSON.")]
Check = Annotated[
    bool, typer.Option("--check", help="Dice cuánto le queda al token configurado y de dónde sale, sin enseñarlo.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No escribe nada si todo va bien; para cron.")]

Which = Annotated[
    Scheduler,
    typer.Argument(
        parser=_chooser(Scheduler),
        metavar="|".join(Scheduler),
        autocompletion=lambda: list(Scheduler),
        help="Quién lo ejecuta.",
    ),
]
User = Annotated[bool, typer.Option("--user", help="El systemd del usuario, en vez del del sistema.")]
Name = Annotated[
    str, typer.Option("--name", metavar="NOMBRE", callback=_check_name, help="Para varios backends: uno por nombre.")
]
Interval = Annotated[
    int | None,
    typer.Option(
        "--interval",
        parser=_seconds,
        metavar="SEGUNDOS",
        help=f"Cada cuánto, en segundos: de {_SHORTEST} a {_LONGEST}.",
    ),
]
Api = Annotated[bool, typer.Option("--api", help="Además, GET /health en HOST:PORT, sin demonio (solo systemd).")]
DryInstall = Annotated[bool, typer.Option("--dry-run", help="Enseña lo que cambiaría, sin cambiar nada.")]
StatusAsJson = Annotated[bool, typer.Option("--json", help="Escribe en la salida solo el estado, en JSON.")]
