"""El temporizador de systemd, de un Debian recién hecho a no dejar rastro."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import wheelhouse
from tests.e2e.container import Container
from tests.e2e.installation import SERVICE, TIMER, everything, run_now, show
from tests.support.inside import settings_text
from tests.support.reference.server import ReferenceBackend

SETTINGS = "/etc/estado-eventos/estado-eventos.env"
_TIME_TO_CREATE = 15
"""Los segundos que faltan, por lo menos, para el minuto en que vence lo que se crea: sobran en cualquier máquina."""


@pytest.fixture(scope="module")
def server(wheels: dict[str, Path]) -> Iterator[Container]:
    """Un Debian con el programa instalado como dice el README."""
    with Container(wheels) as running:
        wheelhouse.configure(running)
        wheelhouse.install_pipx(running)
        running.run(["pipx", "install", "--global", "estado-eventos"], timeout=300)
        yield running


@pytest.fixture
def scheduled(server: Container, backend: ReferenceBackend) -> Iterator[Container]:
    """El mismo, con el temporizador instalado para el backend de la prueba; al acabar, se quita."""
    server.put(SETTINGS, settings_text(backend), 0o600)
    server.run(["estado-eventos", "schedule", "install", "systemd"], timeout=120)
    yield server
    server.run(["estado-eventos", "schedule", "remove", "systemd"])
    server.run(["rm", "-rf", "/etc/estado-eventos", "/etc/credstore"])


def test_what_is_due_on_the_minute_is_moved_by_the_pass_of_that_minute(
    scheduled: Container, backend: ReferenceBackend
) -> None:
    """Lo que toca en el minuto en punto lo mueve la pasada de ese minuto, con el reloj del backend atrasado."""
    minute = (time.time() + _TIME_TO_CREATE) // 60 * 60 + 60
    starting = backend.add_events(due_start=5, at=minute)
    ending = backend.add_events(due_finish=5, at=minute)

    scheduled.wait_until(lambda: len(backend.history()) == 10, "que el temporizador mueva los eventos", timeout=200)

    states = backend.states()
    assert {states[key] for key in starting} == {"en_progreso"}
    assert {states[key] for key in ending} == {"completado"}
    # Antes del minuto su pasada no pide ninguna lista: la primera que llega después es de ella.
    asked = sorted(backend.requests(), key=lambda request: request.arrived_at)
    its_pass = next(one.request_id for one in asked if one.method == "GET" and one.arrived_at >= minute)
    assert {one.request_id for one in asked if one.path.endswith(("/start/", "/finish/"))} == {its_pass}


def test_installing_again_changes_nothing(scheduled: Container) -> None:
    """Repetir la instalación no escribe ninguna unidad y deja el temporizador en marcha."""
    again = scheduled.run(["estado-eventos", "schedule", "install", "systemd"], timeout=120).stdout

    assert f"= /etc/systemd/system/{SERVICE}: ya estaba así" in again
    assert f"= /etc/systemd/system/{TIMER}: ya estaba así" in again
    assert "escrito" not in again
    assert show(scheduled, TIMER, "ActiveState") == "active"
    assert show(scheduled, TIMER, "UnitFileState") == "enabled"


def test_the_installed_units_are_clean_and_tight(scheduled: Container) -> None:
    """Las unidades instaladas no dan ningún aviso, y su aislamiento puntúa 1,1 como mucho."""
    verified = scheduled.run(["systemd-analyze", "verify", SERVICE, TIMER])
    scored = scheduled.run(["systemd-analyze", "security", SERVICE, "--no-pager"]).stdout

    assert verified.stdout + verified.stderr == ""
    score = re.search(r"exposure level for \S+: ([\d.]+)", scored)
    assert score is not None
    assert float(score[1]) <= 1.1
    assert "/opt/pipx/venvs/estado-eventos/bin/estado-eventos" in scheduled.read(f"/etc/systemd/system/{SERVICE}")


def test_the_settings_are_for_the_service_only(scheduled: Container) -> None:
    """La configuración la leen root y el servicio, y nadie más."""
    found = scheduled.run(["stat", "-c", "%U:%G %a", SETTINGS]).stdout.strip()

    assert found == "root:estado-eventos 640"


def test_the_journal_has_priorities_and_the_invocation(scheduled: Container, backend: ReferenceBackend) -> None:
    """En el journal cada línea lleva su prioridad y no la hora, y el backend ve el identificador de la invocación."""
    backend.add_events(broken_start=1)

    assert run_now(scheduled) == 1

    lines = {str(entry["MESSAGE"]): entry for entry in scheduled.journal(SERVICE)}
    failed = next(entry for message, entry in lines.items() if message.startswith("✗ No se pudo iniciar"))
    started = lines["Ejecutando job: start_pending_events"]
    assert (failed["PRIORITY"], started["PRIORITY"]) == ("4", "6")
    invocation = str(failed["_SYSTEMD_INVOCATION_ID"])
    assert invocation in {request.request_id for request in backend.requests()}


def test_the_token_is_kept_between_passes(scheduled: Container, backend: ReferenceBackend) -> None:
    """El servicio guarda el token en su directorio de estado: dos pasadas, un inicio de sesión."""
    codes = [run_now(scheduled), run_now(scheduled)]

    assert codes == [0, 0]
    assert sum(request.path == "/auth/login/" for request in backend.requests()) == 1
    assert scheduled.run(["stat", "-c", "%U %a", "/var/lib/estado-eventos/token"]).stdout.split() == [
        "estado-eventos",
        "600",
    ]


def test_secrets_may_live_in_the_credential_store(scheduled: Container, backend: ReferenceBackend) -> None:
    """La contraseña puede estar en /etc/credstore, que solo lee root, y el archivo no tenerla."""
    *settings, _password = settings_text(backend).splitlines(keepends=True)
    scheduled.put(SETTINGS, "".join(settings), 0o644)
    scheduled.put("/etc/credstore/estado-eventos.BACKEND_PASSWORD", backend.password + "\n", 0o600)

    assert run_now(scheduled) == 0
    assert sum(request.path == "/auth/login/" for request in backend.requests()) == 1


def test_the_sandbox_holds_for_the_real_service(scheduled: Container) -> None:
    """Con el aislamiento del servicio no se lee /home ni /root, no se escribe en nada que quede y no hay volcados."""
    scheduled.put("/home/secreto", "x")
    properties = [
        f"--property={line}"
        for line in scheduled.read(f"/etc/systemd/system/{SERVICE}").splitlines()
        if re.match(
            r"(Protect|Priv|Restrict|System|User|NoNew|Cap|Lock|Memory|Proc|UMask|State|Inacc|Limit|Key|Device)", line
        )
    ]
    probe = "cat /home/secreto || ls /root || touch /usr/x || touch /etc/x || unshare -U true || ping -c1 127.0.0.1"
    probe += " || touch /dev/shm/x || touch /run/lock/x || test $(ulimit -Hc) != 0"

    probed = scheduled.run(
        ["systemd-run", "--wait", "--pipe", "--quiet", *properties, "sh", "-c", f"if {probe}; then exit 9; fi; exit 0"],
        check=False,
    )

    assert probed.returncode == 0, probed.stdout + probed.stderr


def test_a_backend_that_is_down_shows_and_heals(scheduled: Container) -> None:
    """Con el backend caído, systemd dice 69/UNAVAILABLE; en cuanto vuelve, la pasada siguiente va bien."""
    account = scheduled.read(SETTINGS)
    scheduled.put(SETTINGS, "BACKEND_URL=http://127.0.0.1:9\n", 0o644)
    down = run_now(scheduled)
    shown = scheduled.run(["systemctl", "status", SERVICE, "--no-pager"], check=False).stdout
    status = scheduled.run(["estado-eventos", "schedule", "status", "systemd"], check=False)
    scheduled.put(SETTINGS, account, 0o644)

    assert down == 69
    assert "status=69/UNAVAILABLE" in shown
    assert status.returncode == 69
    assert "código 69 (UNAVAILABLE" in status.stdout
    assert run_now(scheduled) == 0


def test_status_says_when_and_how(scheduled: Container) -> None:
    """`schedule status` dice si está en marcha, cuándo toca y cómo fue la última pasada; con `--json`, lo mismo."""
    run_now(scheduled)
    # Mientras hay una pasada en marcha, de la última se sabe solo su informe.
    scheduled.wait_until(lambda: show(scheduled, SERVICE, "ActiveState") == "inactive", "que acabe la del temporizador")

    spoken = scheduled.run(["estado-eventos", "schedule", "status", "systemd"])
    read = json.loads(scheduled.run(["estado-eventos", "schedule", "status", "systemd", "--json"]).stdout)

    assert "✓ en marcha" in spoken.stdout
    assert "código 0 (bien)" in spoken.stdout
    assert (read["installed"], read["active"], read["last_exit_code"], read["exit_code"]) == (True, True, 0, 0)
    assert read["next_tick"]
    assert read["last_report"]["outcome"] == "ok"


def test_a_second_backend_has_its_own_schedule(scheduled: Container, backend: ReferenceBackend) -> None:
    """`--name aula2 --interval 10` es otro temporizador, con su backend y su ritmo, al lado del primero."""
    command = ["estado-eventos", "schedule"]
    with ReferenceBackend(clock_offset=1) as other:
        scheduled.put("/etc/estado-eventos/aula2.env", settings_text(other), 0o600)
        scheduled.run([*command, "install", "systemd", "--name", "aula2", "--interval", "10"], timeout=120)
        backend.add_events(due_start=2)
        other.add_events(due_start=3)

        scheduled.wait_until(lambda: len(other.history()) == 3, "que el segundo mueva sus eventos", timeout=40)
        scheduled.wait_until(lambda: len(backend.history()) == 2, "que el primero mueva los suyos", timeout=90)
        deadline = show(scheduled, "estado-eventos-aula2.service", "TimeoutStartUSec")
        states = [
            scheduled.run(["test", "-e", f"/var/lib/{unit}/token"]).returncode
            for unit in ("estado-eventos", "estado-eventos-aula2")
        ]
        scheduled.run([*command, "remove", "systemd", "--name", "aula2"])

    assert deadline == "13s"
    assert states == [0, 0]
    assert show(scheduled, "estado-eventos-aula2.timer", "LoadState") == "not-found"
    assert show(scheduled, TIMER, "ActiveState") == "active"
    assert scheduled.run(["id", "estado-eventos"]).returncode == 0


def test_remove_leaves_the_settings_and_nothing_else(server: Container, backend: ReferenceBackend) -> None:
    """Instalar, usar y quitar deja el sistema como estaba, más la configuración."""
    before = everything(server)
    server.run(["estado-eventos", "schedule", "install", "systemd"], timeout=120)
    server.put(SETTINGS, f"BACKEND_URL={backend.url}\nBACKEND_JWT_TOKEN={backend.token()}\n", 0o644)
    assert run_now(server) == 0
    server.run(["estado-eventos", "schedule", "remove", "systemd"])
    after = everything(server)
    server.run(["rm", "-rf", "/etc/estado-eventos"])

    assert after - before == {"/etc/estado-eventos", SETTINGS}
    assert before - after == set()
    assert server.run(["id", "estado-eventos"], check=False).returncode != 0
    assert "estado-eventos" not in server.run(["systemctl", "list-units", "--all", "--no-pager"]).stdout
    assert server.run(["estado-eventos", "schedule", "status", "systemd"], check=False).returncode == 1


def test_a_user_may_have_a_schedule_of_their_own(server: Container, backend: ReferenceBackend) -> None:
    """Con `--user`, sin ser root, el temporizador es del usuario, con su configuración, y se quita igual."""
    server.run(["useradd", "--create-home", "ana"])
    server.run(["loginctl", "enable-linger", "ana"])
    server.wait_until(
        lambda: (
            server.run(["systemctl", "--user", "is-system-running"], user="ana", check=False).stdout.strip()
            in {"running", "degraded"}
        ),
        "que arranque el systemd de la usuaria",
    )
    settings = f"BACKEND_URL={backend.url}\nBACKEND_JWT_TOKEN={backend.token()}\n"
    server.put("/home/ana/.config/estado-eventos/estado-eventos.env", settings, 0o644)
    server.run(["chown", "-R", "ana:ana", "/home/ana"])
    backend.add_events(due_start=2)
    schedule = ["estado-eventos", "schedule"]

    server.run([*schedule, "install", "systemd", "--user", "--interval", "10"], user="ana", timeout=120)
    server.wait_until(lambda: len(backend.history()) == 2, "que mueva los eventos", timeout=30)
    status = server.run([*schedule, "status", "systemd", "--user"], user="ana")
    server.run([*schedule, "remove", "systemd", "--user"], user="ana")
    left = server.run(["find", "/home/ana", "-name", "*estado-eventos*", "-type", "f"]).stdout.split()

    assert "✓ en marcha" in status.stdout
    assert left == ["/home/ana/.config/estado-eventos/estado-eventos.env"]
