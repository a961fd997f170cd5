"""Discos llenos o de solo lectura, y cortes mientras se guarda un archivo."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.faults import FaultyServer
from tests.support.inside import account
from tests.support.processes import KILL_WHILE_WRITING, POLITE, sabotage
from tests.support.program import PROGRAM, environment, run
from tests.support.reactions import answer
from tests.support.reference.server import ReferenceBackend

_DISK = """
disk=$1 out=$2; shift 2
mount -t tmpfs -o size=64k,nr_inodes=20 none "$disk"
"$@" && cp -a "$disk" "$out/antes"
eval "$SPOIL"
"$@" 2> "$out/errores"; echo $? > "$out/código"
eval "$HEAL"
cp -a "$disk" "$out/después"
"""


_SPOILED_DISKS = {
    "lleno": ('head -c 1M /dev/zero > "$disk/relleno" 2> /dev/null', 'rm "$disk/relleno"'),
    "sin inodos": ('while : > "$disk/x$((i += 1))"; do :; done 2> /dev/null', 'rm "$disk"/x*'),
    "de solo lectura": ('mount -o remount,ro "$disk"', ""),
}
"""Cómo se estropea un disco y cómo se arregla, en el intérprete de mandatos."""


@pytest.mark.slow
@pytest.mark.parametrize("state", _SPOILED_DISKS)
def test_a_spoiled_disk_keeps_the_old_files(backend: ReferenceBackend, tmp_path: Path, state: str) -> None:
    """Con el disco lleno o de solo lectura: 0, un aviso por archivo, y quedan los de antes, enteros y sin restos."""
    if os.geteuid():
        pytest.skip("Montar un disco pide ser root")
    disk, out = tmp_path / "disco", tmp_path / "fuera"
    disk.mkdir()
    out.mkdir()
    # Con tan poca vida, la segunda pasada renueva el token y quiere guardarlo.
    backend.configure(token_seconds=90)
    names = {"TOKEN_CACHE_FILE": "token", "METRICS_FILE": "estado.prom", "REPORT_FILE": "informe.json"}
    files = {variable: disk / name for variable, name in names.items()}
    spoil, heal = _SPOILED_DISKS[state]
    shell = ["unshare", "--mount", "bash", "-c", _DISK, "bash", str(disk), str(out), *PROGRAM, "run-once", "-q"]
    env = environment(**account(backend), **files, SPOIL=spoil, HEAL=heal)

    subprocess.run(shell, env=env, cwd="/", check=True, timeout=60)

    before, after = (
        {path.name: path.read_bytes() for path in (out / moment).iterdir()} for moment in ("antes", "después")
    )
    warned = [line.split(" - ", 2)[2].partition(":")[0] for line in (out / "errores").read_text().splitlines()]
    assert (out / "código").read_text() == "0\n"
    assert sorted(warned) == sorted(names)
    assert before == after
    assert sorted(after) == sorted(names.values())


@pytest.mark.parametrize("name", [POLITE[0], *(pytest.param(name, marks=pytest.mark.slow) for name in POLITE[1:])])
def test_a_signal_while_files_are_written_changes_nothing(tmp_path: Path, name: str) -> None:
    """Una señal mientras se guardan las métricas y el informe: se guardan los dos, se da el latido, y es 0."""
    files = {"METRICS_FILE": tmp_path / "estado.prom", "REPORT_FILE": tmp_path / "informe.json"}
    trap = sabotage(tmp_path / "trampa", KILL_WHILE_WRITING.format(name=name))

    with FaultyServer(lambda _: answer(200, "[]")) as server, FaultyServer(lambda _: answer(200, "OK")) as monitor:
        env = {"BACKEND_URL": server.url, "HEARTBEAT_URL": monitor.url} | files | trap
        completed = run("run-once", "--json", env=env)

    assert completed.code == 0
    assert "WARNING" not in completed.stderr
    assert json.loads(files["REPORT_FILE"].read_text()) == completed.report
    assert len(monitor.requests) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["estado.prom", "informe.json", "trampa"]


@pytest.mark.slow
def test_sigkill_while_files_are_written_keeps_the_old_ones(tmp_path: Path) -> None:
    """SIGKILL mientras se guardan: quien los lea ve los de antes, enteros; la pasada siguiente pone los suyos."""
    files = {"METRICS_FILE": tmp_path / "estado.prom", "REPORT_FILE": tmp_path / "informe.json"}
    trap = sabotage(tmp_path / "trampa", KILL_WHILE_WRITING.format(name="SIGKILL"))
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        env = {"BACKEND_URL": server.url} | files
        first = run("run-once", "--json", env=env)
        before = [path.read_bytes() for path in files.values()]
        killed = run("run-once", "--json", env=env | trap)
        after = [path.read_bytes() for path in files.values()]
        last = run("run-once", "--json", env=env)

    assert (first.code, killed.code, last.code) == (0, -signal.SIGKILL, 0)
    assert before == after
    assert json.loads(files["REPORT_FILE"].read_text()) == last.report
    assert sorted(path.name for path in tmp_path.iterdir()) == ["estado.prom", "informe.json", "trampa"]
