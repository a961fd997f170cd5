"""El contenedor es un Debian con systemd, cron y correo que funcionan."""

from datetime import datetime

import pytest

from tests.e2e.container import Container, ContainerError

_TICK_SERVICE = """\
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'date --utc +%%FT%%T.%%N >> /run/ticks'
"""

_TICK_TIMER = """\
[Timer]
OnCalendar=*-*-* *:*:* UTC
AccuracySec=100ms
"""

_CREDENTIAL_SERVICE = """\
[Service]
Type=oneshot
DynamicUser=yes
StateDirectory=tell
LoadCredential=SECRET:/etc/tell/secret
ExecStart=/bin/sh -c 'cat "$CREDENTIALS_DIRECTORY/SECRET" > "$STATE_DIRECTORY/copy"'
"""

_PRIORITIES_SERVICE = """\
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo "<3>grave" >&2; echo "<4>aviso" >&2; echo "<6>información" >&2; echo corriente >&2'
"""

_SECURED_SERVICE = """\
[Service]
Type=oneshot
DynamicUser=yes
ExecStart=/bin/true
"""


def test_boots_cleanly(container: Container) -> None:
    """El sistema termina de arrancar y ninguna unidad falla."""
    assert container.run(["systemctl", "is-system-running"], check=False).stdout == "running\n"
    assert container.run(["systemd-detect-virt"]).stdout == "systemd-nspawn\n"


def test_commands_get_their_input_environment_and_user(container: Container) -> None:
    """`run` da la entrada, las variables y el usuario pedidos, y nada del entorno de las pruebas."""
    container.run(["useradd", "--create-home", "persona"])
    command = ["sh", "-c", "cat; echo $GREETING; id --name --user; echo $HOME; env | grep --count PYTEST"]
    done = container.run(command, input="ñandú\n", env={"GREETING": "hola"}, user="persona", check=False)
    assert done.stdout.split() == ["ñandú", "hola", "persona", "/home/persona", "0"]


def test_a_failing_command_tells_what_it_said(container: Container) -> None:
    """Si una orden falla, el error lleva su código y lo que escribió."""
    with pytest.raises(ContainerError, match=r"(?s)Terminó con 3.*por eso"):
        container.run(["sh", "-c", "echo por eso >&2; exit 3"])


def test_a_vain_wait_tells_how_the_system_is(container: Container) -> None:
    """Una espera que no se cumple falla con lo que esperaba y el diario."""
    container.run(["logger", "una pista"])
    with pytest.raises(ContainerError, match=r"(?s)No ocurrió en 0.1 s: el milagro.*una pista"):
        container.wait_until(lambda: None, "el milagro", timeout=0.1)


def test_files_are_put_with_their_mode(container: Container) -> None:
    """`put` crea el archivo con sus permisos y `read` devuelve lo mismo."""
    container.put("/etc/deep/down/file", "clave=ñ\n", mode=0o600)
    assert container.read("/etc/deep/down/file") == "clave=ñ\n"
    assert container.run(["stat", "--format=%a", "/etc/deep/down/file"]).stdout == "600\n"


def test_a_timer_ticks_every_second(container: Container) -> None:
    """Un temporizador de cada segundo se dispara en segundos distintos, con la precisión pedida."""
    container.put("/etc/systemd/system/tick.service", _TICK_SERVICE)
    container.put("/etc/systemd/system/tick.timer", _TICK_TIMER)
    container.run(["systemctl", "daemon-reload"])
    container.put("/run/ticks", "")
    container.run(["systemctl", "start", "tick.timer"])

    def three_ticks() -> list[str] | None:
        ticks = container.read("/run/ticks").split()
        return ticks if len(ticks) >= 3 else None

    ticks = container.wait_until(three_ticks, "tres disparos del temporizador", timeout=20)
    container.run(["systemctl", "stop", "tick.timer"])
    seconds = {datetime.fromisoformat(tick[:26]).replace(microsecond=0) for tick in ticks}
    assert len(seconds) == len(ticks)


def test_credentials_reach_a_dynamic_user(container: Container) -> None:
    """`LoadCredential=` da a un usuario dinámico un secreto que solo root puede leer."""
    container.put("/etc/tell/secret", "abracadabra", mode=0o600)
    container.put("/etc/systemd/system/tell.service", _CREDENTIAL_SERVICE)
    container.run(["systemctl", "daemon-reload"])
    container.run(["systemctl", "start", "tell.service"])
    assert container.read("/var/lib/private/tell/copy") == "abracadabra"


def test_the_journal_keeps_priorities(container: Container) -> None:
    """El diario convierte el prefijo `<N>` en PRIORITY y lo quita del mensaje."""
    container.put("/etc/systemd/system/priorities.service", _PRIORITIES_SERVICE)
    container.run(["systemctl", "daemon-reload"])
    container.run(["systemctl", "start", "priorities.service"])
    entries = container.journal("priorities.service")
    assert [(entry["PRIORITY"], entry["MESSAGE"]) for entry in entries] == [
        ("3", "grave"),
        ("4", "aviso"),
        ("6", "información"),
        ("6", "corriente"),
    ]


def test_units_can_be_analyzed(container: Container) -> None:
    """`systemd-analyze` puntúa un archivo y descubre una directiva que no existe."""
    container.put("/tmp/secured.service", _SECURED_SERVICE)  # noqa: S108 - dentro del contenedor.
    security = ["systemd-analyze", "security", "--offline=yes", "--no-pager", "/tmp/secured.service"]  # noqa: S108
    assert "Overall exposure level" in container.run(security).stdout
    assert container.run(["systemd-analyze", "verify", "/tmp/secured.service"]).stderr == ""  # noqa: S108
    container.put("/tmp/wrong.service", f"{_SECURED_SERVICE}ProtectEverything=yes\n")  # noqa: S108
    verified = container.run(["systemd-analyze", "verify", "/tmp/wrong.service"], check=False)  # noqa: S108
    assert "ProtectEverything" in verified.stderr


def test_a_user_has_a_manager(container: Container) -> None:
    """`systemctl --user` sirve para una persona que puede tener servicios sin haber entrado."""
    container.run(["useradd", "--create-home", "manager"])
    container.run(["loginctl", "enable-linger", "manager"])
    status = ["systemctl", "--user", "is-system-running"]

    def is_running() -> bool:
        return container.run(status, user="manager", check=False).stdout == "running\n"

    container.wait_until(is_running, "que arranque el gestor de la persona")


def test_cron_mails_what_a_job_prints(container: Container) -> None:
    """Cron ejecuta la tarea al minuto y envía por correo lo que imprime."""
    container.run(["crontab", "-"], input="MAILTO=guardia@example.org\n* * * * * echo ¡socorro!\n")
    mail = container.wait_until(container.mails, "el correo de cron", timeout=130)[0]
    container.run(["crontab", "-r"])
    assert mail["To"] == "guardia@example.org"
    assert mail.get_content() == "¡socorro!\n"
