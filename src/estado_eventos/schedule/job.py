"""Qué se ejecuta, cada cuánto y con qué configuración, y dónde deja su estado."""

import math
import os
import sys
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path, PurePath

from estado_eventos.backend.network import in_clear
from estado_eventos.config import sources
from estado_eventos.domain.exit_codes import CodedError, ExitCode
from estado_eventos.domain.text import printable
from estado_eventos.reconcile.lock import SERVICE_USER

DEFAULT_NAME = "estado-eventos"
DEFAULT_EXECUTABLE = PurePath("/usr/local/bin/estado-eventos")
SETTINGS_DIRECTORY = PurePath("/etc/estado-eventos")
SYSTEM_USER = SERVICE_USER
_SYSTEM_STATE, _USER_STATE = Path("/var/lib"), ".local/state"
HOW_TO_INSTALL = (
    "Instale el programa como root, desde una copia del repositorio o con su rueda: «pipx install --global RUTA»"
)
"""Nunca por su nombre: en un índice público, ese nombre puede ser de otro."""
GRACE_SECONDS = 5
"""Lo que systemd espera más allá del límite de la pasada: el arranque, los monitores y un margen."""


class ScheduleError(CodedError):
    """No se puede instalar, quitar o mirar; el mensaje dice por qué y qué hacer."""

    def __init__(self, message: str, hint: str = "", *, code: ExitCode = ExitCode.CONFIG) -> None:
        """`code` es el código de salida."""
        super().__init__(message, hint)
        self.code = code


@dataclass(frozen=True, slots=True)
class Job:
    """Lo que hay que ejecutar y cada cuánto. `name` distingue varios backends en la misma máquina.

    `interval` y `deadline`, en segundos; `deadline` es el `PASS_TIMEOUT` con que se ejecuta.
    """

    name: str = DEFAULT_NAME
    executable: PurePath = DEFAULT_EXECUTABLE
    env_file: PurePath = SETTINGS_DIRECTORY / f"{DEFAULT_NAME}.env"
    interval: int = 60
    deadline: float = 48
    user: bool = False
    listen: str | None = None
    """Dónde contesta por HTTP, como lo escribe systemd (`0.0.0.0:8001`), o `None` si no contesta."""
    warnings: tuple[str, ...] = ()
    """Lo que conviene decir a quien lo instala."""

    def __post_init__(self) -> None:
        """Nada que parta una línea llega a una unidad ni a un crontab, de donde saldría otra directiva u otro mandato.

        Lanza `ScheduleError`.
        """
        written = {
            "--name": self.name,
            "La ruta del programa": self.executable,
            "La ruta de --env-file": self.env_file,
            "HOST": self.listen,
            "HOME": Path.home() if self.user else None,
        }
        for what, value in written.items():
            if value is not None and not str(value).isprintable():
                raise ScheduleError(f"{what}: lleva un carácter de control o que no se ve, como un salto de línea")

    @property
    def unit(self) -> str:
        """El nombre de las unidades, del directorio de estado y del bloque de cron."""
        return unit_name(self.name)

    @property
    def schedule_name(self) -> str:
        """El `SCHEDULE_NAME` de sus pasadas."""
        return self.name.removeprefix(f"{DEFAULT_NAME}-")

    @property
    def state_directory(self) -> Path:
        """Dónde guarda el servicio de systemd el token y el último informe."""
        # Para un usuario, `StateDirectory=` de systemd 252 cae dentro de ~/.config, donde está su configuración.
        return self._states / self.unit

    @property
    def cron_directory(self) -> Path:
        """Dónde los guarda cron, con su cerrojo: solo lo ve su dueño, y quitar cron no se lleva lo de systemd."""
        # Un nombre no puede llevar un punto: este directorio no es el de ningún servicio.
        return self._states / f"{self.unit}.cron"

    @property
    def _states(self) -> Path:
        return Path.home() / _USER_STATE if self.user else _SYSTEM_STATE

    @property
    def state_specifier(self) -> str:
        """Lo mismo como se escribe en una unidad de systemd (systemd.unit(5), «SPECIFIERS»)."""
        return f"%h/{_USER_STATE}/{self.unit}" if self.user else f"%S/{self.unit}"

    @property
    def report_file(self) -> Path:
        """El último informe, donde lo dejan las unidades que se instalan."""
        return self.state_directory / "report.json"

    @property
    def cron_report_file(self) -> Path:
        """El último informe, donde lo deja la línea del crontab."""
        return self.cron_directory / "report.json"

    @property
    def timeout(self) -> int:
        """Cuándo mata systemd la pasada: siempre después de que se corte ella misma."""
        return math.ceil(self.deadline) + GRACE_SECONDS


def listen_address(host: str, port: int) -> str:
    """`HOST` y `PORT` como los quiere `ListenStream=`, que solo entiende direcciones. Lanza `ScheduleError`."""
    if "%" in host:
        # `ip_address` admite cualquier cosa detrás, también un salto de línea.
        raise ScheduleError("HOST: una dirección con su interfaz (%) no vale; ponga solo la dirección, como :: o ::1")
    try:
        address = ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise ScheduleError(
            "HOST: systemd no resuelve nombres; ponga una dirección, como 0.0.0.0 o 127.0.0.1"
        ) from None
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def unit_name(name: str) -> str:
    """El nombre completo de un planificador: `aula2` es `estado-eventos-aula2`."""
    return DEFAULT_NAME if name == DEFAULT_NAME else f"{DEFAULT_NAME}-{name.removeprefix(f'{DEFAULT_NAME}-')}"


def make_job(name: str, env_file: Path | None, *, user: bool) -> Job:
    """El trabajo de ese nombre, con los tiempos de fábrica: basta para quitarlo o mirarlo."""
    return Job(name=name, env_file=(env_file or settings_path(name, user=user)).absolute(), user=user)


def with_settings(job: Job, interval: int | None, *, api: bool) -> Job:
    """El trabajo con los tiempos de su configuración, o con el intervalo dado; con `api`, con su `HOST` y `PORT`.

    Lanza `SettingsError` si la configuración no vale, y `ScheduleError` si `HOST` es un nombre.
    """
    overrides = {} if interval is None else {"SCHEDULER_INTERVAL_SECONDS": str(interval)}
    env_file = Path(job.env_file)
    settings = sources.load(overrides, env_file if env_file.exists() else Path(os.devnull), half_account=True).settings
    return replace(
        job,
        interval=settings.scheduler_interval_seconds,
        deadline=settings.pass_timeout,
        listen=listen_address(settings.host, settings.port) if api else None,
        warnings=tuple(
            f"{variable} es http: la contraseña y el token irán en claro hasta «{host}»"
            for variable, host in in_clear(settings)
        ),
    )


def settings_path(name: str, *, user: bool) -> Path:
    """El archivo de configuración de un planificador."""
    directory = Path.home() / ".config" / DEFAULT_NAME if user else Path(SETTINGS_DIRECTORY)
    return directory / f"{name.removeprefix(f'{DEFAULT_NAME}-')}.env"


def with_executable(job: Job) -> Job:
    """El trabajo con la ruta real de este ejecutable. Lanza `ScheduleError` si no es uno instalado."""
    started = Path(sys.argv[0])
    script = started if started.name == DEFAULT_NAME else Path(sys.prefix, "bin", DEFAULT_NAME)
    if not script.exists():
        raise ScheduleError(f"No está {printable(str(script))}", HOW_TO_INSTALL)
    return replace(job, executable=script.resolve())
