"""Varios que escriben a la vez el mismo archivo, que mueren a medias, o que plantan lo que no es."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from estado_eventos.output.files import replace_file

_WRITE_FOREVER = """
import os, sys, threading
from pathlib import Path
from estado_eventos.output import files

def render():
    print("dentro", flush=True)
    threading.Event().wait()

files.update_file(Path(sys.argv[1]), render, 0o600)
"""


def writer(path: Path) -> subprocess.Popen[str]:
    """Un proceso que se queda a medias de escribir ese archivo."""
    process = subprocess.Popen([sys.executable, "-c", _WRITE_FOREVER, path], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline()
    return process


def test_a_thousand_deaths_leave_at_most_one(tmp_path: Path) -> None:
    """Lo que deja a medias un proceso que muere tiene siempre el mismo nombre, y el siguiente lo quita."""
    path = tmp_path / "métricas.prom"
    for _ in range(3):
        with writer(path) as process:
            process.kill()
        assert [found.name for found in tmp_path.iterdir()] == [".métricas.prom.nuevo"]

    replace_file(path, b"hecho", 0o644)

    assert [found.name for found in tmp_path.iterdir()] == ["métricas.prom"]


@pytest.mark.slow
def test_nobody_waits_forever_for_who_does_not_end(tmp_path: Path) -> None:
    """A un proceso parado a medias de escribir no se le espera más de un segundo, ni se le quita lo suyo."""
    path = tmp_path / "x"
    with writer(path) as process:
        with pytest.raises(OSError, match="otro proceso lo está escribiendo"):
            replace_file(path, b"hecho", 0o644)
        assert [found.name for found in tmp_path.iterdir()] == [".x.nuevo"]
        process.kill()


@pytest.mark.parametrize(
    "planted",
    [Path.mkdir, os.mkfifo, lambda path: path.symlink_to(path.parent / "ajeno")],
    ids=["directorio", "tubería", "enlace"],
)
def test_what_somebody_planted_is_not_written_to(tmp_path: Path, planted: Callable[[Path], object]) -> None:
    """Un enlace o una tubería con el nombre de lo temporal no se siguen: se quitan, o se dice que no se puede."""
    (tmp_path / "ajeno").write_text("intacto")
    planted(tmp_path / ".x.nuevo")

    with contextlib.suppress(OSError):
        replace_file(tmp_path / "x", b"nuestro", 0o644)

    assert (tmp_path / "ajeno").read_text() == "intacto"
    if (tmp_path / "x").exists():
        assert (tmp_path / "x").read_bytes() == b"nuestro"
        assert not (tmp_path / "x").is_symlink()


def test_who_updates_sees_what_the_one_before_wrote(tmp_path: Path) -> None:
    """Muchos que leen y escriben a la vez el mismo archivo no se pisan: no se pierde ninguno."""
    path = tmp_path / "cuenta"
    path.write_bytes(b"0")
    count = "import sys; from pathlib import Path; from estado_eventos.output.files import update_file"
    count += "; p = Path(sys.argv[1])"
    loop = "[update_file(p, lambda: str(int(p.read_bytes()) + 1).encode(), 0o600) for _ in range(40)]"
    rivals = [subprocess.Popen([sys.executable, "-c", f"{count}; {loop}", path]) for _ in range(3)]

    assert [rival.wait() for rival in rivals] == [0, 0, 0]
    assert path.read_bytes() == b"120"
    assert [found.name for found in tmp_path.iterdir()] == ["cuenta"]
