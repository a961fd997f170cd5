"""El cron de verdad: callado los minutos buenos y con un correo los malos."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import wheelhouse
from tests.e2e.container import Container
from tests.support.inside import settings_text
from tests.support.reference.server import ReferenceBackend

SETTINGS = "/etc/estado-eventos/estado-eventos.env"
SCHEDULE = ["estado-eventos", "schedule"]


@pytest.fixture(scope="module")
def machine(wheels: dict[str, Path]) -> Iterator[Container]:
    """Un Debian con el programa instalado y cron en marcha."""
    with Container(wheels) as running:
        wheelhouse.install(running)
        yield running


def crontab(container: Container) -> str:
    """El crontab de root tal como está en el disco, sin las tres líneas que cron pone delante; los CR, como «^M»."""
    shown = container.run(["cat", "-v", "/var/spool/cron/crontabs/root"], check=False).stdout
    return "".join(shown.splitlines(keepends=True)[3:])


def test_good_minutes_are_silent_and_bad_ones_send_one_mail(machine: Container, backend: ReferenceBackend) -> None:
    """Cron mueve lo que toca sin mandar correo; un minuto con un evento que falla manda uno, con el motivo."""
    machine.put(SETTINGS, settings_text(backend), 0o600)
    mails = len(machine.mails())
    backend.add_events(due_start=3, due_finish=2)
    machine.run([*SCHEDULE, "install", "cron"], timeout=120)

    machine.wait_until(lambda: len(backend.history()) == 5, "que cron mueva los eventos", timeout=90)
    tick = time.time()
    silent = len(machine.mails()) == mails
    backend.add_events(broken_start=1)
    machine.wait_until(lambda: len(machine.mails()) > mails, "que llegue el correo del minuto malo", timeout=130)
    machine.run([*SCHEDULE, "remove", "cron"])

    assert silent
    assert time.time() - tick < 130
    (mail,) = machine.mails()[mails:]
    assert "✗ No se pudo iniciar el evento" in mail.get_content()


def test_a_minute_that_is_skipped_sends_a_mail(machine: Container, backend: ReferenceBackend) -> None:
    """Si la pasada anterior no ha acabado, la de este minuto no se hace y cron manda un correo que lo dice."""
    machine.put(SETTINGS, f"BACKEND_URL={backend.url}\nBACKEND_JWT_TOKEN={backend.token()}\n", 0o600)
    mails = len(machine.mails())
    machine.run([*SCHEDULE, "install", "cron"], timeout=120)
    hold = ["flock", "/var/lib/estado-eventos.cron/lock", "sleep", "infinity"]
    machine.run(["systemd-run", "--unit=otra-pasada", *hold])

    machine.wait_until(
        lambda: len(machine.mails()) > mails, "que llegue el correo del minuto que no se hizo", timeout=130
    )
    machine.run(["systemctl", "stop", "otra-pasada"])
    machine.run([*SCHEDULE, "remove", "cron"])

    said = [mail.get_content().strip() for mail in machine.mails()[mails:]]
    assert said[-1] == "estado-eventos: la pasada anterior sigue en marcha; esta no se hace"


def test_status_and_remove(machine: Container) -> None:
    """`status` dice si está el bloque y si hay cron; quitarlo deja el crontab como si nada, y la configuración."""
    machine.put("/var/lib/estado-eventos/token", "el del servicio de systemd", 0o600)
    machine.run([*SCHEDULE, "install", "cron"], timeout=120)
    state = machine.run(["stat", "-c", "%U %a", "/var/lib/estado-eventos.cron"]).stdout
    installed = machine.run([*SCHEDULE, "status", "cron"], check=False)
    machine.run([*SCHEDULE, "remove", "cron"])
    removed = machine.run([*SCHEDULE, "status", "cron"], check=False)

    assert "✓ en marcha" in installed.stdout
    assert state == "root 700\n"
    assert machine.run(["test", "-e", "/var/lib/estado-eventos.cron"], check=False).returncode == 1
    assert machine.read("/var/lib/estado-eventos/token") == "el del servicio de systemd"
    assert removed.returncode == 1
    assert "no crontab" in machine.run(["crontab", "-l"], check=False).stderr
    assert machine.run(["test", "-e", SETTINGS]).returncode == 0


def test_two_backends_side_by_side(machine: Container, backend: ReferenceBackend) -> None:
    """Con `--name`, cada backend tiene su línea y su configuración; cron hace las dos, y quitar una deja la otra."""
    names = ("aula1", "aula2")
    with ReferenceBackend() as other:
        servers = dict(zip(names, (backend, other), strict=True))
        for name, server in servers.items():
            machine.put(f"/etc/estado-eventos/{name}.env", settings_text(server), 0o600)
            machine.run([*SCHEDULE, "install", "cron", "--name", name], timeout=120)
            server.add_events(due_start=2)

        machine.wait_until(lambda: len(backend.history()) == 2, "que cron haga el primero", timeout=130)
        machine.wait_until(lambda: len(other.history()) == 2, "que cron haga el segundo", timeout=130)
    machine.run([*SCHEDULE, "remove", "cron", "--name", "aula1"])
    left = crontab(machine)
    machine.run([*SCHEDULE, "remove", "cron", "--name", "aula2"])

    assert "aula1" not in left
    assert left.count("/etc/estado-eventos/aula2.env run-once --quiet") == 1


def test_the_wheel_brings_the_files(machine: Container) -> None:
    """Las unidades y el crontab de ejemplo llegan con la rueda, iguales que en el repositorio."""
    root = Path(__file__).parents[2]
    for name in ("systemd/estado-eventos.service", "systemd/estado-eventos.timer", "crontab.example"):
        installed = machine.read(f"/opt/estado-eventos/share/estado-eventos/{name}")
        assert installed == (root / name).read_text()


@pytest.mark.parametrize(
    "before",
    [
        "",
        "# nada más que un comentario\n",
        "MAILTO=a@example.com\n\n\n0 5 * * * echo '100 \\% de acuerdo'\n@reboot true\n",
        "# final con línea en blanco\n\n",
        "# con retorno de carro\r\n0 1 * * * true\r\n",
    ],
)
def test_everything_else_in_the_crontab_stays(machine: Container, before: str) -> None:
    """Lo que haya en el crontab queda igual, byte a byte, mientras está el bloque y al quitarlo."""
    if before:
        machine.put("/root/crontab", before)
        machine.run(["crontab", "/root/crontab"])
    installed = crontab(machine)
    machine.run([*SCHEDULE, "install", "cron"], timeout=120)
    during = crontab(machine)
    machine.run([*SCHEDULE, "install", "cron", "--interval", "300"], timeout=120)
    changed = crontab(machine)
    machine.run([*SCHEDULE, "remove", "cron"])
    after = crontab(machine)
    machine.run(["crontab", "-r"], check=False)

    assert during.startswith(installed)
    assert "\n* * * * * exec 9>/var/lib/estado-eventos.cron/lock; " in "\n" + during
    assert " SCHEDULER_INTERVAL_SECONDS=60 " in during
    assert "\n*/5 * * * * exec 9>/var/lib/estado-eventos.cron/lock; " in "\n" + changed
    assert " SCHEDULER_INTERVAL_SECONDS=300 PASS_TIMEOUT=240 " in changed
    assert changed.count("estado-eventos schedule install cron") == 1
    assert after == installed
