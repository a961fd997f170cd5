"""Los archivos que se nombran desde otros existen: mover uno no deja una comprobación que ya no comprueba nada."""

import re
import tomllib
from fnmatch import fnmatch
from itertools import chain
from pathlib import Path

import pytest

import estado_eventos

ROOT = Path(__file__).parents[2]
PACKAGE = Path(estado_eventos.__file__).parent
TOOL = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
WRITTEN = [
    *(ROOT / name for name in ("Makefile", "Dockerfile", "pyproject.toml", "crontab.example", ".env.example")),
    *chain(ROOT.glob("*.md"), ROOT.glob("docs/*.md"), ROOT.glob(".github/**/*.yml"), ROOT.glob("kubernetes/**/*.yaml")),
    *ROOT.glob(".ci/*"),
]
NAMED = r"(?<![\w/.-])(?:src|tests|tools|docs|requirements|systemd|prometheus|kubernetes)/[\w./-]*\w"
needs_sources = pytest.mark.skipif(not (ROOT / "src").exists(), reason="aquí no hay fuentes: se prueba una rueda")


def expanded(pattern: str) -> list[str]:
    """Un patrón sin llaves por cada posibilidad de las suyas."""
    if not (braces := re.search(r"\{(.+?)\}", pattern)):
        return [pattern]
    return [pattern.replace(braces[0], choice) for choice in braces[1].split(",")]


@pytest.mark.parametrize("file", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_it_names_exists(file: Path) -> None:
    """Cada archivo o directorio nuestro que nombra la documentación, la configuración o un guion está donde dice."""
    named = set(re.findall(NAMED, file.read_text()))
    found = {
        path: PACKAGE.parent / path.removeprefix("src/") if path.startswith("src/") else ROOT / path for path in named
    }

    assert [path for path, place in found.items() if not place.exists()] == []
    assert named or file.name not in {"Makefile", "Dockerfile", "CONTRIBUTING.md", "run", "fiabilidad.md"}


@needs_sources
@pytest.mark.parametrize("pattern", TOOL["ruff"]["lint"]["per-file-ignores"])
def test_every_exception_to_the_style_is_for_some_file(pattern: str) -> None:
    """Ninguna excepción de ruff es para un archivo que ya no está."""
    assert all(any(ROOT.glob(each)) for each in expanded(pattern)), pattern


def test_what_is_left_out_of_the_coverage_is_there() -> None:
    """De lo que no cuenta para la cobertura, lo nuestro existe."""
    ours, copies = TOOL["coverage"]["report"]["omit"]

    assert [str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if fnmatch(str(path), ours)] == [
        "schedule/systemd.py"
    ]
    assert "pytest-of-" in copies


@needs_sources
def test_everything_that_is_shipped_is_there() -> None:
    """Lo que pyproject.toml dice que va en la rueda y en el sdist existe."""
    targets = TOOL["hatch"]["build"]["targets"]
    shipped = [*targets["wheel"]["packages"], *targets["wheel"]["shared-data"], *targets["sdist"]["include"]]

    assert [path for path in shipped if not (ROOT / path.lstrip("/")).exists()] == []
