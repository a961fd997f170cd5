"""Lo que se escribe en un crontab: su bloque, que no toca nada más, y su línea, como la ejecuta cron."""

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estado_eventos.schedule.cron import FLOCK, cron_block, cron_units, with_block
from estado_eventos.schedule.job import Job, ScheduleError

BLOCK = cron_block(Job())
needs_flock = pytest.mark.skipif(shutil.which(FLOCK) is None, reason="no está flock (util-linux)")


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

    assert cron_units(both) == ["estado-eventos", "estado-eventos-aula2"]
    assert with_block(both, "estado-eventos", "") == other
    assert with_block(both, "estado-eventos-aula2", "") == BLOCK


@pytest.mark.parametrize("broken", [BLOCK.splitlines()[0], BLOCK.splitlines()[-1], BLOCK + BLOCK])
def test_half_a_block_is_not_guessed(broken: str) -> None:
    """Un bloque a medias no se toca: se dice cómo arreglarlo."""
    with pytest.raises(ScheduleError, match="crontab -e"):
        with_block(f"antes\n{broken}\ndespués\n", "estado-eventos", "")


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """La línea del crontab como la ejecuta cron, con un programa que dice con qué lo llaman y acaba con 69."""
    monkeypatch.setenv("HOME", str(tmp_path))
    program = tmp_path / "100% mi programa"
    program.write_text('#!/bin/sh\necho "$TOKEN_CACHE_FILE $REPORT_FILE $SCHEDULER_INTERVAL_SECONDS $*"; exit 69\n')
    program.chmod(0o755)
    job = Job(executable=program, env_file=tmp_path / "x.env", user=True)
    job.cron_directory.mkdir(parents=True)
    return ["/bin/sh", "-c", cron_block(job).splitlines()[1].split(maxsplit=5)[5].replace(r"\%", "%")]


@needs_flock
def test_the_line_runs_the_program_with_its_state(line: list[str], tmp_path: Path) -> None:
    """La línea llama al programa con su token, su informe y su intervalo, y acaba con el código de la pasada."""
    done = subprocess.run(line, check=False, capture_output=True, text=True)

    state = tmp_path / ".local/state/estado-eventos.cron"
    said = f"{state}/token {state}/report.json 60 --env-file {tmp_path}/x.env run-once --quiet\n"
    assert (done.returncode, done.stdout, done.stderr) == (69, said, "")


@needs_flock
def test_a_pass_that_is_skipped_says_so(line: list[str], tmp_path: Path) -> None:
    """Con otra pasada en marcha, esta no se hace y lo dice en una línea, que cron manda por correo: 75."""
    with (tmp_path / ".local/state/estado-eventos.cron/lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        skipped = subprocess.run(line, check=False, capture_output=True, text=True)

    assert (skipped.returncode, skipped.stderr) == (75, "")
    assert skipped.stdout == "estado-eventos: la pasada anterior sigue en marcha; esta no se hace\n"


def test_a_lock_that_fails_is_not_taken_for_another_pass(line: list[str]) -> None:
    """Si ya no está `flock`, o no el directorio de estado, no se dice que haya otra pasada, ni se hace ninguna."""
    for broken in (line[2].replace(FLOCK, "/nonexistent/flock"), line[2].replace("/.local/state/", "/nonexistent/")):
        done = subprocess.run([*line[:2], broken], check=False, capture_output=True, text=True)

        assert done.returncode not in {0, 69}
        assert done.stdout == ""
        assert "/nonexistent/" in done.stderr


@needs_flock
def test_who_holds_the_settings_stops_nothing(line: list[str], tmp_path: Path) -> None:
    """Tener cogido el archivo de configuración, que puede leer otro, no para ninguna pasada."""
    with (tmp_path / "x.env").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = subprocess.run(line, check=False, capture_output=True, text=True)

    assert done.returncode == 69
