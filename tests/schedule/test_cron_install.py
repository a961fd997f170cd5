"""`schedule` con cron: instalar, ensayar, mirar y quitar, y lo que queda en el crontab y en el disco."""

import json
import os
import sysconfig
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.inside import run_inside
from tests.support.program import Completed

_FAKE_CRONTAB = """#!/bin/sh
# Un crontab en un archivo: el de verdad necesita root y un cron instalado, y lo prueba `make e2e`.
case "$1" in
  -l) if [ -e "$HOME/tab" ]; then cat "$HOME/tab"; else echo "no crontab for ana" >&2; exit 1; fi ;;
  -r) rm "$HOME/tab" ;;
  -) if [ -e "$HOME/readonly" ]; then echo "permiso denegado" >&2; exit 1; fi; cat > "$HOME/tab" ;;
esac
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """El directorio personal de quien no es root, con un `crontab` en el PATH y poco que compilar.

    Como root, el programa de estas pruebas tendría que ser de root, y escribirían en /var/lib: eso es de `make e2e`.
    """
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "crontab").write_text(_FAKE_CRONTAB)
    (tmp_path / "bin" / "crontab").chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    # Compilar todo lo que hay instalado con las pruebas son muchos segundos por instalación.
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "modulo.py").touch()
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path / "lib") if name == "purelib" else None)
    return tmp_path


def surroundings(home: Path) -> dict[str, object]:
    """El entorno de quien vive en ese directorio."""
    return {"HOME": home, "PATH": f"{home / 'bin'}:{os.environ['PATH']}"}


def schedule(home: Path, *arguments: str) -> Completed:
    """Ejecuta `schedule … cron` con ese directorio personal y su configuración."""
    return run_inside("schedule", *arguments, "--env-file", str(home / "conf" / "x.env"), **surroundings(home))


@pytest.mark.slow
def test_cron_goes_in_and_out_of_a_crontab(home: Path) -> None:
    """Instalar, repetir, cambiar el ritmo, mirar y quitar: el crontab ajeno queda igual y la configuración, también."""
    (home / "tab").write_text("0 5 * * * true\n")
    installed = schedule(home, "install", "cron", "--name", "prueba-e1")
    again = schedule(home, "install", "cron", "--name", "prueba-e1")
    tab = (home / "tab").read_text()
    changed = schedule(home, "install", "cron", "--name", "prueba-e1", "--interval", "600")
    status = schedule(home, "status", "cron", "--name", "prueba-e1", "--json")
    state = home / ".local" / "state" / "estado-eventos-prueba-e1.cron"
    mode = state.stat().st_mode & 0o777
    removed = schedule(home, "remove", "cron", "--name", "prueba-e1")
    nothing = schedule(home, "remove", "cron", "--name", "prueba-e1")

    assert [done.code for done in (installed, again, changed, removed, nothing)] == [0] * 5
    assert tab.startswith("0 5 * * * true\n# >>> estado-eventos-prueba-e1: ")
    assert "= crontab: ya estaba así" in again.stdout
    assert "ya hay configuración, no se toca" in again.stdout
    assert json.loads(status.stdout)["installed"] is True
    tick = datetime.fromisoformat(json.loads(status.stdout)["next_tick"])
    assert timedelta() < tick - datetime.now(UTC) <= timedelta(minutes=10)
    assert (tick.minute % 10, tick.second, tick.utcoffset()) == (0, 0, timedelta())
    assert "estado-eventos-prueba-e1: " in installed.stdout.splitlines()[-1]
    assert (home / "tab").read_text() == "0 5 * * * true\n"
    assert "no está en el crontab" in nothing.stdout
    assert (home / "conf" / "x.env").stat().st_mode & 0o777 == 0o600
    assert f" TOKEN_CACHE_FILE={state}/token REPORT_FILE={state}/report.json " in tab
    assert mode == 0o700
    assert not state.exists()
    assert [path.name.partition(".")[0] for path in (home / "lib").rglob("*.pyc")] == ["modulo"]


@pytest.mark.slow
def test_two_names_live_side_by_side_in_a_crontab(home: Path) -> None:
    """Con `--name`, dos backends conviven: cada uno con su configuración, y quitar uno deja el otro como estaba."""

    def both(action: str, *names: str) -> list[Completed]:
        return [
            run_inside(
                *("schedule", action, "cron", "--name", name, "--env-file", str(home / f"{name}.env")),
                **surroundings(home),
            )
            for name in names
        ]

    installed = both("install", "prueba-e4", "prueba-e5")
    second = (home / "tab").read_text().partition("# >>> estado-eventos-prueba-e5")
    statuses = both("status", "prueba-e4", "prueba-e5")
    (removed,) = both("remove", "prueba-e4")
    left = (home / "tab").read_text()
    both("remove", "prueba-e5")

    assert [done.code for done in (*installed, removed)] == [0, 0, 0]
    assert f"{home}/prueba-e4.env" in second[0]
    assert f"{home}/prueba-e5.env" in second[2]
    assert all("prueba-e" in status.stdout for status in statuses)
    assert left == second[1] + second[2]
    assert sorted(path.name for path in home.glob("*.env")) == ["prueba-e4.env", "prueba-e5.env"]


def test_the_state_of_systemd_outlives_the_one_of_cron(home: Path) -> None:
    """Quitar cron borra su estado y deja como está el del servicio de systemd del mismo nombre."""
    token = home / ".local" / "state" / "estado-eventos-prueba-e1" / "token"
    token.parent.mkdir(parents=True)
    token.write_text("x")

    codes = [schedule(home, action, "cron", "--name", "prueba-e1").code for action in ("install", "remove")]

    assert codes == [0, 0]
    assert token.read_text() == "x"
    assert [path.name for path in token.parent.parent.iterdir()] == ["estado-eventos-prueba-e1"]


@pytest.mark.slow
@pytest.mark.parametrize("action", ["install", "remove"])
@pytest.mark.parametrize("with_service", [True, False])
def test_the_state_of_before_is_cleared_unless_it_is_of_a_service(
    home: Path, action: str, *, with_service: bool
) -> None:
    """El token que cron dejaba donde el servicio se borra, si no hay servicio; lo ajeno se queda."""
    schedule(home, "install", "cron", "--name", "prueba-e6")
    state = home / ".local" / "state" / "estado-eventos-prueba-e6"
    state.mkdir(mode=0o700)
    for name in ("token", "report.json", "ajeno"):
        (state / name).touch()
    if with_service:
        timer = home / ".config" / "systemd" / "user" / "estado-eventos-prueba-e6.timer"
        timer.parent.mkdir(parents=True)
        timer.touch()

    assert schedule(home, action, "cron", "--name", "prueba-e6").code == 0

    left = {path.name for path in state.iterdir()}
    assert left == ({"token", "report.json", "ajeno"} if with_service else {"ajeno"})


def test_a_crontab_of_our_own_disappears_with_us(home: Path) -> None:
    """Si en el crontab no había nada más, al quitar el bloque no queda crontab."""
    options = ("cron", "--name", "prueba-e2", "--env-file", str(home / "x.env"))
    installed = run_inside("schedule", "install", *options, **surroundings(home))
    there = (home / "tab").exists()
    removed = run_inside("schedule", "remove", *options, **surroundings(home))

    assert (installed.code, removed.code) == (0, 0)
    assert there
    assert not (home / "tab").exists()


def test_cron_dry_run_changes_nothing(home: Path) -> None:
    """`--dry-run` enseña el bloque y no escribe nada."""
    shown = schedule(home, "install", "cron", "--dry-run")

    assert shown.code == 0
    assert "+* * * * * exec 9>" in shown.stdout
    assert " SCHEDULER_INTERVAL_SECONDS=60 " in shown.stdout
    assert sorted(path.name for path in home.iterdir()) == ["bin", "lib"]


def test_credentials_in_clear_are_said_when_installing(home: Path) -> None:
    """Al instalar con una contraseña y un `BACKEND_URL` por http a otra máquina, se avisa de que irá en claro."""
    settings = home / "conf" / "x.env"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text("BACKEND_URL=http://admin.example\nBACKEND_EMAIL=a@b\nBACKEND_PASSWORD=secreta\n")
    settings.chmod(0o600)

    shown = schedule(home, "install", "cron", "--dry-run")

    assert shown.code == 0
    assert "! BACKEND_URL es http: la contraseña y el token irán en claro hasta «admin.example»" in shown.stdout


def test_a_flock_of_the_path_is_not_the_one_that_is_written(home: Path) -> None:
    """El `flock` que haya en el PATH de quien instala puede ser de cualquiera: en el crontab va el del sistema."""
    (home / "bin" / "flock").write_text("#!/bin/sh\n")
    (home / "bin" / "flock").chmod(0o755)

    shown = schedule(home, "install", "cron", "--dry-run")

    assert shown.code == 0
    assert " /usr/bin/flock -n 9 " in shown.stdout
    assert str(home / "bin" / "flock") not in shown.stdout


def test_a_crontab_that_cannot_be_written_is_said(home: Path) -> None:
    """Si cron no deja escribir, se dice por qué: 69."""
    (home / "readonly").touch()

    refused = schedule(home, "install", "cron", "--name", "prueba-e3")

    assert refused.code == 69
    assert "permiso denegado" in refused.stderr


def test_status_of_what_is_not_installed_says_how_to(home: Path) -> None:
    """`status` de lo que no está dice cómo ponerlo, y no es 0."""
    status = schedule(home, "status", "cron")

    assert status.code == 1
    assert "estado-eventos schedule install cron" in status.stdout
