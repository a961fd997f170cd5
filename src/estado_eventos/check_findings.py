"""Lo que encuentra el diagnóstico: datos congelados de los que salen las líneas, el JSON y el código de salida."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from estado_eventos import terminal
from estado_eventos.report import ExitCode, gravest

SCHEMA = 1


class Level(StrEnum):
    """Lo grave que es un hallazgo; con `ERROR`, una pasada no saldría bien."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"

    @property
    def mark(self) -> str:
        """El signo con que empieza su línea."""
        return {Level.OK: "✓", Level.WARNING: "!", Level.ERROR: "✗"}[self]

    @property
    def color(self) -> str:
        """Su color en un terminal."""
        return {Level.OK: "green", Level.WARNING: "yellow", Level.ERROR: "red"}[self]


@dataclass(frozen=True, slots=True)
class Finding:
    """Una cosa que se ha mirado: cómo está y, si está mal, el mandato o la variable que la cura (`cure`).

    `topic` es su clave para un programa; `code`, el código con que acabaría por su culpa una pasada.
    """

    level: Level
    topic: str
    message: str
    cure: str | None = None
    code: ExitCode = ExitCode.OK

    @property
    def line(self) -> str:
        """El hallazgo en una línea."""
        return f"{self.level.mark} {self.message}" + (f" → {self.cure}" if self.cure else "")

    def to_dict(self) -> dict[str, str | None]:
        """Sus claves en la versión 1 del esquema."""
        return {"level": self.level.value, "topic": self.topic, "message": self.message, "cure": self.cure}


def good(topic: str, message: str) -> Finding:
    """Algo que está bien, o que solo conviene saber."""
    return Finding(Level.OK, topic, message)


def problem(topic: str, message: str, cure: str, code: ExitCode = ExitCode.OK) -> Finding:
    """Algo que está mal y cómo se cura: un error si una pasada acabaría con `code`, y si no, un aviso."""
    return Finding(Level.ERROR if code else Level.WARNING, topic, message, cure, code)


def exit_code(findings: Sequence[Finding]) -> ExitCode:
    """El código con que acabaría una pasada: el del error más grave."""
    return gravest(finding.code for finding in findings)


def show(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Enseña los hallazgos: en JSON, con color en un terminal o, en una tubería, cada uno en su línea."""
    if as_json:
        content = [finding.to_dict() for finding in findings]
        envelope = {"schema": SCHEMA, "exit_code": int(exit_code(findings)), "findings": content}
        terminal.write_json(envelope)
    elif sys.stdout is not None and sys.stdout.isatty():
        _print(findings)
    else:
        terminal.write([finding.line for finding in findings])
        terminal.write([_verdict(findings)])


def _verdict(findings: Sequence[Finding]) -> str:
    levels = [finding.level for finding in findings]
    counts = ((levels.count(Level.ERROR), "error(es)"), (levels.count(Level.WARNING), "aviso(s)"))
    words = " y ".join(f"{count} {name}" for count, name in counts if count)
    code = exit_code(findings)
    if code:
        return f"{words}: una pasada acabaría ahora con {int(code)} ({code.name})."
    return f"Sin errores, {words}." if words else "Todo en orden."


def _print(findings: Sequence[Finding]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1))
    for finding in findings:
        table.add_row(Text(finding.level.mark, finding.level.color), Text.assemble(*_parts(finding)))
    console = terminal.console()
    console.print(table)
    console.print(Text(_verdict(findings), "bold"))


def _parts(finding: Finding) -> Iterator[tuple[str, str]]:
    yield finding.message, "red" if finding.level is Level.ERROR else ""
    if finding.cure:
        yield f"\n→ {finding.cure}", "bold"
