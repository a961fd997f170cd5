"""Lo que una pasada deja a quien contesta por HTTP."""

import os
from pathlib import Path

import pytest

from estado_eventos.monitoring.handover import EndpointConfig, read_handover
from tests.support.faults import FaultyServer
from tests.support.inside import run_inside
from tests.support.reactions import answer


def test_what_is_left_is_what_is_read(tmp_path: Path, report_file: Path, metrics_file: Path) -> None:
    """Lo que se deja se lee igual, con el archivo de métricas o sin él."""
    for left in (EndpointConfig(600, report_file, metrics_file), EndpointConfig(60, report_file)):
        (tmp_path / "http.json").write_bytes(left.to_json())

        assert read_handover({"STATE_DIRECTORY": str(tmp_path)}) == left


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        *(
            b'{"interval_seconds": %b, "report_file": "/otro", "metrics_file": null}' % interval
            for interval in (b'"60"', b"true", b"1e999", b"0", b"-1", b"9" * 5000)
        ),
    ],
)
def test_what_makes_no_sense_is_the_default(tmp_path: Path, report_file: Path, content: bytes) -> None:
    """Lo que no se entiende es lo de fábrica, con el informe en su sitio de siempre."""
    (tmp_path / "http.json").write_bytes(content)

    assert read_handover({"STATE_DIRECTORY": str(tmp_path)}) == EndpointConfig(60, report_file)


def test_a_pipe_there_keeps_nobody_waiting(tmp_path: Path, report_file: Path) -> None:
    """Una tubería en su sitio no deja esperando a quien lee ni a la pasada, que avisa de que no puede."""
    os.mkfifo(tmp_path / "http.json")

    assert read_handover({"STATE_DIRECTORY": str(tmp_path)}) == EndpointConfig(60, report_file)
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        env = {"BACKEND_URL": server.url, "REPORT_FILE": report_file, "STATE_DIRECTORY": tmp_path}
        completed = run_inside("run-once", **env)
    assert completed.code == 0
    assert f"STATE_DIRECTORY: no se puede escribir en {tmp_path}/http.json: no es un archivo normal" in completed.stderr
    assert report_file.exists()


def test_what_is_left_has_no_secrets_and_is_written_once(tmp_path: Path, report_file: Path) -> None:
    """Lo puede leer cualquiera de la máquina: cada cuánto y dónde están los archivos; y si no cambia no se escribe."""
    left, inodes = tmp_path / "http.json", set()
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        env = {"BACKEND_URL": server.url, "REPORT_FILE": report_file, "STATE_DIRECTORY": tmp_path}
        for _ in range(2):
            run_inside("run-once", BACKEND_JWT_TOKEN="un.token.largo", HEARTBEAT_URL=f"{server.url}/secreto", **env)
            inodes.add(left.stat().st_ino)

    said = f'{{"interval_seconds": 60, "report_file": "{report_file}", "metrics_file": null}}\n'
    assert (left.read_text(), left.stat().st_mode & 0o777) == (said, 0o644)
    assert len(inodes) == 1


def test_the_units_of_before_still_work(report_file: Path, metrics_file: Path) -> None:
    """Con una unidad que llevaba todo escrito, mientras no se instala otra vez, vale lo que dice."""
    unit = {"REPORT_FILE": str(report_file), "METRICS_FILE": str(metrics_file), "SCHEDULER_INTERVAL_SECONDS": "600"}

    assert read_handover(unit) == EndpointConfig(600, report_file, metrics_file)
    assert read_handover({"SCHEDULER_INTERVAL_SECONDS": "mucho"}) == EndpointConfig()
