"""Lo que el diseño promete del código mismo."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import estado_eventos
from estado_eventos.domain.transitions import TRANSITIONS
from tests.support.faults import FaultyServer
from tests.support.program import environment
from tests.support.reactions import answer

PACKAGE = Path(estado_eventos.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
ROOMS = sorted(path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__")
ROOT = Path(__file__).parents[2]
# Lo que ya está al empezar es de esa instalación de Python: Debian le pone un `sitecustomize`.
_WATCH_IMPORTS = """
import sys, runpy
before = set(sys.modules)
import os
os._exit = lambda code: print(*sorted(set(sys.modules) - before))
sys.argv = ["estado-eventos", "run-once", "--quiet"]
runpy.run_module("estado_eventos", run_name="__main__")
"""


def test_imports_flow_one_way() -> None:
    """Las capas del diseño se respetan."""
    finished = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )

    assert finished.returncode == 0, finished.stdout


def test_the_contract_names_every_room() -> None:
    """El contrato de las capas nombra, una vez, cada carpeta del programa y ninguna que no esté, y vale entero."""
    (contract,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    named = [room.strip() for layer in contract["layers"] for room in layer.split("|")]

    assert sorted(named) == ROOMS
    assert contract["exhaustive"] is True
    assert {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"} == set(contract["exhaustive_ignores"])


def test_every_room_has_its_tests() -> None:
    """Cada carpeta del programa es un paquete con pruebas en la del mismo nombre."""
    assert [room for room in ROOMS if not (PACKAGE / room / "__init__.py").is_file()] == []
    assert [room for room in ROOMS if not list((ROOT / "tests" / room).glob("test_*.py"))] == []


def test_api_words_are_in_transitions_alone() -> None:
    """Los verbos y estados de la API solo están escritos en `transitions.py`."""
    words = {transition.name for transition in TRANSITIONS}
    words |= {transition.target_status for transition in TRANSITIONS}
    words |= {transition.date_field for transition in TRANSITIONS}
    for source in SOURCES:
        if source.name == "transitions.py":
            continue
        strings = {
            node.value
            for node in ast.walk(ast.parse(source.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert not strings & words, source.name
        assert not any("events-status" in string for string in strings), source.name


def test_modules_fit_in_a_head() -> None:
    """Ningún módulo pasa de 250 líneas; los de las pruebas y `tools`, tampoco."""
    sources = [*SOURCES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "tools").rglob("*.py")]
    sizes = {str(source): len(source.read_text().splitlines()) for source in sources}
    assert len(sizes) > 250

    assert {name: size for name, size in sizes.items() if size > 250} == {}


def test_the_backend_of_reference_knows_nothing_of_us() -> None:
    """El backend de referencia no importa nada de `src`: no puede heredar nuestros errores."""
    for source in (ROOT / "tests/support/reference").rglob("*.py"):
        assert not re.search(r"^\s*(from|import) estado_eventos", source.read_text(), re.MULTILINE), source


ROOMS_OF_A_QUIET_PASS = {"backend", "cli", "config", "domain", "output", "reconcile"}
PACKAGES = {"dotenv", "httpx", "pydantic", "pydantic_core", "pydantic_settings", "shellingham", "sniffio", "typer"}
# Los que traen esos por su cuenta.
PACKAGES |= {"annotated_doc", "annotated_types", "anyio", "certifi", "h11", "httpcore", "idna"}
PACKAGES |= {"typing_extensions", "typing_inspection"}
# De lo que PACKAGES trae o de la biblioteca estándar, lo que cuesta y no hace falta.
UNWANTED = {"concurrent.futures.thread", "http.server", "multiprocessing", "typer.rich_utils", "xml"}


def test_a_quiet_pass_imports_nothing_it_does_not_use() -> None:
    """Una pasada sin eventos por http no entra en las habitaciones que no usa ni carga rich, ni los monitores."""
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        env = environment(BACKEND_URL=server.url)
        # Quien mide la cobertura importa en este proceso cosas suyas.
        env = {name: value for name, value in env.items() if not name.startswith("COVERAGE")}
        finished = subprocess.run(
            [sys.executable, "-c", _WATCH_IMPORTS],
            env=env,
            cwd="/",
            check=True,
            capture_output=True,
            text=True,
        )
    loaded = set(finished.stdout.split())
    packages = {module.partition(".")[0] for module in loaded} - sys.stdlib_module_names
    rooms = {module.split(".")[1] for module in loaded if module.startswith("estado_eventos.")}

    assert rooms == ROOMS_OF_A_QUIET_PASS
    assert {package for package in packages if not package.startswith("_")} - {"estado_eventos"} <= PACKAGES
    assert loaded & UNWANTED == set()
