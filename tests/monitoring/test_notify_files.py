"""Los archivos de los monitores: el disco que falla, se llena o no contesta no estorba a la pasada."""

import ctypes
import json
import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from estado_eventos import __version__
from tests.support.faults import FaultyServer
from tests.support.inside import run_inside
from tests.support.monitors import (
    denied,
    empty_lists,
    files,
    ok,
    samples,
    warnings,
)
from tests.support.program import run, start, wait
from tests.support.reactions import Rule


def _nothing_there(path: Path) -> Path:
    return path / "no" / "existe"


def _directory(path: Path) -> Path:
    return path


def _fifo(path: Path) -> Path:
    os.mkfifo(path / "tubería")
    return path / "tubería"


def _link(path: Path) -> Path:
    (path / "ajeno").write_text("de otro")
    (path / "enlace").symlink_to(path / "ajeno")
    return path / "enlace"


def _pseudo_file(_path: Path) -> Path:
    return Path("/proc/estado")


def _obey_permissions() -> None:
    """Que root se atenga a los permisos: le quita CAP_DAC_OVERRIDE al proceso hijo (a los demás no les cambia nada)."""
    pr_capbset_drop, cap_dac_override = 24, 1
    ctypes.CDLL(None).prctl(pr_capbset_drop, cap_dac_override)


def _no_room() -> None:
    """Ningún archivo puede pasar de 100 bytes, como en un disco lleno."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


@pytest.mark.parametrize(("variable", "rule", "code"), [("METRICS_FILE", empty_lists, 0), ("REPORT_FILE", denied, 77)])
@pytest.mark.parametrize("place", [_nothing_there, _directory, _fifo, _link, _pseudo_file])
def test_a_file_that_cannot_be_written_is_one_warning(
    tmp_path: Path, variable: str, rule: Rule, code: int, place: Callable[[Path], Path]
) -> None:
    """Un archivo que no se puede escribir es un aviso: ni cambia el código, ni lo que hubiera, ni calla a los demás."""
    spoiled = tmp_path / "roto"
    spoiled.mkdir()
    path = place(spoiled)
    before = sorted(found.name for found in spoiled.iterdir())
    with FaultyServer(rule) as server, FaultyServer(ok) as monitor:
        env = {"BACKEND_URL": server.url, "HEARTBEAT_URL": monitor.url} | files(tmp_path) | {variable: path}
        completed = run_inside("run-once", **env)

    (warning,) = warnings(completed)
    assert completed.code == code
    assert warning.startswith(f"{variable}: no se puede escribir en {path}: ")
    assert len(monitor.requests) == 1
    assert sum(found.is_file() for found in tmp_path.iterdir()) == 1
    assert sorted(found.name for found in spoiled.iterdir()) == before
    assert path.name != "enlace" or (spoiled / "ajeno").read_text() == "de otro"


@pytest.mark.parametrize(("variable", "rule", "code"), [("METRICS_FILE", empty_lists, 0), ("REPORT_FILE", denied, 77)])
def test_a_directory_without_permission_is_one_warning(tmp_path: Path, variable: str, rule: Rule, code: int) -> None:
    """Un directorio donde esta cuenta no puede escribir es un aviso, y lo demás se hace igual."""
    (tmp_path / "ajeno").mkdir(mode=0o555)
    path = tmp_path / "ajeno" / "estado"
    with FaultyServer(rule) as server, FaultyServer(ok) as monitor:
        env = {"BACKEND_URL": server.url, "HEARTBEAT_URL": monitor.url} | files(tmp_path) | {variable: path}
        completed = run("run-once", env=env, preexec_fn=_obey_permissions)

    assert (completed.code, len(monitor.requests)) == (code, 1)
    assert warnings(completed) == [f"{variable}: no se puede escribir en {path}: Permission denied"]
    assert sum(found.is_file() for found in tmp_path.rglob("*")) == 1


def test_a_full_disk_keeps_the_old_files(tmp_path: Path) -> None:
    """Con el disco lleno quedan los archivos anteriores, enteros, y ningún resto."""
    with FaultyServer(empty_lists) as server:
        env = {"BACKEND_URL": server.url} | files(tmp_path)
        run_inside("run-once", **env)
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        # Sin cobertura, que también escribe un archivo.
        full = run("run-once", env=env | {"COVERAGE_PROCESS_CONFIG": ""}, preexec_fn=_no_room)

    assert full.code == 0
    assert [warning.partition(":")[0] for warning in sorted(warnings(full))] == ["METRICS_FILE", "REPORT_FILE"]
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.slow
def test_a_hung_disk_delays_nothing(tmp_path: Path) -> None:
    """Un disco que no contesta se abandona a su tiempo, con un aviso por archivo, y el latido se da igual."""
    hang = tmp_path / "cuelga"
    hang.mkdir()
    (hang / "sitecustomize.py").write_text("import os, time\nos.replace = lambda *_, **__: time.sleep(30)\n")
    with FaultyServer(empty_lists) as server, FaultyServer(ok) as monitor:
        env = {"BACKEND_URL": server.url, "HEARTBEAT_URL": monitor.url, "PYTHONPATH": hang} | files(tmp_path)
        completed = run("run-once", env=env, timeout=15)

    assert completed.code == 0
    assert sorted(warnings(completed)) == [
        "METRICS_FILE: no contesta; no se espera más",
        "REPORT_FILE: no contesta; no se espera más",
    ]
    assert len(monitor.requests) == 1


@pytest.mark.slow
def test_passes_at_once_never_tear_the_files(tmp_path: Path) -> None:
    """Mientras varias pasadas escriben los archivos, quien los lea los ve siempre enteros."""
    seen = 0
    with FaultyServer(empty_lists) as server:
        env = {"BACKEND_URL": server.url} | files(tmp_path)
        run("run-once", env=env)
        for _ in range(3):
            rivals = [start("run-once", env=env) for _ in range(3)]
            while any(rival.poll() is None for rival in rivals):
                assert json.loads((tmp_path / "informe.json").read_text())["exit_code"] == 0
                assert samples((tmp_path / "estado.prom").read_text())["build_info", __version__] == 1
                seen += 1
            assert [wait(rival).code for rival in rivals] == [0, 0, 0]

    assert seen > 0
    assert len(list(tmp_path.iterdir())) == 2
