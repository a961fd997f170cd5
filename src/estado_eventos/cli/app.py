"""Los mandatos: entienden la línea de mandatos, construyen la configuración, llaman, enseñan y acaban."""

import logging
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import typer
from typer._click.exceptions import NoArgsIsHelpError

from estado_eventos.cli import passes, schedule
from estado_eventos.cli import token as token_command
from estado_eventos.cli.options import AsJson, Check, DryRun, EnvFile, Format, Level, Only, Quiet, Version
from estado_eventos.cli.spanish import SpanishCommand, SpanishGroup, explain, require_command
from estado_eventos.config.settings import LogFormat, LogLevel, SettingsError
from estado_eventos.config.sources import Loaded, load
from estado_eventos.domain.exit_codes import CodedError, ExitCode
from estado_eventos.domain.transitions import TRANSITIONS, Transition
from estado_eventos.output import logs, streams
from estado_eventos.reconcile.plan import Plan

_GLOBAL_OPTIONS = ("--env-file", "--log-level", "--log-format")
_log = logging.getLogger(__name__)

app = typer.Typer(
    cls=SpanishGroup,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    invoke_without_command=True,
    help="Inicia y finaliza a su hora los eventos de EvalTech Administrador: cada ejecución hace una pasada y acaba.",
)


class _Globals(NamedTuple):
    """Las opciones que valen para todos los mandatos."""

    env_file: Path | None
    log_level: LogLevel | None
    log_format: LogFormat | None
    started: float

    @property
    def overrides(self) -> dict[str, str]:
        chosen = {"LOG_LEVEL": self.log_level, "LOG_FORMAT": self.log_format}
        return {name: value.value for name, value in chosen.items() if value}


@app.callback()
def _globals(
    context: typer.Context,
    env_file: EnvFile = None,
    log_level: Level = None,
    log_format: Format = None,
    version: Version = False,  # noqa: ARG001  Lo resuelve su `callback`.
) -> None:
    require_command(context)
    context.obj = _Globals(env_file, log_level, log_format, context.obj)


def _pass_command(name: str, transitions: tuple[Transition, ...], summary: str) -> None:
    def command(
        context: typer.Context,
        dry_run: DryRun = False,
        event: Only = None,
        as_json: AsJson = False,
        quiet: Quiet = False,
    ) -> int:
        plan = Plan(name, transitions, frozenset(event or ()), dry_run=dry_run)
        return passes.run(
            plan, lambda: _load(context, quiet=quiet), as_json=as_json, quiet=quiet, started=context.obj.started
        )

    app.command(name, cls=SpanishCommand, help=summary)(command)


for _transition in TRANSITIONS:
    _pass_command(_transition.name, (_transition,), f"Una pasada por los eventos pendientes de {_transition.noun}.")
_pass_command(
    "run-once",
    TRANSITIONS,
    "Una pasada por todas las listas de pendientes. Es lo que ejecuta el temporizador. "
    "Con SHARD=2/8, solo por la segunda de ocho partes (de 1/8 a 8/8).",
)


@app.command(cls=SpanishCommand)
def pending(context: typer.Context, as_json: AsJson = False) -> int:
    """Enseña qué está pendiente ahora y cuánto se retrasa. No cambia nada."""
    plan = Plan("pending", TRANSITIONS, dry_run=True)
    return passes.run(
        plan, lambda: _load(context, quiet=True), as_json=as_json, quiet=False, started=context.obj.started
    )


@app.command(cls=SpanishCommand)
def token(context: typer.Context, check: Check = False) -> int:
    """Inicia sesión y escribe un token en la salida. Pregunta la cuenta si no está configurada."""
    loaded = _load(context, half_account=True)
    return token_command.check(loaded) if check else token_command.issue(loaded.settings)


