"""Los mandatos `schedule`: enseñar, instalar, quitar y mirar lo que ejecuta el programa a su hora."""

import os
from typing import TYPE_CHECKING, Protocol

import typer

from estado_eventos.cli.options import Api, DryInstall, Interval, Name, Scheduler, StatusAsJson, User, Which
from estado_eventos.cli.spanish import SpanishCommand, SpanishGroup, require_command
from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.output import streams
from estado_eventos.output.summary import render

if TYPE_CHECKING:
    from estado_eventos.schedule.job import Job
    from estado_eventos.schedule.status import ScheduleStatus
    from estado_eventos.schedule.steps import Steps

app = typer.Typer(
    cls=SpanishGroup,
    rich_markup_mode=None,
    no_args_is_help=True,
    invoke_without_command=True,
    help="Lo que ejecuta el programa a su hora: systemd o cron.",
)
app.callback()(require_command)


class _Actions(Protocol):
    def install(self, job: "Job", steps: "Steps") -> None: ...
    def remove(self, job: "Job", steps: "Steps") -> None: ...
    def status(self, job: "Job") -> "ScheduleStatus": ...


def _actions(which: Scheduler) -> _Actions:
    from estado_eventos.schedule import cron, systemd

    return cron if which is Scheduler.CRON else systemd


def _job(context: typer.Context, which: Scheduler, name: str, *, user: bool) -> "Job":
    from estado_eventos.schedule.job import make_job

    # Un crontab es siempre de alguien: el de root usa la configuración del sistema, y el de otro, la suya.
    own = os.geteuid() != 0 if which is Scheduler.CRON else user
    return make_job(name, context.obj.env_file, user=own)


def _steps(dry_run: bool) -> "Steps":
    from estado_eventos.schedule.steps import Steps

    return Steps(lambda line: streams.write([line]), dry_run)


@app.command(cls=SpanishCommand)
def show(
    context: typer.Context,
    which: Which,
    name: Name = streams.PROGRAM,
    interval: Interval = None,
    user: User = False,
    api: Api = False,
) -> int:
    """Escribe lo que instalaría, con la ruta de fábrica del programa."""
    from estado_eventos.schedule.cron import cron_block
    from estado_eventos.schedule.job import make_job, with_settings
    from estado_eventos.schedule.units import units

    job = with_settings(make_job(name, context.obj.env_file, user=user), interval, api=api)
    texts = [cron_block(job)] if which is Scheduler.CRON else units(job).values()
    streams.write(text.removesuffix("\n") for text in texts)
    return ExitCode.OK


@app.command(cls=SpanishCommand)
def install(
    context: typer.Context,
    which: Which,
    name: Name = streams.PROGRAM,
    interval: Interval = None,
    user: User = False,
    api: Api = False,
    dry_run: DryInstall = False,
) -> int:
    """Instala y pone en marcha el temporizador o la línea de cron. Repetirlo no cambia nada."""
    from estado_eventos.schedule.job import with_settings

    job = with_settings(_job(context, which, name, user=user), interval, api=api)
    streams.write(f"! {warning}" for warning in job.warnings)
    _actions(which).install(job, _steps(dry_run))
    return ExitCode.OK


@app.command(cls=SpanishCommand)
def remove(
    context: typer.Context, which: Which, name: Name = streams.PROGRAM, user: User = False, dry_run: DryInstall = False
) -> int:
    """Deshace lo que hizo «install» y deja la configuración."""
    _actions(which).remove(_job(context, which, name, user=user), _steps(dry_run))
    return ExitCode.OK


@app.command(cls=SpanishCommand)
def status(
    context: typer.Context,
    which: Which,
    name: Name = streams.PROGRAM,
    user: User = False,
    as_json: StatusAsJson = False,
) -> int:
    """Si está en marcha, cuándo toca y cómo fue la última vez. No es 0 si algo va mal."""
    found = _actions(which).status(_job(context, which, name, user=user))
    render(found, as_json=as_json)
    return found.exit_code
