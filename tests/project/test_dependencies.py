"""Las dependencias: las que se declaran son las que se usan, sus mínimos son ciertos y lo fijado, seguro."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import estado_eventos

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "requirements"
CONSTRAINTS = REQUIREMENTS / "constraints.txt"
"""Para pipx, que no sabe de hashes: pide que todo los tenga, también la rueda que se hace del repositorio."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DECLARED = {str(canonicalize_name(each.name)): each for each in map(Requirement, PROJECT["dependencies"])}
# La importa httpcore, que no la pide: pyproject.toml dice por qué está.
IMPORTED_BY_OTHERS = {"sniffio"}


def imported() -> set[str]:
    """Los paquetes ajenos que `src` importa, esté donde esté el `import`."""
    modules: set[str] = set()
    for source in Path(estado_eventos.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add((node.module or "").partition(".")[0])
    return modules - sys.stdlib_module_names - {"estado_eventos"}


def pins(name: str) -> dict[str, Version]:
    """Lo que fija un archivo de `requirements/`."""
    found = re.findall(r"^([a-z0-9-]+)==([^ ;]+)", (REQUIREMENTS / name).read_text(), re.MULTILINE)
    return {package: Version(version) for package, version in found}


def test_what_is_imported_is_declared_and_nothing_else() -> None:
    """`src` importa lo que declara `pyproject.toml`, ni más ni menos."""
    owners = packages_distributions()
    used = {canonicalize_name(owners[module][0]) for module in imported()}

    assert used == DECLARED.keys() - IMPORTED_BY_OTHERS


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_the_floor_is_what_is_tested(name: str) -> None:
    """Lo que prueba `make test-lowest` es el mínimo que se declara, y lo que se entrega cabe en lo declarado."""
    floors = [Version(limit.version) for limit in DECLARED[name].specifier if limit.operator == ">="]

    assert [pins("lowest.txt")[name]] == floors
    assert pins("run.txt")[name] in DECLARED[name].specifier


def test_requirements_are_pinned_by_hash_and_name_no_index() -> None:
    """Las dependencias van fijadas con su hash y sin dirección de ningún índice."""
    for path in set(REQUIREMENTS.glob("*.txt")) - {CONSTRAINTS}:
        text = path.read_text()
        assert "://" not in text, path
        for requirement in re.findall(r"^[a-z0-9].*(?:\n    --hash=\S+.*)*", text, re.MULTILINE):
            assert "==" in requirement.split("\n")[0], requirement
            assert "--hash=sha256:" in requirement, requirement


def test_the_constraints_for_pipx_are_what_is_locked() -> None:
    """`requirements/constraints.txt` dice lo mismo que `run.txt`, versión a versión, y nada más."""
    locked = re.findall(r"^([a-z0-9].*?) \\$", (REQUIREMENTS / "run.txt").read_text(), re.MULTILINE)

    assert len(locked) > 20
    assert CONSTRAINTS.read_text().splitlines() == locked
    assert all("==" in line for line in locked)
