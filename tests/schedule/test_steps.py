"""Los pasos de una instalación: se hacen una vez, se cuentan y, si se ensayan, no cambian nada."""

import grp
import os
from pathlib import Path

import pytest

from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.schedule.job import ScheduleError
from estado_eventos.schedule.steps import Steps, capture, need, write_settings


@pytest.fixture
def told() -> list[str]:
    """Lo que se va contando."""
    return []


@pytest.fixture
def steps(told: list[str]) -> Steps:
    """Pasos de verdad."""
    return Steps(told.append, dry_run=False)


@pytest.fixture
def rehearsal(told: list[str]) -> Steps:
    """Pasos que solo se enseñan."""
    return Steps(told.append, dry_run=True)


def test_writing_again_the_same_changes_nothing(steps: Steps, told: list[str], tmp_path: Path) -> None:
    """Un archivo se escribe con sus permisos, y otra vez solo si cambia lo que dice."""
    path = tmp_path / "uno" / "x.timer"

    assert steps.write(path, "hola\n", 0o640)
    assert not steps.write(path, "hola\n")
    assert steps.write(path, "adiós\n")

    assert path.read_text() == "adiós\n"
    assert told == [f"✓ {path}: escrito", f"= {path}: ya estaba así", f"✓ {path}: escrito"]


def test_a_link_is_replaced_and_never_followed(steps: Steps, tmp_path: Path) -> None:
    """Un enlace puesto donde se va a escribir se sustituye, y aquello a lo que lleva, diga lo que diga, queda igual."""
    target = tmp_path / "ajeno"
    target.write_text("hola\n")
    target.chmod(0o600)
    for path, text in ((tmp_path / "igual", "hola\n"), (tmp_path / "distinto", "adiós\n")):
        path.symlink_to(target)

        assert steps.write(path, text)
        assert (path.is_symlink(), path.read_text()) == (False, text)

    (tmp_path / "x.env").symlink_to(tmp_path / "nada")
    write_settings(steps, tmp_path / "x.env", 0o600)

    assert (target.read_text(), target.stat().st_mode & 0o777) == ("hola\n", 0o600)
    assert not (tmp_path / "nada").exists()
    assert not (tmp_path / "x.env").is_symlink()


@pytest.mark.timeout(30)
def test_what_is_no_file_is_not_written(steps: Steps, tmp_path: Path) -> None:
    """Una tubería en el sitio de una unidad no se lee ni se espera; un directorio tampoco vale: 78."""
    os.mkfifo(tmp_path / "tubería")
    (tmp_path / "directorio").mkdir()

    for path in (tmp_path / "tubería", tmp_path / "directorio", tmp_path / "tubería" / "x"):
        with pytest.raises(ScheduleError, match="no se puede escribir") as raised:
            steps.write(path, "x")
        assert raised.value.code is ExitCode.CONFIG


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("enlace", "es un enlace"),
        ("otro nombre", "tiene además otro nombre"),
        ("tubería", "no es un archivo normal"),
        ("nada", "No such file"),
    ],
)
def test_only_a_file_is_given_away(steps: Steps, tmp_path: Path, what: str, words: str) -> None:
    """Ni lo que hay detrás de un enlace, ni un archivo con otro nombre, ni lo que no es un archivo cambia de dueño."""
    target = tmp_path / "ajeno"
    target.touch(0o600)
    path = tmp_path / what
    if what == "enlace":
        path.symlink_to(target)
    elif what == "otro nombre":
        path.hardlink_to(target)
    elif what == "tubería":
        os.mkfifo(path)
    before = target.stat()

    with pytest.raises(ScheduleError, match=words):
        steps.give(path, "daemon", 0o666)

    assert (target.stat().st_mode, target.stat().st_gid) == (before.st_mode, before.st_gid)


@pytest.mark.skipif(os.geteuid() != 0, reason="hace falta ser root para dar un archivo a otro")
def test_a_file_is_given_to_root_and_a_group(steps: Steps, rehearsal: Steps, tmp_path: Path) -> None:
    """La configuración queda de root y del grupo del servicio, con sus permisos; ensayado, como estaba."""
    path = tmp_path / "x.env"
    path.touch(0o600)
    os.chown(path, 65534, 65534)

    rehearsal.give(path, "daemon", 0o640)
    rehearsed = path.stat().st_uid
    steps.give(path, "daemon", 0o640)

    given = path.stat()
    assert rehearsed == 65534
    assert (given.st_uid, given.st_gid, given.st_mode & 0o777) == (0, grp.getgrnam("daemon").gr_gid, 0o640)


