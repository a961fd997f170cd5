"""Los planificadores como texto: unidades, líneas de cron e intervalos."""

import json
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path, PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estado_eventos.output.summary import lines
from estado_eventos.schedule.calendar import IntervalError, calendar, cron_fields
from estado_eventos.schedule.cron import with_block
from estado_eventos.schedule.job import Job, ScheduleError, listen_address
from estado_eventos.schedule.status import ScheduleStatus, last_report
from estado_eventos.schedule.units import cron_block, service_unit, units
from tests.support.program import Completed, run

ROOT = Path(__file__).parents[2]
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no está systemd-analyze (systemd)")


def test_shipped_files_are_what_show_prints() -> None:
    """Los archivos del repositorio son, byte a byte, lo que enseña `schedule show` de fábrica."""
    systemd = run("schedule", "show", "systemd")
    with_api = run("schedule", "show", "systemd", "--api")
    cron = run("schedule", "show", "cron")

    files = [(ROOT / "systemd" / f"estado-eventos.{kind}").read_text() for kind in ("service", "timer")]
    api = [(ROOT / "systemd" / f"estado-eventos-api{kind}").read_text() for kind in (".socket", "@.service")]
    assert systemd.stdout == "".join(files)
    assert with_api.stdout == "".join(files + api)
    assert cron.stdout == (ROOT / "crontab.example").read_text()


@needs_systemd
def test_the_units_are_valid_and_tight(tmp_path: Path) -> None:
    """Systemd no encuentra nada que decir de las unidades, y el aislamiento puntúa 1,2 como mucho."""
    job = Job(executable=PurePath(shutil.which("true") or "/bin/true"), listen="0.0.0.0:8001")
    for name, text in units(job).items():
        (tmp_path / name).write_text(text)
    paths = [str(path) for path in tmp_path.iterdir()]

    verified = subprocess.run(["systemd-analyze", "verify", *paths], check=False, capture_output=True, text=True)
    scored = [
        subprocess.run(
            ["systemd-analyze", "security", "--offline=yes", "--threshold=12", path],
            check=False,
            capture_output=True,
            text=True,
        )
        for path in paths
        if path.endswith(".service")
    ]

    assert verified.stderr == ""
    assert [result.returncode for result in scored] == [0, 0], [result.stdout for result in scored]


@pytest.mark.parametrize(
    ("host", "address"),
    [("0.0.0.0", "0.0.0.0:8001"), ("localhost", "127.0.0.1:8001"), ("::", "[::]:8001"), ("::1", "[::1]:8001")],  # noqa: S104
)
def test_the_api_listens_where_the_settings_say(host: str, address: str) -> None:
    """`HOST` y `PORT` van al socket como systemd los entiende."""
    assert listen_address(host, 8001) == address


def test_a_host_that_is_a_name_is_refused(tmp_path: Path) -> None:
    """Systemd no resuelve nombres: un `HOST` que no es una dirección se rechaza, con 78."""
    path = tmp_path / "x.env"
    path.write_text("HOST=mi-servidor\n")

    refused = run("schedule", "show", "systemd", "--api", "--env-file", str(path))

    assert refused.code == 78
    assert "HOST" in refused.stderr


def test_the_interval_and_the_timeouts_always_agree() -> None:
    """Systemd mata la pasada después de su propio límite, y el límite es menor que el intervalo."""
    unit = service_unit(Job(interval=600, deadline=300))

    assert "Environment=SCHEDULER_INTERVAL_SECONDS=600\n" in unit
    assert "Environment=PASS_TIMEOUT=300\n" in unit
    assert "TimeoutStartSec=305\n" in unit


def test_a_deadline_beyond_the_interval_is_refused(tmp_path: Path) -> None:
    """Un `PASS_TIMEOUT` que no cabe en el intervalo se rechaza al enseñar o instalar: 78."""
    path = tmp_path / "x.env"
    path.write_text("PASS_TIMEOUT=60\n")

    refused = run("schedule", "show", "systemd", "--env-file", str(path))

    assert refused.code == 78
    assert "PASS_TIMEOUT (60 s) tiene que ser menor" in refused.stderr


def test_a_path_with_odd_characters_is_quoted() -> None:
    """Una ruta con espacios, `%` o `$` llega entera a systemd y a cron."""
    job = Job(executable=PurePath("/opt/mis programas/100%/$x"))

    assert 'ExecStart="/opt/mis programas/100%%/$$x" --env-file' in service_unit(job)
    assert r"'/opt/mis programas/100\%/$x' --env-file" in cron_block(job)


