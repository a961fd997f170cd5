"""El archivo de texto de Prometheus, que varios trabajos comparten: cada uno cambia sus series y conserva las demás."""

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

PREFIX = "estado_eventos_"
_MAX_LINE = 16 << 10
"""Ninguna línea nuestra es tan larga: analizar una de megas costaría los segundos que se les da a los monitores."""
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Family:
    """Una métrica: su nombre sin prefijo, de qué clase es y qué dice. El de un contador acaba en `_total`."""

    name: str
    kind: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Sample:
    """Un valor de una métrica. `suffix` es lo que un histograma pone detrás de su nombre."""

    family: Family
    value: float
    labels: Labels = frozenset()
    suffix: str = ""


@dataclass(slots=True)
class Textfile:
    """Lo que hay en el archivo, repartido: lo que dijo la última vez este trabajo y lo que dijeron los demás.

    Un trabajo es quien tiene las mismas etiquetas `name` y `shard`. De un archivo que no se entiende no se cree nada.
    """

    owner: Mapping[str, str]
    read_at: float = field(default_factory=time.time)
    """Cuándo se leyó, en segundos desde 1970."""
    _mine: dict[tuple[str, Labels], float] = field(default_factory=dict)
    _others: dict[str, Metric] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str, owner: Mapping[str, str]) -> "Textfile":
        """El archivo con ese texto, visto por ese trabajo."""
        file = cls(owner)
        for family in _families(text):
            kept = Metric(family.name, family.documentation, family.type)
            seen: set[tuple[str, Labels]] = set()
            for name, labels, value, *_ in family.samples:
                if not _is_ours(name, labels) or (name, frozenset(labels.items())) in seen:
                    continue
                seen.add((name, frozenset(labels.items())))
                if owner.items() <= labels.items():
                    file._mine[name.removeprefix(PREFIX), frozenset(labels.items() - owner.items())] = value
                else:
                    kept.add_sample(name, labels, value)
            if kept.samples:
                file._others[kept.name] = kept
        return file

    def value(self, name: str, labels: Labels = frozenset()) -> float | None:
        """Lo que dijo este trabajo en esa serie, si lo dijo."""
        return self._mine.get((name, labels))

    def replaced_by(self, samples: Iterable[Sample]) -> bytes:
        """El archivo con esto en lugar de lo que dijo este trabajo."""
        families = dict(self._others)
        described: set[str] = set()
        for sample in samples:
            name = PREFIX + sample.family.name
            # La biblioteca pone ella el `_total` de los contadores.
            key = name.removesuffix("_total") if sample.family.kind == "counter" else name
            if key not in described:
                described.add(key)
                fresh = Metric(key, sample.family.meaning, sample.family.kind)
                # Una métrica se describe una vez, también si los demás son de otra versión.
                fresh.samples = families[key].samples if key in families else []
                families[key] = fresh
            families[key].add_sample(name + sample.suffix, dict(sample.labels) | dict(self.owner), sample.value)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collector(families.values()))
        return generate_latest(registry)


class _Collector(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = tuple(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def _families(text: str) -> Iterable[Metric]:
    if any(len(line) > _MAX_LINE for line in text.splitlines()):
        return []
    try:
        return list(text_string_to_metric_families(text))
    except Exception:  # noqa: BLE001  El analizador no dice qué lanza, y de un archivo estropeado no depende nada.
        return []


def _is_ours(name: str, labels: Mapping[str, str]) -> bool:
    """Si es una serie de este programa y dice de qué trabajo; lo demás del archivo estropearía lo que se lee de él."""
    names = (name, *labels)
    return name.startswith(PREFIX) and {"name", "shard"} <= labels.keys() and all(map(_NAME.fullmatch, names))
