"""`make dist`: la rueda y el sdist de lo confirmado en git, iguales byte a byte los haga quien los haga.

Con `--test`, además ejecuta las pruebas contra la rueda recién instalada, con las fuentes fuera de su alcance.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"


def export(directory: Path) -> int:
    """Deja en el directorio lo último confirmado y devuelve su hora, en segundos de época."""
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "--extract", "--no-same-permissions"], cwd=directory, input=archive, check=True)
    shown = ["git", "log", "-1", "--format=%ct"]
    return int(subprocess.run(shown, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


def build(tree: Path, out: Path, epoch: int, env: Mapping[str, str] | None = None) -> None:
    """Hace el sdist del árbol y, de él, la rueda."""
    command = [str(Path(sys.executable).with_name("uv")), "build", "--quiet", "--offline", "--no-build-isolation"]
    command += ["--no-create-gitignore", "--python", sys.executable, "--out-dir", str(out)]
    environment = {**os.environ, **(env or {}), "SOURCE_DATE_EPOCH": str(epoch)}
    subprocess.run(command, cwd=tree, env=environment, check=True)


def install(wheel: Path, venv: Path, requirements: Path, python: str = sys.executable) -> Path:
    """Instala la rueda en un entorno virtual nuevo, con lo fijado en `requirements`, y devuelve su intérprete.

    Sin compilarlo todo: el entorno es de usar y tirar, y casi nada de él llega a importarse.
    """
    subprocess.run([python, "-m", "venv", venv], check=True)
    pip = [str(venv / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    subprocess.run([*pip, "--require-hashes", f"--requirement={requirements}"], check=True)
    subprocess.run([*pip, "--no-deps", str(wheel)], check=True)
    return venv / "bin/python"


def try_out(wheel: Path, options: Sequence[str]) -> int:
    """Ejecuta las pruebas contra la rueda instalada, lejos de las fuentes; devuelve el código de pytest."""
    with tempfile.TemporaryDirectory(prefix="estado-eventos-rueda-") as directory:
        tree, venv = Path(directory, "pruebas"), Path(directory, "venv")
        tree.mkdir()
        export(tree)
        example = tree / ".env.example"
        text = example.read_text()
        example.unlink()
        example.write_text(text)
        shutil.rmtree(tree / "src")
        python = install(wheel, venv, ROOT / "requirements/dev.txt")
        where = "import estado_eventos; print(estado_eventos.__file__)"
        found = subprocess.run([python, "-c", where], cwd=tree, check=True, capture_output=True, text=True).stdout
        if not Path(found).is_relative_to(venv):
            raise RuntimeError(f"las pruebas verían {found.strip()}, no la rueda")
        return subprocess.run([python, "-m", "pytest", *options], cwd=tree, check=False).returncode


def main(arguments: Sequence[str] | None = None) -> int:
    """Hace la versión en `dist/`; con `--test`, la prueba con las opciones de pytest que siguen."""
    parser = argparse.ArgumentParser(description="Hace la rueda y el sdist de lo confirmado en git.")
    parser.add_argument("--test", nargs=argparse.REMAINDER, metavar="OPCIÓN", help="prueba la rueda con pytest")
    options = parser.parse_args(arguments)
    shutil.rmtree(DIST, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="estado-eventos-dist-") as directory:
        build(Path(directory), DIST, export(Path(directory)))
    (wheel,) = DIST.glob("*.whl")
    sys.stdout.writelines(f"{file.relative_to(ROOT)}\n" for file in sorted(DIST.iterdir()))
    sys.stdout.flush()
    return 0 if options.test is None else try_out(wheel, options.test)


if __name__ == "__main__":
    sys.exit(main())
