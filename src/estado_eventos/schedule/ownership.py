"""Root solo instala lo que es de root: quien pudiera cambiarlo mandaría en lo que root ejecuta a cada tic."""

import pwd
import stat
import sys
import sysconfig
from pathlib import Path

import estado_eventos
from estado_eventos.domain.text import printable
from estado_eventos.schedule.job import HOW_TO_INSTALL, SETTINGS_DIRECTORY, Job, ScheduleError

_ROOT = 0
_LIBRARIES = ("purelib", "platlib", "stdlib", "platstdlib")
"""De dónde se importa, como lo llama `sysconfig`; lo compilado puede ir aparte."""
_WHERE_TO_PUT = f"Ponga la configuración donde solo escriba root, como en {SETTINGS_DIRECTORY}"


def check_program(job: Job) -> None:
    """El ejecutable, el intérprete, el programa y lo que importa son de root y nadie más los puede cambiar.

    Lanza `ScheduleError`, con la ruta que no lo es.
    """
    interpreter = Path(sys.executable)
    libraries = (Path(path) for name in _LIBRARIES if (path := sysconfig.get_path(name)))
    package = Path(estado_eventos.__file__).parent
    for place in (Path(job.executable), interpreter, *filter(Path.exists, libraries), package):
        check_path(place, HOW_TO_INSTALL)


def check_settings(path: Path) -> None:
    """La configuración, o el sitio donde se hará, es de root y nadie más la puede cambiar. Lanza `ScheduleError`."""
    if path.is_symlink():
        raise ScheduleError(f"{printable(str(path))} es un enlace", _WHERE_TO_PUT)
    check_path(next(each for each in (path, *path.parents) if each.exists()), _WHERE_TO_PUT)


def check_path(path: Path, hint: str) -> None:
    """Lanza `ScheduleError` si otro puede cambiar la ruta o un directorio de los de arriba, con enlaces y sin ellos."""
    real = path.resolve()
    for each in (real, *real.parents, *path.parents):
        reason = _reason(each)
        if reason:
            raise ScheduleError(
                f"{printable(str(each))} {reason}, y root solo instala lo que nadie más puede cambiar", hint
            )


def _reason(path: Path) -> str | None:
    try:
        status = path.stat()
    except OSError as error:
        return f"no se puede mirar ({error.strerror})"
    if status.st_uid != _ROOT:
        return f"es de «{_name(status.st_uid)}»"
    # Tampoco con el bit «sticky» de /tmp: al vaciarlo, el sitio queda libre para cualquiera.
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "lo pueden cambiar otros usuarios"
    return None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
