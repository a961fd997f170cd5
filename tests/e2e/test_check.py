"""El diagnóstico en una máquina con systemd y cron de verdad."""

import json
import ssl
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trustme

from estado_eventos.config import envfile as check_envfile
from tests.e2e import wheelhouse
from tests.e2e.container import Container
from tests.support.faults import FaultyServer
from tests.support.inside import settings_text
from tests.support.reactions import answer
from tests.support.reference.server import ReferenceBackend

SETTINGS = "/etc/estado-eventos/estado-eventos.env"
CHECK = ["estado-eventos", "check"]
SCHEDULE = ["estado-eventos", "schedule"]
# Líneas que dotenv y systemd leen distinto, o que alguno no entiende.
ODD_LINES = r"""
A1=5 # segundos
A2="INFO"   # poco
export A3=5
A4=/a\b
A5="/a\$b"
A6='/a\\b'
A7="/a\tb"
A8="a"'b'
A9=/a b
B1=/a#b
B2=/a$HOME/${b}
B3='/a # $b'
B4="/a # b"
B5 = /a
B8= x
B9='sin cerrar
C1=1'
C2=2
C3="a\
b"
C4=a\
b
; C5=x
  C6=y
C7=a'b'
C9=\'q\'
D2=
D3=""
D4=é€
"""


@pytest.fixture(scope="module")
def machine(wheels: dict[str, Path]) -> Iterator[Container]:
    """Un Debian con el programa y su configuración, sin nada que lo ejecute."""
    with Container(wheels) as running:
        wheelhouse.install(running)
        yield running


def test_it_sees_who_runs_the_program(machine: Container, backend: ReferenceBackend) -> None:
    """`check` distingue ninguno, temporizador, temporizador parado, los dos y solo cron, y dice cómo se arregla."""
    machine.put(SETTINGS, settings_text(backend), 0o600)
    seen = {"ninguno": machine.run(CHECK)}
    machine.run([*SCHEDULE, "install", "systemd"], timeout=120)
    machine.run(["systemctl", "start", "estado-eventos.service"])
    seen["temporizador"] = machine.run(CHECK)
    machine.run(["systemctl", "stop", "estado-eventos.timer"])
    seen["parado"] = machine.run(CHECK)
    machine.run(["systemctl", "start", "estado-eventos.timer"])
    machine.run([*SCHEDULE, "install", "cron"], timeout=120)
    seen["los dos"] = machine.run(CHECK)
    machine.run([*SCHEDULE, "remove", "systemd"])
    seen["cron"] = machine.run(CHECK)
    machine.run([*SCHEDULE, "remove", "cron"])

    warned = {name for name, done in seen.items() if "\n! " in f"\n{done.stdout}"}
    assert warned == {"ninguno", "parado", "los dos"}
    assert "schedule install systemd" in seen["ninguno"].stdout
    assert "systemctl enable --now estado-eventos.timer" in seen["parado"].stdout
    assert all(done.returncode == 0 for done in seen.values())


def test_its_cure_for_a_private_authority_works(machine: Container) -> None:
    """Con `update-ca-certificates`, como dice `check`, vale un certificado de una autoridad privada; sin ella, no."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with FaultyServer(lambda _: answer(200, "[]"), tls=context) as server:
        machine.put("/root/autoridad.crt", authority.cert_pem.bytes().decode())
        ask = partial(machine.run, [*CHECK, "--json"], env={"BACKEND_URL": server.url}, check=False)
        before = json.loads(ask().stdout)
        machine.run(["sh", "-c", f"cd /root && {_cure_of(before, 'tls')}"], timeout=120)
        after = ask()
        done = machine.run(["estado-eventos", "run-once"], env={"BACKEND_URL": server.url}, check=False)
        machine.run(["sh", "-c", "rm /usr/local/share/ca-certificates/autoridad.crt && update-ca-certificates --fresh"])
        removed = ask()

    assert (before["exit_code"], after.returncode, done.returncode, removed.returncode) == (69, 0, 0, 69)


def _cure_of(diagnosis: dict[str, Any], topic: str) -> str:
    """El mandato que cura el hallazgo de ese tema, detrás de los dos puntos."""
    (cure,) = [finding["cure"] for finding in diagnosis["findings"] if finding["topic"] == topic]
    return str(cure).partition(": ")[2]


def test_it_reads_environment_files_as_systemd_does(machine: Container) -> None:
    """Lo que `check` dice que systemd leerá de un archivo es lo que systemd lee."""
    machine.put("/root/raro.env", ODD_LINES)
    unit = "[Service]\nType=oneshot\nEnvironmentFile=/root/raro.env\nExecStart=/bin/sh -c 'env -0 > /run/leido'\n"
    machine.put("/etc/systemd/system/leer.service", unit)
    machine.run(["systemctl", "daemon-reload"])
    machine.run(["systemctl", "start", "leer.service"])
    pairs = (pair.partition("=") for pair in machine.read("/run/leido").split("\0") if "=" in pair)
    read = {name: value for name, _, value in pairs if len(name) == 2}

    predicted = {name: value for name, value in check_envfile.as_systemd(ODD_LINES).items() if len(name) == 2}

    assert read == predicted
