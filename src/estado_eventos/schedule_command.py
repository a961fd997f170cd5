"""Los mandatos `schedule`: enseñar, instalar, quitar y mirar lo que ejecuta el programa a su hora."""

import os
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from estado_eventos import terminal
from estado_eventos.report import ExitCode
from estado_eventos.usage import SpanishCommand, SpanishGroup

if TYPE_CHECKING:
    from estado_eventos.schedule import Job
    from estado_eventos.schedule_install import Steps
    from estado_eventos.schedule_status import ScheduleStatus

app = typer.Typer(
    cls=SpanishGroup,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Lo que ejecuta el programa a su hora: systemd o cron.",
)


class Scheduler(StrEnum):
    """Quién ejecuta el programa."""

    SYSTEMD = "systemd"
    CRON = "cron"


class _Actions(Protocol):
    def install(self, job: "Job", steps: "Steps") -> None: ...
    def remove(self, job: "Job", steps: "Steps") -> None: ...
    def status(self, job: "Job") -> "ScheduleStatus": ...


def _actions(which: Scheduler) -> _Actions:
    from estado_eventos import schedule_cron, schedule_systemd

    return schedule_cron if which is Scheduler.CRON else schedule_systemd


def _check_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}", name):
        raise typer.BadParameter("un nombre lleva letras, cifras, «-» y «_»")
    return name


Which = Annotated[Scheduler, typer.Argument(metavar="systemd|cron", help="Quién lo ejecuta.")]
User = Annotated[bool, typer.Option("--user", help="El systemd del usuario, en vez del del sistema.")]
Name = Annotated[
    str, typer.Option("--name", metavar="NOMBRE", callback=_check_name, help="Para varios backends: uno por nombre.")
]
Interval = Annotated[
    int | None, typer.Option("--interval", metavar="SEGUNDOS", min=10, max=86400, help="Cada cuánto, en segundos.")
]
Api = Annotated[bool, typer.Option("--api", help="Además, GET /health en HOST:PORT, sin demonio (solo systemd).")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Enseña lo que cambiaría, sin cambiar nada.")]
AsJson = Annotated[bool, typer.Option("--json", help="Escribe en la salida solo el estado, en JSON.")]


def _job(context: typer.Context, which: Scheduler, name: str, *, user: bool) -> "Job":
    from estado_eventos.schedule_install import make_job

    # Un crontab es siempre de alguien: el de root usa la configuración del sistema, y el de otro, la suya.
    own = os.geteuid() != 0 if which is Scheduler.CRON else user
    return make_job(name, context.obj.env_file, user=own)


def _steps(dry_run: bool) -> "Steps":
    from estado_eventos.schedule_install import Steps

    return Steps(lambda line: terminal.write([line]), dry_run)


@app.command(cls=SpanishCommand)
def show(
    context: typer.Context,
    which: Which,
    name: Name = terminal.PROGRAM,
    interval: Interval = None,
    user: User = False,
    api: Api = False,
) -> int:
    """Escribe lo que instalaría, con la ruta de fábrica del programa."""
    from estado_eventos.schedule_install import make_job, with_settings
    from estado_eventos.schedule_units import cron_block, units

    job = with_settings(make_job(name, context.obj.env_file, user=user), interval, api=api)
    texts = [cron_block(job)] if which is Scheduler.CRON else units(job).values()
    terminal.write(text.removesuffix("\n") for text in texts)
    return ExitCode.OK


@app.command(cls=SpanishCommand)
def install(
    context: typer.Context,
    which: Which,
    name: Name = terminal.PROGRAM,
    interval: Interval = None,
    user: User = False,
    api: Api = False,
    dry_run: DryRun = False,
) -> int:
    """Instala y pone en marcha el temporizador o la línea de cron. Repetirlo no cambia nada."""
    from estado_eventos.schedule_install import with_settings

    job = with_settings(_job(context, which, name, user=user), interval, api=api)
    _actions(which).install(job, _steps(dry_run))
    return ExitCode.OK


@app.command(cls=SpanishCommand)
def remove(
    context: typer.Context, which: Which, name: Name = terminal.PROGRAM, user: User = False, dry_run: DryRun = False
) -> int:
    """Deshace lo que hizo «install» y deja la configuración."""
    _actions(which).remove(_job(context, which, name, user=user), _steps(dry_run))
    return ExitCode.OK


@app.command(cls=SpanishCommand)
def status(
    context: typer.Context, which: Which, name: Name = terminal.PROGRAM, user: User = False, as_json: AsJson = False
) -> int:
    """Si está en marcha, cuándo toca y cómo fue la última vez. No es 0 si algo va mal."""
    found = _actions(which).status(_job(context, which, name, user=user))
    if as_json:
        terminal.write_json(found.to_dict())
    else:
        terminal.write(found.lines())
    return found.exit_code
