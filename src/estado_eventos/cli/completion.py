"""El autocompletado del intérprete: lo hace typer, y lo que dice se dice aquí, en español."""

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import typer
from typer import _completion_shared

from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.output import streams


def install(_program: str) -> None:
    """Lo instala en el intérprete desde el que se llama, y acaba."""
    with _silenced():
        shell, path = _completion_shared.install()
    streams.write([f"Autocompletado de {shell} instalado en {path}.", "Vale desde que se abra otro terminal."])
    raise typer.Exit


def show(program: str) -> None:
    """Lo escribe, y acaba."""
    variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
    with _silenced():
        shell = _completion_shared._get_shell_name() or ""  # noqa: SLF001  No hay otra manera de preguntarlo.
        script = _completion_shared.get_completion_script(prog_name=program, complete_var=variable, shell=shell)
    streams.write([script])
    raise typer.Exit


@contextmanager
def _silenced() -> Iterator[None]:
    """Sin lo que typer dice en inglés; si no sabe con qué intérprete habla, se dice y se acaba."""
    nothing = io.StringIO()
    try:
        with redirect_stdout(nothing), redirect_stderr(nothing):
            yield
    except typer.Exit:
        streams.tell("No se sabe qué intérprete es este: el autocompletado es para bash, zsh, fish y PowerShell.")
        raise typer.Exit(ExitCode.UNAVAILABLE) from None