def test_a_rehearsal_shows_and_does_nothing(rehearsal: Steps, told: list[str], tmp_path: Path) -> None:
    """Con `dry_run` se enseña la diferencia, lo que se borraría y lo que se ejecutaría, y no se hace."""
    path = tmp_path / "x.timer"
    path.write_text("antes\n")

    assert rehearsal.write(path, "después\n")
    assert rehearsal.delete(path)
    rehearsal.run("rm", str(path))
    write_settings(rehearsal, tmp_path / "x.env", 0o600)

    assert path.read_text() == "antes\n"
    assert "-antes\n+después" in told[0]
    assert told[1:3] == [f"✓ {path}: borrado", f"$ rm {path}"]
    assert [found.name for found in tmp_path.iterdir()] == ["x.timer"]


def test_what_is_not_there_is_not_deleted(steps: Steps, told: list[str], tmp_path: Path) -> None:
    """Se borra lo que está, también un enlace que no lleva a ninguna parte; de lo que no está no se dice nada."""
    (tmp_path / "roto").symlink_to(tmp_path / "nada")

    assert steps.delete(tmp_path / "roto")
    assert not steps.delete(tmp_path / "roto")
    assert told == [f"✓ {tmp_path / 'roto'}: borrado"]


def test_a_directory_is_for_its_owner_alone(steps: Steps, rehearsal: Steps, tmp_path: Path) -> None:
    """El directorio de estado es 0700, también si ya estaba de otra manera; ensayado, no se hace."""
    path = tmp_path / "uno" / "dos"

    rehearsal.make_directory(path)
    assert not path.exists()
    steps.make_directory(path)
    modes = [path.stat().st_mode & 0o777]
    path.chmod(0o755)
    steps.make_directory(path)
    modes.append(path.stat().st_mode & 0o777)

    assert modes == [0o700, 0o700]


@pytest.mark.parametrize("what", ["enlace", "archivo"])
def test_what_is_no_directory_of_ours_is_left_alone(steps: Steps, tmp_path: Path, what: str) -> None:
    """Un enlace puesto en su lugar no se sigue, ni se cambian los permisos de adonde lleva; un archivo tampoco vale."""
    target = tmp_path / "ajeno"
    target.mkdir(mode=0o755)
    path = tmp_path / "estado"
    path.symlink_to(target) if what == "enlace" else path.touch()

    with pytest.raises(ScheduleError, match="no puede ser un directorio nuestro") as raised:
        steps.make_directory(path)

    assert raised.value.code is ExitCode.CONFIG
    assert target.stat().st_mode & 0o777 == 0o755


def test_a_command_that_fails_is_said_with_its_reason(steps: Steps) -> None:
    """Un mandato que falla es 69 con lo que dijo; el que da igual que falle se deja pasar."""
    with pytest.raises(ScheduleError, match="«sh -c echo no puedo >&2; exit 3» falló: no puedo") as raised:
        steps.run("sh", "-c", "echo no puedo >&2; exit 3")

    assert raised.value.code is ExitCode.UNAVAILABLE
    steps.run("false", check=False)


def test_a_command_that_is_not_there_or_never_ends_is_unavailable() -> None:
    """Un mandato que no está, o que no acaba a tiempo, es 69."""
    with pytest.raises(ScheduleError, match="No está el mandato «no-existe»"):
        capture(["no-existe"])
    with pytest.raises(ScheduleError, match="no se pudo ejecutar"):
        capture(["sleep", "60"], seconds=0.1)
    with pytest.raises(ScheduleError, match="No está «no-existe» en esta máquina: instálelo"):
        need("no-existe", "instálelo")


def test_what_a_command_says_survives_as_it_is() -> None:
    """Un crontab que no es UTF-8 o lleva retornos de carro va y vuelve igual."""
    text = b"# \xe1\r\n".decode(errors="surrogateescape")

    assert capture(["cat"], text).stdout == text


def test_settings_that_exist_are_not_touched(steps: Steps, told: list[str], tmp_path: Path) -> None:
    """La configuración sale de la plantilla, con sus permisos; la que ya hay no se toca."""
    path = tmp_path / "x.env"

    write_settings(steps, path, 0o640)
    written = path.read_text()
    write_settings(steps, path, 0o600)

    assert "BACKEND_URL=" in written
    assert path.read_text() == written
    assert path.stat().st_mode & 0o777 == 0o640
    assert told[-1] == f"= {path}: ya hay configuración, no se toca"
