"""De dónde sale la configuración: línea de mandatos, entorno, credenciales de systemd y archivos."""

import errno
import os
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from estado_eventos.config.envfile import read_env_file, read_text
from estado_eventos.config.settings import Settings, SettingsError, explain

SYSTEM_ENV_FILE = Path("/etc/estado-eventos/estado-eventos.env")
CREDSTORE = Path("/etc/credstore")
"""Donde `LoadCredential=` busca lo que no tiene ruta (systemd.exec(5))."""
_LOCAL_ENV_FILE = Path(".env")
_USER_ENV_FILE = Path(".config/estado-eventos/estado-eventos.env")
_OWN_IT = "Si es suyo y de nadie más: chmod go-w .env; si no, nombre el que quiera con --env-file"
_BECOME_IT = "Ejecútelo con la cuenta que hace las pasadas, o con sudo"
_FILE_REASONS: dict[type[OSError], str] = {
    FileNotFoundError: "no existe",
    IsADirectoryError: "es un directorio",
    PermissionError: "no hay permiso para leerlo",
}


@dataclass(frozen=True, slots=True)
class Layer:
    """Una fuente de configuración, su nombre para una persona y lo que dice (sin lo vacío)."""

    origin: str
    values: Mapping[str, str] = field(repr=False)


class Notice(NamedTuple):
    """Algo que conviene avisar de un archivo que no se usó, y qué hacer si se contaba con él."""

    message: str
    cure: str


class Loaded(NamedTuple):
    """La configuración, de qué fuentes salió (la más fuerte primero), de qué archivo y lo que conviene avisar."""

    settings: Settings
    layers: tuple[Layer, ...]
    file: Path | None
    notices: tuple[Notice, ...]

    def origin(self, name: str) -> str:
        """De dónde sale una variable (`name` en minúsculas), para una persona."""
        return _origin(self.layers, name)


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """El archivo de configuración que se usa, si hay alguno, y por qué no se usan los que van delante de él."""

    path: Path | None
    values: Mapping[str, str | None] = field(repr=False)
    notices: tuple[Notice, ...] = ()


def load(
    overrides: Mapping[str, str],
    env_file: Path | None = None,
    *,
    half_account: bool = False,
    for_service: bool = False,
) -> Loaded:
    """Lee todas las fuentes y construye la configuración.

    `overrides` es lo que dijo la línea de mandatos. Con `half_account` vale que falte la mitad de la cuenta, porque se
    le va a preguntar a una persona. Con `for_service`, root lee además los secretos que systemd da al servicio de ese
    archivo: sin ellos parecería que faltan. Lanza `SettingsError`, con lo que aun así se entiende.
    """
    try:
        return _load(overrides, env_file, half_account=half_account, for_service=for_service)
    except SettingsError as error:
        error.readable = _readable(overrides, env_file)
        raise


def _load(overrides: Mapping[str, str], env_file: Path | None, *, half_account: bool, for_service: bool) -> Loaded:
    file = settings_file(env_file)
    stored = _credentials(str(CREDSTORE), _service_of(file.path)) if for_service and _is_service(file.path) else None
    layers = (
        Layer("línea de mandatos", _known(overrides)),
        Layer("entorno", _known(os.environ)),
        _credentials(os.environ.get("CREDENTIALS_DIRECTORY")),
        *([stored] if stored else ()),
        *([Layer(str(file.path), _known(file.values))] if file.path else ()),
    )
    chosen: ChainMap[str, Any] = ChainMap(*(dict(layer.values) for layer in layers))
    try:
        settings = Settings(**chosen)
    except ValidationError as error:
        raise SettingsError(explain(error, lambda name: _origin(layers, name))) from None
    if not half_account:
        _check_account(settings)
    return Loaded(settings, layers, file.path, file.notices)


_TELLING = {*("metrics_file", "heartbeat_url", "report_file", "log_level", "log_format", "scheduler_interval_seconds")}
_IDENTITY = {"schedule_name", "shard", "shard_count", "job_completion_index"}
"""Lo que dice de quién son las métricas."""


def _readable(overrides: Mapping[str, str], env_file: Path | None) -> Settings:
    """Lo que se entiende de cómo contar que la configuración no vale: quien vigila no tiene que extrañarse."""
    layers = [_known(overrides), _known(os.environ)]
    with suppress(SettingsError):
        layers.append(dict(_credentials(os.environ.get("CREDENTIALS_DIRECTORY")).values))
    # Lo que llega por una tubería ya se ha leído, y no volverá a llegar.
    if env_file is None or env_file.is_file():
        with suppress(SettingsError):
            layers.append(_known(settings_file(env_file, lenient=True).values))
    chosen: ChainMap[str, Any] = ChainMap(*layers)
    values = {name: chosen[name] for name in _TELLING | _IDENTITY if name in chosen}
    while True:
        try:
            return Settings(**values)
        except ValidationError as error:
            # Lo que no es de ninguna variable suelta es que las del reparto no concuerdan.
            wrong = {str(each["loc"][0]) if each["loc"] else "shard" for each in error.errors(include_input=False)}
            if wrong & _IDENTITY:
                wrong |= _IDENTITY | {"metrics_file"}
            values = {name: value for name, value in values.items() if name not in wrong}


