"""Lo que encuentra el diagnóstico: datos congelados de los que salen las líneas, el JSON y el código de salida."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from estado_eventos.domain.exit_codes import ExitCode, gravest
from estado_eventos.output.summary import Item, View
from estado_eventos.output.tables import Cell

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

    def to_item(self) -> Item:
        """El hallazgo en una línea, o en dos celdas: su signo y lo demás."""
        line = f"{self.level.mark} {self.message}" + (f" → {self.cure}" if self.cure else "")
        words = [Cell(self.message, "red" if self.level is Level.ERROR else "")]
        if self.cure:
            words.append(Cell(f"\n→ {self.cure}", "bold"))
        return Item(line, (Cell(self.level.mark, self.level.color), words))

    def to_dict(self) -> dict[str, str | None]:
        """Sus claves en la versión 1 del esquema."""
        return {"level": self.level.value, "topic": self.topic, "message": self.message, "cure": self.cure}


def good(topic: str, message: str) -> Finding:
    """Algo que está bien, o que solo conviene saber."""
    return Finding(Level.OK, topic, message)


def problem(topic: str, message: str, cure: str, code: ExitCode = ExitCode.OK) -> Finding:
    """Algo que está mal y cómo se cura: un error si una pasada acabaría con `code`, y si no, un aviso."""
    return Finding(Level.ERROR if code else Level.WARNING, topic, message, cure, code)


@dataclass(frozen=True, slots=True)
class Diagnosis(View):
    """Todo lo que se ha mirado."""

    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> ExitCode:
        """El código con que acabaría una pasada: el del error más grave."""
        return gravest(finding.code for finding in self.findings)

    def to_dict(self) -> Mapping[str, Any]:
        """Las claves de `check --json`."""
        findings = [finding.to_dict() for finding in self.findings]
        return {"schema": SCHEMA, "exit_code": int(self.exit_code), "findings": findings}

    def items(self) -> Iterator[Item]:
        """Un hallazgo tras otro."""
        return (finding.to_item() for finding in self.findings)

    def closing(self) -> Sequence[str]:
        """El veredicto."""
        levels = [finding.level for finding in self.findings]
        counts = ((levels.count(Level.ERROR), "error(es)"), (levels.count(Level.WARNING), "aviso(s)"))
        words = " y ".join(f"{count} {name}" for count, name in counts if count)
        code = self.exit_code
        if code:
            return (f"{words}: una pasada acabaría ahora con {int(code)} ({code.name}).",)
        return (f"Sin errores, {words}." if words else "Todo en orden.",)
