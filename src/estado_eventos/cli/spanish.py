"""La ayuda y los errores de uso en español: lo que typer trae en inglés, escrito por sus propias clases."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

import typer
from typer import TyperException
from typer._click.exceptions import BadOptionUsage, BadParameter, MissingParameter, NoArgsIsHelpError, NoSuchOption
from typer._click.exceptions import UsageError as ClickUsageError
from typer._click.formatting import HelpFormatter
from typer.core import TyperCommand, TyperGroup

from estado_eventos.domain.text import printable
from estado_eventos.output.streams import PROGRAM

_OPTIONS, _COMMAND = "[OPCIONES]", "MANDATO [ARGUMENTOS]..."
_MAX_COLUMNS, _FIRST_COLUMN = 120, 20
_HEADINGS = {"Arguments": "Argumentos", "Options": "Opciones", "Commands": "Mandatos"}
_HELP = {
    "help": "Muestra esta ayuda y acaba.",
    "install_completion": "Instala el autocompletado en este intérprete.",
    "show_completion": "Muestra el autocompletado, para copiarlo o adaptarlo.",
}


class _SpanishFormatter(HelpFormatter):
    """Las palabras que pone quien compone la ayuda."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, prefix or "Uso: ")

    def write_heading(self, heading: str) -> None:
        super().write_heading(_HEADINGS.get(heading, heading))

    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = _FIRST_COLUMN, col_spacing: int = 2) -> None:
        super().write_dl(rows, col_max, col_spacing)


class _SpanishContext(typer.Context):
    formatter_class = _SpanishFormatter


class SpanishCommand(TyperCommand):
    """Un mandato con la ayuda y los errores en español."""

    context_class = _SpanishContext

    def __init__(self, *args: Any, **options: Any) -> None:
        """Como el de typer."""
        super().__init__(*args, **(options | {"options_metavar": _OPTIONS}))
        self.context_settings.setdefault("max_content_width", _MAX_COLUMNS)

    def get_params(self, ctx: Any) -> list[Any]:
        """Sus opciones, con la ayuda de las que pone typer."""
        return _translated(super().get_params(ctx))

    def format_options(self, ctx: Any, formatter: HelpFormatter) -> None:
        """Los argumentos y las opciones."""
        _write_params(self.get_params(ctx), formatter)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Entiende lo tecleado; lanza `UsageError` si sobra algo."""
        ctx.allow_extra_args = True
        rest = _blaming(super().parse_args, ctx, args)
        if rest and not ctx.resilient_parsing:
            ctx.fail(f"sobra «{' '.join(rest)}»")
        return rest


class SpanishGroup(TyperGroup):
    """Un grupo de mandatos con la ayuda y los errores en español."""

    context_class = _SpanishContext

    def __init__(self, *args: Any, **options: Any) -> None:
        """Como el de typer."""
        words = {"options_metavar": _OPTIONS, "subcommand_metavar": _COMMAND}
        super().__init__(*args, **(options | words))
        self.context_settings.setdefault("max_content_width", _MAX_COLUMNS)

    def get_params(self, ctx: Any) -> list[Any]:
        """Sus opciones, con la ayuda y lo que dicen las que pone typer."""
        return _translated(super().get_params(ctx))

    def format_options(self, ctx: Any, formatter: HelpFormatter) -> None:
        """Las opciones y los mandatos, cada uno con su primera frase entera."""
        _write_params(self.get_params(ctx), formatter)
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [
            (name, command.get_short_help_str(1000)) for name, command in commands if command and not command.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Entiende lo tecleado."""
        return _blaming(super().parse_args, ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """El mandato que se pide; lanza `UsageError` si no hay ninguno que se llame así."""
        if not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            close = get_close_matches(args[0], [name for name, one in self.commands.items() if not one.hidden])
            maybe = f" (¿quizá {', '.join(close)}?)" if close else ""
            ctx.fail(f"no existe el mandato «{args[0]}»{maybe}")
        return super().resolve_command(ctx, args)


def require_command(context: typer.Context) -> None:
    """Lanza la ayuda entera si detrás de un grupo no se dijo ningún mandato."""
    if context.invoked_subcommand is None and not context.resilient_parsing:
        raise NoArgsIsHelpError(context)


def _blaming(parse: Any, ctx: Any, args: list[str]) -> list[str]:
    """Lo tecleado, entendido; de lo que está mal se dice de qué mandato era, que typer no siempre lo apunta."""
    try:
        rest: list[str] = parse(ctx, args)
    except ClickUsageError as error:
        error.ctx = error.ctx or ctx
        raise
    return rest


def _translated(params: list[Any]) -> list[Any]:
    for param in params:
        if param.name in _HELP:
            param.help = _HELP[param.name]
        if param.name in {"install_completion", "show_completion"}:
            param.callback = _completion
    return params


def _write_params(params: list[Any], formatter: HelpFormatter) -> None:
    for kind, heading in (("argument", "Arguments"), ("option", "Options")):
        rows = [
            help_row(param) for param in params if param.param_type_name == kind and not getattr(param, "hidden", False)
        ]
        if rows:
            with formatter.section(heading):
                formatter.write_dl(rows)


def help_row(param: Any) -> tuple[str, str]:
    """Un argumento o una opción y lo que la ayuda dice de él."""
    if param.param_type_name == "argument":
        return param.metavar, f"{param.help}  [obligatorio]" if param.required else param.help
    names = ", ".join(sorted(param.opts, key=len))
    has_default = isinstance(param.default, str) and param.show_default
    extra = f"  [de fábrica: {param.default}]" if has_default else ""
    return f"{names} {param.metavar}" if param.metavar else names, f"{param.help}{extra}"


def _completion(context: Any, param: Any, value: object) -> object:
    if value and not context.resilient_parsing:
        from estado_eventos.cli.completion import install, show

        (install if param.name == "install_completion" else show)(context.find_root().info_name)
    return value


def explain(error: TyperException) -> tuple[str, str]:
    """Un error de uso en una frase, y el mandato cuya ayuda lo cuenta."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else PROGRAM
    return ". ".join(_sentences(error)), command


def _sentences(error: TyperException) -> Iterator[str]:
    match error:
        case NoSuchOption():
            maybe = f" (¿quizá {', '.join(sorted(error.possibilities))}?)" if error.possibilities else ""
            yield printable(f"no existe la opción {error.option_name}{maybe}")
        case BadOptionUsage():
            name = printable(error.option_name)
            yield f"la opción {name} no lleva valor" if _is_flag(error) else f"a la opción {name} le falta su valor"
        case MissingParameter():
            yield f"falta «{_hint(error)}»"
        case BadParameter():
            yield printable(f"valor no válido de {_hint(error)}: {error.message}")
        case _:
            yield printable(error.format_message()).rstrip(".")


def _is_flag(error: BadOptionUsage) -> bool:
    params = error.ctx.command.get_params(error.ctx) if error.ctx else []
    return any(error.option_name in param.opts and getattr(param, "is_flag", False) for param in params)


def _hint(error: BadParameter) -> str:
    param: Any = error.param
    if param is None:
        return "un argumento"
    return str(param.metavar if param.param_type_name == "argument" else param.opts[0])
