"""Los flujos de GitHub Actions, que aquí no se ejecutan: que valgan, que sean prudentes y que hagan lo de make."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import estado_eventos

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
Job = dict[str, Any]


def judge(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Lo que dice una herramienta de las que instala requirements/dev.txt."""
    command = [str(Path(sys.executable).with_name(program)), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=60)


def jobs() -> dict[str, Job]:
    """Los trabajos de todos los flujos, por flujo y nombre."""
    return {
        f"{path.stem}/{name}": job
        for path in WORKFLOWS
        for name, job in yaml.safe_load(path.read_text())["jobs"].items()
    }


def commands() -> str:
    """Todo lo que ejecutan, seguido."""
    return "\n".join(step["run"] for job in jobs().values() for step in job.get("steps", []) if "run" in step)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ("vendor.github-workflows", WORKFLOWS),
        ("custom.github-workflows-require-timeout", WORKFLOWS),
        ("vendor.dependabot", [GITHUB / "dependabot.yml"]),
    ],
)
def test_they_are_valid(schema: str, paths: list[Path]) -> None:
    """Son lo que GitHub entiende, y ningún trabajo puede quedarse colgado."""
    judged = judge("check-jsonschema", "--builtin-schema", schema, *paths)

    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_they_are_prudent() -> None:
    """El analizador de flujos no encuentra nada: ni permisos de sobra, ni credenciales a la vista."""
    judged = judge("zizmor", "--offline", "--no-progress", "--strict-collection", GITHUB)

    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_they_call_what_there_is() -> None:
    """Cada `make` es de un objetivo que existe, y cada guion también."""
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = set(re.findall(r"\bmake ([a-z0-9-]+)", commands()))
    scripts = re.findall(r"\bbash (\S+)", commands())

    assert called >= {"check", "dist"}
    assert called - targets == set()
    assert scripts
    assert all((ROOT / script).is_file() for script in scripts)


def test_every_promised_python_is_tested() -> None:
    """Se prueba con cada Python que promete `pyproject.toml`."""
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    promised = [words[-1] for line in classifiers if re.search(r":: 3\.\d+$", line) and (words := line.split())]

    assert jobs()["tests/check"]["strategy"]["matrix"]["python"] == promised


def test_only_the_last_step_can_publish() -> None:
    """Solo `publish` tiene identidad, y no ejecuta nada nuestro; no hay contraseñas ni tokens guardados."""
    with_identity = {name for name, job in jobs().items() if "id-token" in job.get("permissions", {})}

    assert with_identity == {"release/publish"}
    publish = jobs()["release/publish"]
    assert publish["environment"]
    assert all("run" not in step for step in publish["steps"])
    assert not any("secrets." in path.read_text() for path in WORKFLOWS)


def test_every_job_may_do_the_least() -> None:
    """De fábrica nada; cada trabajo, leer el repositorio; y el que publica, firmar con su identidad y nada más."""
    permissions = {name: job["permissions"] for name, job in jobs().items()}
    publish = permissions.pop("release/publish")

    assert [yaml.safe_load(path.read_text())["permissions"] for path in WORKFLOWS] == [{}] * len(WORKFLOWS)
    assert list(permissions.values()) == [{"contents": "read"}] * len(permissions)
    assert publish == {"id-token": "write", "attestations": "write"}


def test_the_version_of_the_tag_is_checked(tmp_path: Path) -> None:
    """El paso que compara la etiqueta con la versión acepta la de `__init__.py` y ninguna otra."""
    source = tmp_path / "src/estado_eventos/__init__.py"
    source.parent.mkdir(parents=True)
    shutil.copy(estado_eventos.__file__, source)
    (check,) = [line for line in commands().splitlines() if "GITHUB_REF_NAME" in line]

    def accepts(tag: str) -> bool:
        env = {"GITHUB_REF_NAME": tag, "PATH": "/usr/bin:/bin"}
        return subprocess.run(["bash", "-c", check], cwd=tmp_path, env=env, check=False).returncode == 0

    version = estado_eventos.__version__
    assert [tag for tag in (f"v{version}", f"v{version}1", "v9.9.9", "v") if accepts(tag)] == [f"v{version}"]
