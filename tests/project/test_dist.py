"""Lo que se publica: la rueda y el sdist, reproducibles, completos y que funcionan en cada Python prometido."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.metadata import Metadata
from readme_renderer.markdown import render

from estado_eventos import __version__
from tests.support.endpoint import HEALTH, Activation, Reply
from tests.support.inside import account
from tests.support.monitors import samples
from tests.support.program import environment
from tests.support.reference.server import ReferenceBackend
from tools import dist

pytestmark = pytest.mark.skipif(not (dist.ROOT / "src").exists(), reason="aquí no hay fuentes: se prueba una rueda")
PROJECT = tomllib.loads((dist.ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = [line.split()[-1] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)]
_SHIPPED = {
    *("estado_eventos/py.typed", "estado_eventos/config/env.example"),
    *(str(path.relative_to(dist.ROOT / "src")) for path in (dist.ROOT / "src/estado_eventos").rglob("*.py")),
    "estado_eventos-{version}.data/data/share/estado-eventos/crontab.example",
    "estado_eventos-{version}.data/data/share/estado-eventos/prometheus/alerts.yml",
    "estado_eventos-{version}.data/data/share/estado-eventos/grafana/estado-eventos.json",
    "estado_eventos-{version}.data/data/share/man/man1/estado-eventos.1",
    *(
        f"estado_eventos-{{version}}.data/data/share/estado-eventos/systemd/{path.name}"
        for path in (dist.ROOT / "systemd").iterdir()
    ),
    *(f"estado_eventos-{{version}}.dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """La rueda y el sdist de lo confirmado."""
    tree, out = tmp_path_factory.mktemp("árbol"), tmp_path_factory.mktemp("dist")
    dist.build(tree, out, dist.export(tree))
    return next(out.glob("*.whl")), next(out.glob("*.tar.gz"))


def digests(directory: Path) -> dict[str, str]:
    """El SHA-256 de cada archivo."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()}


@pytest.mark.slow
def test_two_builds_are_the_same_bytes(tmp_path: Path) -> None:
    """Dos personas, en otro directorio, con otra umask, otra hora local y otro idioma, obtienen los mismos archivos."""
    made = []
    for name, umask, env in (("uno", 0o022, {"TZ": "UTC"}), ("otro", 0o077, {"TZ": "Asia/Tokyo", "LC_ALL": "C"})):
        tree, out = tmp_path / name / "árbol", tmp_path / name / "dist"
        tree.mkdir(parents=True)
        epoch = dist.export(tree)
        for path in tree.rglob("*"):
            if not path.is_symlink():
                path.chmod((0o777 if path.is_dir() or path.stat().st_mode & 0o100 else 0o666) & ~umask)
        dist.build(tree, out, epoch, env)
        made.append(digests(out))

    assert made[0] == made[1]
    assert sorted(path.rpartition(".")[2] for path in made[0]) == ["gz", "whl"]


def test_the_wheel_has_what_it_needs_and_nothing_else(built: tuple[Path, Path]) -> None:
    """La rueda lleva el paquete entero, sus unidades y ejemplos; ni pruebas ni nada suelto."""
    with ZipFile(built[0]) as wheel:
        names = set(wheel.namelist())

    assert names == {name.format(version=__version__) for name in _SHIPPED}


def test_the_sdist_is_enough_to_build_and_test(built: tuple[Path, Path]) -> None:
    """El sdist lleva también las pruebas, la documentación, lo fijado y el Makefile."""
    with tarfile.open(built[1]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    tracked = subprocess.run(["git", "ls-files"], cwd=dist.ROOT, check=True, capture_output=True, text=True).stdout

    assert {name for name in tracked.splitlines() if not name.startswith(".ci/")} - names == set()


def test_the_metadata_is_valid_and_the_readme_renders(built: tuple[Path, Path]) -> None:
    """Los metadatos cumplen la especificación y el README se ve como página, que es lo que mira `twine check`."""
    with ZipFile(built[0]) as wheel:
        raw = wheel.read(f"estado_eventos-{__version__}.dist-info/METADATA")
    metadata = Metadata.from_email(raw, validate=True)
    page = render(metadata.description or "")

    assert (metadata.name, str(metadata.version)) == ("estado-eventos", __version__)
    assert str(metadata.requires_python) == PROJECT["requires-python"]
    assert metadata.description_content_type == "text/markdown"
    assert page
    assert re.search(r"<h1.*?>estado-eventos<", page)
    assert "<code>CONFIG</code>" in page


def find_python(version: str) -> str | None:
    """Un intérprete de esa versión: el del PATH, el de pyenv o el de uv."""
    uv = str(Path(sys.executable).with_name("uv"))
    asked = (
        ([f"python{version}", "-c", "import sys; print(sys.executable)"], ""),
        (["pyenv", "prefix", version], f"/bin/python{version}"),
        ([uv, "python", "find", "--no-python-downloads", "--managed-python", version], ""),
    )
    for command, suffix in asked:
        if shutil.which(command[0]):
            answer = subprocess.run(command, check=False, capture_output=True, text=True)
            if answer.returncode == 0:
                return answer.stdout.strip() + suffix
    return None


@pytest.fixture(scope="module", params=PYTHONS)
def program(
    request: pytest.FixtureRequest, built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """El programa instalado con pip, desde su rueda, en un entorno virtual de esa versión de Python."""
    python = find_python(request.param)
    if python is None:
        pytest.skip(f"no hay ningún Python {request.param}: ni en el PATH, ni en pyenv, ni en uv")
    venv = tmp_path_factory.mktemp("venv")
    dist.install(built[0], venv, dist.ROOT / "requirements/run.txt", python)
    yield venv / "bin/estado-eventos"
    shutil.rmtree(venv)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_wheel_works_on_every_python_we_promise(program: Path, backend: ReferenceBackend, tmp_path: Path) -> None:
    """Instalado con pip mueve los eventos, escribe métricas, contesta por HTTP y enseña sus unidades."""
    backend.add_events(due_start=2, due_finish=1, future=1, public_ids=["a", "b", "c", "d"])
    empty = tmp_path / "vacío.env"
    empty.touch()
    files = {"METRICS_FILE": tmp_path / "eventos.prom", "REPORT_FILE": tmp_path / "informe.json"}

    def ask(*arguments: str) -> str:
        command = [str(program), f"--env-file={empty}", *arguments]
        env = environment(**account(backend), **files)
        done = subprocess.run(command, env=env, cwd="/", capture_output=True, encoding="utf-8", check=False)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
        return done.stdout

    assert ask("--version") == f"estado-eventos {__version__}\n"
    assert json.loads(ask("run-once", "--json"))["transitions"]["start"]["done"] == 2
    assert backend.states() == {"a": "en_progreso", "b": "en_progreso", "c": "completado", "d": "programado"}
    assert samples(files["METRICS_FILE"].read_text())["last_exit_code",] == 0
    assert ask("health", "--json") == '{"status": "ok"}\n'
    with Activation(files, command=[str(program), "http"]) as server:
        assert Reply.read(server.exchange(HEALTH)).json == {"status": "ok"}
        server.terminate()
    assert "[Timer]" in ask("schedule", "show", "systemd")