def settings_file(env_file: Path | None, *, lenient: bool = False) -> SettingsFile:
    """El archivo de configuración: `env_file` o el primero que haya de los habituales; nunca varios mezclados.

    Mezclados, la URL de pruebas de uno podría llevarse la contraseña de otro. Lanza `SettingsError`; con `lenient`, no
    por una línea que no se entiende.
    """
    if env_file:
        try:
            return SettingsFile(env_file, read_env_file(env_file, lenient=lenient))
        except OSError as error:
            hint = _BECOME_IT if isinstance(error, PermissionError) else ""
            raise SettingsError([f"--env-file: {env_file}: {_reason(error)}."], hint=hint) from None
    notices: list[Notice] = []
    for path in _usual_files():
        try:
            values = read_env_file(path, trusted_only=path is _LOCAL_ENV_FILE, lenient=lenient)
            return SettingsFile(path, values, tuple(notices))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            cure = _cure(path)
            notices.append(Notice(f"{path}: {_reason(error)}; no se ha tenido en cuenta", cure))
    return SettingsFile(None, {}, tuple(notices))


def _cure(path: Path) -> str:
    if path.is_dir():
        return f"Es un directorio: quítelo, o nombre con --env-file el archivo que quiera (¿{path}/estado-eventos.env?)"
    return _OWN_IT if path is _LOCAL_ENV_FILE else _BECOME_IT


def find_file(env_file: Path | None) -> Path | None:
    """El archivo de configuración que se leería, sin leerlo; para cuando lo que dice no vale."""
    return env_file or next((path for path in _usual_files() if path.is_file() and not path.is_symlink()), None)


def _usual_files() -> Iterator[Path]:
    yield _LOCAL_ENV_FILE
    if os.geteuid() != 0:
        with suppress(RuntimeError):
            yield Path.home() / _USER_ENV_FILE
    yield SYSTEM_ENV_FILE


def _reason(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "es un enlace"
    return _FILE_REASONS.get(type(error)) or (str(error.strerror) if error.errno == 0 else "no se puede leer")


def _check_account(settings: Settings) -> None:
    if settings.backend_email and not settings.backend_password:
        raise SettingsError(["BACKEND_PASSWORD: falta; está puesta BACKEND_EMAIL y van juntas."])
    if settings.backend_password and not settings.backend_email:
        raise SettingsError(["BACKEND_EMAIL: falta; está puesta BACKEND_PASSWORD y van juntas."])


def _origin(layers: Iterable[Layer], name: str) -> str:
    return next((layer.origin for layer in layers if name in layer.values), "valor de fábrica")


def _known(values: Mapping[str, str | None]) -> dict[str, str]:
    """Las variables nuestras que no están vacías, en minúsculas; la escrita en mayúsculas manda."""
    ordered = sorted(values, key=lambda name: name == name.upper())
    found = {name.lower(): values[name] for name in ordered if name.lower() in Settings.model_fields}
    return {name: value for name, value in found.items() if value is not None and value.strip()}


def _credentials(directory: str | None, prefix: str = "") -> Layer:
    """Los secretos de `LoadCredential=` de systemd: un archivo por variable; en su almacén, tras el de la unidad."""
    origin = f"{directory}/{prefix}*" if prefix else "$CREDENTIALS_DIRECTORY"
    values: dict[str, str | None] = {}
    if directory:
        for name in (name.upper() for name in Settings.model_fields):
            try:
                values[name] = read_text(Path(directory, prefix + name)).removesuffix("\n").removesuffix("\r")
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError:
                raise SettingsError([f"{name}: no se puede leer en {origin}."]) from None
    return Layer(origin, _known(values))


def _is_service(path: Path | None) -> bool:
    """Si ese archivo es de un servicio del sistema y quien pregunta es root, que no es el servicio."""
    is_system = path is not None and path.absolute().parent == SYSTEM_ENV_FILE.parent
    return is_system and os.geteuid() == 0 and "CREDENTIALS_DIRECTORY" not in os.environ


def _service_of(path: Path | None) -> str:
    """Con qué empiezan en el almacén los secretos del servicio de ese archivo: `aula2.env` es de `…-aula2`."""
    stem, whole = path.stem if path else "", SYSTEM_ENV_FILE.stem
    return f"{whole}." if stem == whole else f"{whole}-{stem}."
