"""`estado-eventos(1)`: la página de man, hecha con los mandatos del programa y las tablas de la documentación."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from estado_eventos import __version__
from estado_eventos.cli.spanish import help_row
from estado_eventos.output.streams import PROGRAM
from tools import commands

_ROOT = Path(__file__).parents[1]
# mandoc cuenta bytes, 80 como mucho: caben unas cuantas tildes.
_WIDTH = 70
DOCUMENT = _ROOT / "docs" / f"{PROGRAM}.1"
# Para que `-` sea un guion que se puede copiar, y ninguna línea empiece como una orden de roff.
_ESCAPES = (("\\", "\\e"), ("-", "\\-"), ("'", "\\(aq"), ("`", "\\`"))
_FILES = {
    "/etc/estado-eventos/estado-eventos.env": "La configuración, si no hay otra más cercana.",
    "~/.config/estado-eventos/estado-eventos.env": "La de un usuario que no es root.",
    ".env": "La del directorio actual, si es de quien lo ejecuta y nadie más la puede escribir.",
}


def render() -> str:
    """La página entera."""
    (_, whole, context), *rest = commands.tree()
    sections = {
        "NOMBRE": [f"{PROGRAM} \\- inicia y finaliza a su hora los eventos de EvalTech Administrador"],
        "SINOPSIS": [f"\\fB{_escaped(PROGRAM)}\\fR [\\fIOPCIONES\\fR] \\fIMANDATO\\fR [\\fIARGUMENTOS\\fR]..."],
        "DESCRIPCIÓN": [_escaped(whole.help or "")],
        "OPCIONES": _parameters(whole, context),
        "MANDATOS": [line for name, command, inside in rest for line in _command(name, command, inside)],
        "ESTADO DE SALIDA": _rows("README.md", r"\d+(?: `[A-Z]+`)?"),
        "ENTORNO": _rows("docs/configuracion.md", r"`[A-Z_]+`.*?"),
        "ARCHIVOS": [line for name, text in _FILES.items() for line in _term(_bold(name), text)],
        "VÉASE TAMBIÉN": ["\\fBsystemd.timer\\fR(5), \\fBcrontab\\fR(5), \\fBjournalctl\\fR(1)"],
    }
    head = ['.\\" La escribe `make reference`.', f'.TH {PROGRAM.upper()} 1 {_date()} "{PROGRAM} {__version__}"']
    body = [line for title, lines in sections.items() for line in (f'.SH "{title}"', *lines)]
    return "\n".join([*head, *(part for line in body for part in _wrapped(line))]) + "\n"


def _wrapped(line: str) -> list[str]:
    """Una línea de texto en varias que quepan; las órdenes de roff, como están."""
    if line.startswith(".") or len(line) <= _WIDTH:
        return [line]
    parts = textwrap.wrap(line, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return [_guarded(part) for part in parts]


def _date() -> str:
    """La fecha de la última versión."""
    found = re.search(r"^## \[.+\] - (\d{4}-\d\d-\d\d)$", (_ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    return found[1] if found else '""'


def _command(name: str, command: Any, context: Any) -> Iterator[str]:
    yield f'.SS "{_escaped(name)}"'
    yield _escaped(command.help or "")
    yield from _parameters(command, context)


def _parameters(command: Any, context: Any) -> list[str]:
    """Sus argumentos y opciones; `--help` se dice una vez, con las de todos."""
    records = [help_row(each) for each in command.get_params(context) if not getattr(each, "hidden", False)]
    shown = [record for record in records if context.parent is None or record[0] != "--help"]
    return [line for name, text in shown for line in _term(_bold(f"  {name}"), text)]


def _rows(document: str, name: str) -> list[str]:
    """Las filas de una tabla de la documentación: su primera columna y, juntas, las demás."""
    found = re.findall(rf"^\| ({name}) \| (?:([^|]+) \| )?([^|]+) \|$", (_ROOT / document).read_text(), re.MULTILINE)
    texts = {term: f"{text} [de fábrica: {default}]" if default.strip("–") else text for term, default, text in found}
    return [line for term, text in texts.items() for line in _term(_markup(term), text)]


def _term(name: str, text: str) -> list[str]:
    return [".TP", name, _markup(text)]


def _bold(text: str) -> str:
    return f"\\fB{_escaped(text)}\\fR"


def _markup(text: str) -> str:
    """Texto de Markdown: lo que va entre acentos graves, en negrita; de los enlaces, el texto."""
    text = re.sub(r"\[(.+?)\]\(.+?\)", r"\1", text)
    return re.sub(r"\\`(.+?)\\`", r"\\fB\1\\fR", _escaped(text))


def _escaped(text: str) -> str:
    for character, escape in _ESCAPES:
        text = text.replace(character, escape)
    return _guarded(" ".join(text.split()))


def _guarded(text: str) -> str:
    """Lo mismo, sin que roff lo tome por una orden."""
    return f"\\&{text}" if text.startswith((".", "'")) else text
