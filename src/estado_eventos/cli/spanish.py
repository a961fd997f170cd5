"""La ayuda y los errores de uso en español: typer los trae escritos en inglés."""

import re
from typing import Any

from typer import TyperException
from typer.core import TyperCommand, TyperGroup

from estado_eventos.domain.text import printable

_PHRASES = (
    (r"\bUsage:", "Uso:"),
    (r"\[OPTIONS\]", "[OPCIONES]"),
    (r"\bCOMMAND \[ARGS\]\.\.\.", "MANDATO [ARGUMENTOS]..."),
    (r"^Options:$", "Opciones:"),
    (r"^Commands:$", "Mandatos:"),
    (r"^Arguments:$", "Argumentos:"),
    (r"Install completion for the current shell\.", "Instala el autocompletado en este intérprete."),
    (
        r"Show completion for the current shell, to\s+copy it or\s+customize the\s+installation\.",
        "Muestra el autocompletado, para copiarlo o adaptarlo.",
    ),
    (r"Show this message and exit\.", "Muestra esta ayuda y acaba."),
    (r"^  (\S+) <\1>", r"  \1"),
    (r"\[required\]", "[obligatorio]"),
    (r"\[default:(\s)", r"[de fábrica:\1"),
    (r"\[(\d+)<=x<=(\d+)\]", r"[de \1 a \2]"),
    (r"\bNo such option: (\S+)", r"no existe la opción \1"),
    (r"\(Possible options: (.*)\)", r"(¿quizá \1?)"),
    (r"\bNo such command (\S+?)\.?( |$)", r"no existe el mandato \1\2"),
    (r"\bDid you mean (.*)\?", r"¿Quizá \1?"),
    (r"\bMissing command\.", "falta el mandato."),
    (r"\bMissing (?:argument|option|parameter) '(\S+)'", r"falta «\1»"),
    (r"\.\s+Choose from:\s+([\s\S]+)", r" (\1)"),
    (r"\bGot unexpected extra argument\(s\) \((.*)\)", r"sobra «\1»"),
    (r"\bOption '(\S+)' requires an argument", r"a la opción \1 le falta su valor"),
    (r"\bOption '(\S+)' does not take a value", r"la opción \1 no lleva valor"),
    (r"\bInvalid value for '(\S+)'(?: / '(\S+)')?:", r"valor no válido de \1:"),
    (r"(?:Value error, )?'(.*)' is not one of (.*)\.", r"«\1» no es ninguno de \2"),
)


def in_spanish(text: str) -> str:
    """El texto de typer con sus frases hechas en español; lo que no se conoce se deja como está."""
    for pattern, phrase in _PHRASES:
        text = re.sub(pattern, phrase, text, flags=re.MULTILINE)
    return text


def explain(error: TyperException) -> str:
    """Un error de uso en una frase."""
    return printable(in_spanish(error.format_message())).rstrip(".")


class SpanishGroup(TyperGroup):
    """Un grupo de mandatos con la ayuda en español."""

    def get_help(self, ctx: Any) -> str:
        """La ayuda, para quien teclea `--help`."""
        return in_spanish(super().get_help(ctx))


class SpanishCommand(TyperCommand):
    """Un mandato con la ayuda en español."""

    def get_help(self, ctx: Any) -> str:
        """La ayuda, para quien teclea `--help`."""
        return in_spanish(super().get_help(ctx))
