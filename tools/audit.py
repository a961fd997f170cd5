"""Si lo que está fijado en `requirements/` tiene vulnerabilidades conocidas: `python -m tools.audit`.

Acaba con 1 si las hay. Si no se puede saber, lo dice («no comprobado: …») y no estorba: una base de datos que no
contesta no hace malo al programa. pip-audit no distingue «no hay ninguna» de «no lo sé», así que antes se le pregunta
por un testigo: una versión que se sabe vulnerable.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from estado_eventos.domain.text import printable

_ROOT = Path(__file__).parents[1]
LOCKS = (_ROOT / "requirements/dev.txt", _ROOT / "requirements/e2e.txt")
WITNESS = "jinja2==2.10"
_PATIENCE_SECONDS = 300


class UncheckedError(Exception):
    """No se pudo saber; el mensaje dice por qué."""


def find(files: Sequence[Path], *options: str) -> list[str]:
    """Las vulnerabilidades conocidas de lo fijado en los archivos, una frase por cada una; lanza `UncheckedError`."""
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service=osv", "--disable-pip", *options]
    command += ["--format=json", "--aliases=on", "--progress-spinner=off", *(f"--requirement={file}" for file in files)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise UncheckedError(f"no acabó en {_PATIENCE_SECONDS} s") from None
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, TypeError, KeyError):
        # De una cadena de excepciones, la primera es la causa.
        causes = re.findall(r"^[\w.]*(?:Error|Exception|Timeout): .+", done.stderr, re.MULTILINE)
        raise UncheckedError(printable([*causes, done.stderr][0])) from None
    if skipped := [package for package in found if "skip_reason" in package]:
        raise UncheckedError(f"{skipped[0]['name']}: {skipped[0]['skip_reason']}")
    return [_sentence(package, flaw) for package in found for flaw in package["vulns"]]


def _ask_for_the_witness(*options: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "testigo.txt")
        file.write_text(f"{WITNESS}\n")
        if not find([file], *options, "--no-deps"):
            raise UncheckedError(f"no conoce ninguna vulnerabilidad de {WITNESS}, que las tiene")


def _sentence(package: dict[str, Any], flaw: dict[str, Any]) -> str:
    names = ", ".join([flaw["id"], *flaw["aliases"]])
    cure = f"se arregla en {', '.join(flaw['fix_versions'])}" if flaw["fix_versions"] else "aún no tiene arreglo"
    return f"{package['name']} {package['version']}: {names}; {cure}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Dice lo que hay y acaba con 1 si hay algo."""
    parser = argparse.ArgumentParser(description="Busca vulnerabilidades conocidas en lo fijado.")
    parser.add_argument("--osv-url", help="a quién se le pregunta, en vez de a la base de datos OSV pública")
    parser.add_argument("files", nargs="*", type=Path, default=LOCKS, help="archivos de requisitos con sus hash")
    options = parser.parse_args(arguments)
    service = [f"--osv-url={options.osv_url}"] if options.osv_url else []
    try:
        _ask_for_the_witness(*service)
        flaws = find(options.files, *service, "--require-hashes")
    except UncheckedError as reason:
        sys.stdout.write(f"no comprobado: vulnerabilidades de las dependencias: {reason}\n")
        return 0
    names = ", ".join(file.name for file in options.files)
    sys.stdout.writelines(f"✗ {flaw}\n" for flaw in flaws)
    sys.stdout.write(f"{len(flaws)} vulnerabilidad(es) conocida(s) en {names}\n")
    return 1 if flaws else 0


if __name__ == "__main__":
    sys.exit(main())