@needs_systemd
@pytest.mark.parametrize("interval", [10, 15, 25, 30, 45, 60, 90, 120, 480, 900, 1800, 3600, 5400, 7200, 43200, 86400])
def test_the_calendar_ticks_every_interval(interval: int) -> None:
    """Systemd entiende el calendario como un tic cada tantos segundos exactos."""
    ticks: set[datetime] = set()
    base = "2026-03-01 00:00:00 UTC"
    for line in calendar(interval):
        shown = subprocess.run(
            ["systemd-analyze", "calendar", "--iterations=8", f"--base-time={base}", line],
            check=True,
            capture_output=True,
            text=True,
            env={"PATH": "/usr/bin:/bin", "TZ": "UTC", "LC_ALL": "C.UTF-8"},
        ).stdout
        for text in shown.splitlines():
            label, _, moment = text.partition(": ")
            if label.strip() == "Next elapse" or label.strip().startswith("Iter"):
                ticks.add(datetime.strptime(moment.strip(), "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC))
    ordered = sorted(ticks)[:8]
    steps = {later - earlier for earlier, later in pairwise(ordered)}

    assert steps == {timedelta(seconds=interval)}


@pytest.mark.parametrize(
    ("interval", "nearest"), [(7, "10"), (27, "25"), (420, "400"), (4000, "4320"), (80000, "86400")]
)
def test_what_systemd_cannot_say_names_the_nearest(interval: int, nearest: str) -> None:
    """Un intervalo imposible se rechaza diciendo el más cercano que sí puede ser."""
    with pytest.raises(IntervalError, match=f"Lo más cercano que sabe es {nearest}$"):
        calendar(interval)


@pytest.mark.parametrize(
    ("interval", "fields"),
    [
        (60, "* * * * *"),
        (300, "*/5 * * * *"),
        (3600, "0 * * * *"),
        (7200, "0 */2 * * *"),
        (86400, "0 0 * * *"),
    ],
)
def test_cron_fields(interval: int, fields: str) -> None:
    """Los intervalos que cron sabe expresar."""
    assert cron_fields(interval) == fields


@pytest.mark.parametrize(
    ("interval", "nearest"), [(10, "60"), (90, "60"), (420, "360"), (5400, "3600"), (50000, "43200")]
)
def test_what_cron_cannot_say_names_the_nearest(interval: int, nearest: str) -> None:
    """Cron no baja del minuto ni sabe de fracciones: se dice el más cercano."""
    with pytest.raises(IntervalError, match=f"cron no sabe .* Lo más cercano que sabe es {nearest}$"):
        cron_fields(interval)


BLOCK = cron_block(Job())


@given(st.lists(st.text(st.characters(blacklist_characters="\n"), max_size=30), max_size=8))
def test_the_block_goes_in_and_out_without_a_trace(lines: list[str]) -> None:
    """Sea como sea el crontab, poner el bloque, repetirlo y quitarlo lo deja como estaba."""
    before = "".join(line + "\n" for line in lines)

    inside = with_block(before, "estado-eventos", BLOCK)

    assert inside.startswith(before)
    assert with_block(inside, "estado-eventos", BLOCK) == inside
    assert with_block(inside, "estado-eventos", "") == before


def test_two_schedules_do_not_touch_each_other() -> None:
    """Cada nombre tiene su bloque."""
    other = cron_block(Job(name="aula2"))
    both = with_block(with_block("", "estado-eventos", BLOCK), "estado-eventos-aula2", other)

    assert with_block(both, "estado-eventos", "") == other
    assert with_block(both, "estado-eventos-aula2", "") == BLOCK


@pytest.mark.parametrize("broken", [BLOCK.splitlines()[0], BLOCK.splitlines()[-1], BLOCK + BLOCK])
def test_half_a_block_is_not_guessed(broken: str) -> None:
    """Un bloque a medias no se toca: se dice cómo arreglarlo."""
    with pytest.raises(ScheduleError, match="crontab -e"):
        with_block(f"antes\n{broken}\ndespués\n", "estado-eventos", "")


def test_without_systemd_it_says_what_to_use() -> None:
    """Donde no hay systemd, se dice que cron, y no hay volcado de pila."""
    if Path("/run/systemd/system").is_dir():
        pytest.skip("esta máquina arrancó con systemd")

    refused = run("schedule", "install", "systemd")

    assert refused.code == 69
    assert "schedule install cron" in refused.stderr


_FAKE_CRONTAB = """#!/bin/sh
# Un crontab en un archivo: el de verdad necesita root y un cron instalado, y lo prueba `make e2e`.
case "$1" in
  -l) if [ -e "$HOME/tab" ]; then cat "$HOME/tab"; else echo "no crontab for ana" >&2; exit 1; fi ;;
  -r) rm "$HOME/tab" ;;
  -) if [ -e "$HOME/readonly" ]; then echo "permiso denegado" >&2; exit 1; fi; cat > "$HOME/tab" ;;
esac
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Un directorio personal con un `crontab` en el PATH."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "crontab").write_text(_FAKE_CRONTAB)
    (tmp_path / "bin" / "crontab").chmod(0o755)
    return tmp_path


def schedule(home: Path, *arguments: str) -> Completed:
    """Ejecuta `schedule … cron` con ese directorio personal y su configuración."""
    env = {"HOME": home, "PATH": f"{home / 'bin'}:{os.environ['PATH']}"}
    return run("schedule", *arguments, "--env-file", str(home / "conf" / "x.env"), env=env)


@pytest.mark.timeout(300)  # Cada instalación compila de nuevo lo instalado.
def test_cron_goes_in_and_out_of_a_crontab(home: Path) -> None:
    """Instalar, repetir, cambiar el ritmo, mirar y quitar: el crontab ajeno queda igual y la configuración, también."""
    (home / "tab").write_text("0 5 * * * true\n")
    installed = schedule(home, "install", "cron", "--name", "prueba-e1")
    again = schedule(home, "install", "cron", "--name", "prueba-e1")
    tab = (home / "tab").read_text()
    changed = schedule(home, "install", "cron", "--name", "prueba-e1", "--interval", "600")
    status = schedule(home, "status", "cron", "--name", "prueba-e1", "--json")
    removed = schedule(home, "remove", "cron", "--name", "prueba-e1")
    nothing = schedule(home, "remove", "cron", "--name", "prueba-e1")

    assert [done.code for done in (installed, again, changed, removed, nothing)] == [0] * 5
    assert tab.startswith("0 5 * * * true\n# >>> estado-eventos-prueba-e1: ")
    assert "= crontab: ya estaba así" in again.stdout
    assert "ya hay configuración, no se toca" in again.stdout
    assert json.loads(status.stdout)["installed"] is True
    assert json.loads(status.stdout)["next_tick"] == "*/10 * * * *"
    assert (home / "tab").read_text() == "0 5 * * * true\n"
    assert "no está en el crontab" in nothing.stdout
    assert (home / "conf" / "x.env").stat().st_mode & 0o777 == 0o600
    assert "REPORT_FILE=" in (home / "conf" / "x.env").read_text()


@pytest.mark.timeout(300)  # Cada instalación compila de nuevo lo instalado.
def test_two_names_live_side_by_side_in_a_crontab(home: Path) -> None:
    """Con `--name`, dos backends conviven: cada uno con su configuración, y quitar uno deja el otro como estaba."""
    env = {"HOME": home, "PATH": f"{home / 'bin'}:{os.environ['PATH']}"}

    def both(action: str, *names: str) -> list[Completed]:
        files = {name: str(home / f"{name}.env") for name in names}
        return [run("schedule", action, "cron", "--name", name, "--env-file", files[name], env=env) for name in names]

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


def test_a_crontab_of_our_own_disappears_with_us(home: Path) -> None:
    """Si en el crontab no había nada más, al quitar el bloque no queda crontab."""
    schedule(home, "install", "cron", "--name", "prueba-e2")
    there = (home / "tab").exists()
    schedule(home, "remove", "cron", "--name", "prueba-e2")

    assert there
    assert not (home / "tab").exists()


def test_cron_dry_run_changes_nothing(home: Path) -> None:
    """`--dry-run` enseña el bloque y no escribe nada."""
    shown = schedule(home, "install", "cron", "--dry-run")

    assert shown.code == 0
    assert "+* * * * * SCHEDULER_INTERVAL_SECONDS=60" in shown.stdout
    assert sorted(path.name for path in home.iterdir()) == ["bin"]


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


@pytest.mark.parametrize(
    ("code", "words"), [(0, "bien"), (69, "UNAVAILABLE"), (75, "TEMPFAIL"), (203, "no se pudo ejecutar")]
)
def test_status_speaks_of_the_last_pass(tmp_path: Path, code: int, words: str) -> None:
    """El estado dice con qué código acabó la última pasada y qué contaba su informe."""
    report = tmp_path / "report.json"
    # Cada una con su URL: dos pasadas por el mismo backend se esperarían.
    env = {"BACKEND_URL": f"http://127.0.0.1:9/{code}", "PASS_TIMEOUT": "2", "REPORT_FILE": report}
    run("run-once", env=env)
    status = ScheduleStatus("systemd", "x", True, True, "mañana", code, last_report(report))  # noqa: FBT003

    assert words in "\n".join(lines(status))
    assert "Último informe: unavailable, de 20" in "\n".join(lines(status))
    assert status.to_dict()["last_report"]["exit_code"] == 69
    assert status.exit_code == (code if code != 203 else 1)
