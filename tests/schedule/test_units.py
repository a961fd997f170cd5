"""Los textos que se instalan: las unidades de systemd y el bloque de cron."""

import shutil
import subprocess
from pathlib import Path, PurePath

from estado_eventos.schedule.cron import cron_block
from estado_eventos.schedule.job import Job
from estado_eventos.schedule.units import service_unit, units
from tests.support.program import run
from tests.support.systemd import needs_systemd_analyze

ROOT = Path(__file__).parents[2]


def test_shipped_files_are_what_show_prints() -> None:
    """Los archivos del repositorio son, byte a byte, lo que enseña `schedule show` de fábrica."""
    systemd = run("schedule", "show", "systemd")
    with_api = run("schedule", "show", "systemd", "--api")
    cron = run("schedule", "show", "cron")

    files = [(ROOT / "systemd" / f"estado-eventos.{kind}").read_text() for kind in ("service", "timer")]
    api = [(ROOT / "systemd" / f"estado-eventos-api{kind}").read_text() for kind in (".socket", ".service")]
    assert systemd.stdout == "".join(files)
    assert with_api.stdout == "".join(files + api)
    assert cron.stdout == (ROOT / "crontab.example").read_text()


@needs_systemd_analyze
def test_the_units_are_valid_and_tight(tmp_path: Path) -> None:
    """Systemd no encuentra nada que decir de las unidades, y el aislamiento puntúa 1,1 como mucho."""
    job = Job(executable=PurePath(shutil.which("true") or "/bin/true"), listen="0.0.0.0:8001")
    for name, text in units(job).items():
        (tmp_path / name).write_text(text)
    paths = [str(path) for path in tmp_path.iterdir()]

    verified = subprocess.run(["systemd-analyze", "verify", *paths], check=False, capture_output=True, text=True)
    scored = [
        subprocess.run(
            ["systemd-analyze", "security", "--offline=yes", "--threshold=11", path],
            check=False,
            capture_output=True,
            text=True,
        )
        for path in paths
        if path.endswith(".service")
    ]

    assert verified.stderr == ""
    assert [result.returncode for result in scored] == [0, 0], [result.stdout for result in scored]


def test_the_interval_and_the_timeouts_always_agree() -> None:
    """Systemd mata la pasada después de su propio límite, y el límite es menor que el intervalo."""
    unit = service_unit(Job(interval=600, deadline=300))

    assert "Environment=SCHEDULER_INTERVAL_SECONDS=600\n" in unit
    assert "Environment=PASS_TIMEOUT=300\n" in unit
    assert "TimeoutStartSec=305\n" in unit


ODD = "mis programas;/100%/$x"


def test_a_path_with_odd_characters_is_quoted() -> None:
    """Una ruta con espacios, `%` o `$` llega entera a systemd y a cron."""
    job = Job(executable=PurePath(f"/opt/{ODD}"), env_file=PurePath(f"/etc/{ODD}.env"))

    unit = service_unit(job)
    assert 'ExecStart="/opt/mis programas;/100%%/$x" --env-file "/etc/mis programas;/100%%/$$x.env"' in unit
    assert r"'/opt/mis programas;/100\%/$x' --env-file" in cron_block(job)


@needs_systemd_analyze
def test_systemd_finds_a_program_with_an_odd_path(tmp_path: Path) -> None:
    """Con una ruta así, systemd encuentra el ejecutable en todas las unidades."""
    program = tmp_path / "un programa;" / "100%" / "$x"
    program.parent.mkdir(parents=True)
    program.touch(0o755)
    paths = []
    for name, text in units(Job(executable=program, listen="0.0.0.0:8001")).items():
        (tmp_path / name).write_text(text)
        paths.append(str(tmp_path / name))

    verified = subprocess.run(["systemd-analyze", "verify", *paths], check=False, capture_output=True, text=True)

    assert verified.stderr == ""
