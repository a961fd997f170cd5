"""La simulación sirve si falla: cada programa roto a propósito rompe en ella la promesa que tiene que romper."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import estado_eventos
from tests.simulation.mutations import MUTATIONS, Mutation
from tests.simulation.verdict import PROMISES

_ROOT = Path(__file__).parents[2]
_WORLDS = 5000


def break_it(mutation: Mutation, directory: Path) -> Path:
    """Una copia del programa con ese cambio; es el directorio que hay que poner en `PYTHONPATH`."""
    package = directory / "src" / "estado_eventos"
    shutil.copytree(Path(estado_eventos.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    path = package / mutation.path
    text = path.read_text()
    for before, after in mutation.changes:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    path.write_text(text)
    return package.parent


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_each_mutation_is_caught(mutation: Mutation, tmp_path: Path) -> None:
    """En menos de cinco mil mundos se rompe esa promesa, y se dice cómo verlo."""
    command = [sys.executable, "-m", "tests.simulation", "--worlds", str(_WORLDS), "--first", mutation.promise]
    command += ["--start", str(mutation.first), "--jobs", "1"]
    environment = {**os.environ, "PYTHONPATH": str(break_it(mutation, tmp_path))}
    completed = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=False)

    assert completed.returncode == 1, completed.stdout[-2000:]
    assert f"# {mutation.promise}: " in completed.stdout
    assert completed.stdout.startswith("make simulate SEED=")


def test_every_promise_can_be_broken() -> None:
    """Cada promesa tiene un programa que la rompe."""
    assert {mutation.promise for mutation in MUTATIONS.values()} == {promise.__name__ for promise in PROMISES}