@app.command(cls=SpanishCommand, hidden=True)
def http() -> int:
    """Contesta por HTTP en el socket que entrega systemd, y acaba cuando nadie pregunta."""
    # `__main__` no pasa por aquí: importar los demás mandatos cuesta más que contestar.
    from estado_eventos.cli.http import main

    return main()


@app.command("check", cls=SpanishCommand)
def diagnose(context: typer.Context, as_json: AsJson = False) -> int:
    """Diagnostica por qué no van las pasadas. Cada problema, con lo que lo cura; no cambia nada."""
    from estado_eventos.check.run import run

    options: _Globals = context.obj
    return run(
        lambda: _protected(load(options.overrides, options.env_file, for_service=True)),
        options.env_file,
        as_json=as_json,
    )


@app.command(cls=SpanishCommand)
def health(context: typer.Context, as_json: AsJson = False) -> int:
    """Dice a un monitor si se pueden leer las listas de pendientes."""
    from estado_eventos.cli.health import health

    return health(lambda: _load(context, quiet=True), as_json=as_json)


@app.command(cls=SpanishCommand)
def info(context: typer.Context, as_json: AsJson = False) -> int:
    """Dice qué programa es, su versión y cada cuánto se ejecuta."""
    from estado_eventos.cli.health import info

    return info(_load(context, quiet=True).settings, as_json=as_json)


def _protected(loaded: Loaded) -> Loaded:
    streams.protect(loaded.settings.redactor)
    return loaded


def _load(context: typer.Context, *, quiet: bool = False, half_account: bool = False) -> Loaded:
    options: _Globals = context.obj
    try:
        loaded = _protected(load(options.overrides, options.env_file, half_account=half_account))
    except SettingsError as error:
        if error.readable:
            streams.protect(error.readable.redactor)
            logs.configure(error.readable.log_level, error.readable.log_format, quiet=quiet)
        raise
    logs.configure(loaded.settings.log_level, loaded.settings.log_format, quiet=quiet)
    _log.debug("Archivo de configuración: %s", loaded.file or "ninguno")
    for notice in loaded.notices:
        _log.warning("%s. %s.", notice.message, notice.cure)
    return loaded


app.add_typer(schedule.app, name="schedule")


def _globals_first(arguments: Sequence[str]) -> list[str]:
    """Las opciones globales, delante: así valen también escritas detrás del mandato."""
    first: list[str] = []
    rest: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        name, equals, _ = argument.partition("=")
        if name not in (*_GLOBAL_OPTIONS, "--version"):
            rest.append(argument)
            continue
        first.append(argument)
        if name in _GLOBAL_OPTIONS and not equals:
            value = next(remaining, None)
            if value is None:
                return first
            first.append(value)
    return first + rest


def main(arguments: Sequence[str] | None = None, started: float | None = None) -> int:
    """Ejecuta un mandato y devuelve su código de salida; no lanza nada.

    `started` es cuándo empezó el proceso, en el reloj de `time.monotonic`; por defecto, ahora.
    """
    streams.accept_any_text()
    logs.configure(LogLevel.INFO, LogFormat.AUTO)
    try:
        code = app(
            args=_globals_first(sys.argv[1:] if arguments is None else arguments),
            prog_name=streams.PROGRAM,
            standalone_mode=False,
            obj=time.monotonic() if started is None else started,
        )
    except NoArgsIsHelpError as error:
        streams.tell(error.format_message())
        return ExitCode.USAGE
    except typer.TyperException as error:
        streams.complain(*explain(error))
        return ExitCode.USAGE
    except typer.Abort:
        return 128 + signal.SIGINT
    except (SettingsError, CodedError) as error:
        _log.error("%s.", str(error).rstrip("."))
        return ExitCode.CONFIG if isinstance(error, SettingsError) else error.code
    except Exception as error:  # noqa: BLE001  Ídem para los mandatos que no hacen una pasada.
        _log.error(logs.describe_bug(error))
        return ExitCode.SOFTWARE
    return int(code or 0)
