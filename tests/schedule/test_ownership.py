"""De quién tiene que ser lo que root instala."""

import os
import pwd
import sys
import sysconfig
from pathlib import Path

import pytest

from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.schedule.job import HOW_TO_INSTALL, Job, ScheduleError
from estado_eventos.schedule.ownership import check_path, check_program, check_settings
from tests.support.inside import run_inside

IS_ROOT = os.geteuid() == 0


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Un programa de quien ejecuta las pruebas, en un directorio suyo."""
    path = tmp_path / "venv" / "programa"
    path.parent.mkdir(0o755)
    path.touch(0o755)
    return path


def test_what_only_root_can_change_is_accepted() -> None:
    """Lo del sistema es de root, y de ahí a la raíz no lo puede cambiar nadie más."""
    check_path(Path("/bin/sh"), "")


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o1777])
@pytest.mark.parametrize("which", ["programa", "venv"])
def test_what_others_can_change_is_refused(program: Path, which: str, mode: int) -> None:
    """Un archivo, o un directorio de los de arriba, en que otro puede escribir: 78, con su ruta y qué hacer."""
    bad = program if which == "programa" else program.parent
    bad.chmod(mode)

    with pytest.raises(ScheduleError, match="root solo instala lo que nadie más puede cambiar") as raised:
        check_path(program, HOW_TO_INSTALL)

    reason = f"{bad} lo pueden cambiar otros usuarios" if IS_ROOT else f"{program} es de «"
    assert str(raised.value).startswith(reason)
    assert raised.value.code is ExitCode.CONFIG
    assert raised.value.hint == HOW_TO_INSTALL


@pytest.mark.skipif(not IS_ROOT, reason="hace falta ser root para dar un archivo a otro")
@pytest.mark.parametrize("which", ["programa", "venv"])
def test_what_belongs_to_another_is_refused(program: Path, which: str) -> None:
    """Un archivo o un directorio de otro, aunque solo él pueda escribir, se rechaza diciendo de quién es."""
    nobody = pwd.getpwnam("nobody").pw_uid
    bad = program if which == "programa" else program.parent
    os.chown(bad, nobody, 0)

    with pytest.raises(ScheduleError) as raised:
        check_path(program, "")

    assert str(raised.value).startswith(f"{bad} es de «nobody»")


def test_a_link_is_judged_by_where_it_leads(program: Path, tmp_path: Path) -> None:
    """De un enlace se mira lo que hay al final: es lo que se ejecuta."""
    program.chmod(0o777)
    (tmp_path / "enlace").symlink_to(program)

    with pytest.raises(ScheduleError) as raised:
        check_path(tmp_path / "enlace", "")

    assert str(raised.value).startswith(str(program))


def test_a_link_in_a_place_of_another_is_refused(program: Path) -> None:
    """Aunque lleve a lo de root: quien puede cambiar el enlace lo llevará mañana a otro sitio."""
    link = program.parent / "enlace"
    link.symlink_to("/bin")
    program.parent.chmod(0o777)

    with pytest.raises(ScheduleError) as raised:
        check_path(link / "sh", "")

    assert str(raised.value).startswith(str(program.parent))


@pytest.mark.parametrize("where", ["enlace", "/dev/null"])
def test_the_settings_of_root_are_a_file_of_root(tmp_path: Path, where: str) -> None:
    """Ni un enlace ni un dispositivo valen de configuración: `install` cambia de dueño el archivo. Se dice dónde va."""
    (tmp_path / "enlace").symlink_to("/etc/passwd")
    path = tmp_path / where

    with pytest.raises(ScheduleError, match="Ponga la configuración donde solo escriba root") as raised:
        check_settings(path)

    assert str(raised.value).startswith(str(path))
    check_settings(Path("/etc/estado-eventos-prueba/x.env"))


@pytest.mark.skipif(not IS_ROOT, reason="hace falta ser root para que lo demás sea de root")
@pytest.mark.parametrize("name", ["purelib", "platlib", "stdlib", "platstdlib"])
def test_every_place_it_imports_from_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """De donde se importa, también lo compilado y la biblioteca de Python, es de root; lo que no existe no importa."""
    places = {"purelib": "/usr", "platlib": "/no-existe", "stdlib": "/usr", "platstdlib": "/usr", name: str(tmp_path)}
    monkeypatch.setattr(sysconfig, "get_path", places.__getitem__)
    monkeypatch.setattr(sys, "executable", "/bin/sh")
    tmp_path.chmod(0o777)

    with pytest.raises(ScheduleError) as raised:
        check_program(Job(executable=Path("/bin/sh")))

    assert str(raised.value).startswith(f"{tmp_path} lo pueden cambiar otros usuarios")


def test_root_does_not_install_a_program_that_another_can_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root, con el programa en el venv de otro: 78 y la ruta, antes de tocar nada; quien no es root instala el suyo."""
    script = tmp_path / "bin" / "estado-eventos"
    script.parent.mkdir()
    script.touch()
    script.chmod(0o777)
    crontab = tmp_path / "bin" / "crontab"
    crontab.write_text("#!/bin/sh\n")
    crontab.chmod(0o755)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    surroundings = {"HOME": tmp_path, "PATH": f"{crontab.parent}:{os.environ['PATH']}"}
    install = ("schedule", "install", "cron", "--dry-run", "--env-file", str(tmp_path / "x.env"))

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    as_root = run_inside(*install, **surroundings)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    as_another = run_inside(*install, **surroundings)

    assert (as_root.code, as_root.stdout, as_another.code) == (78, "", 0)
    assert str(script) in as_root.stderr
    assert "pipx install --global RUTA" in as_root.stderr
