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


def load(overrides: Mapping[str, str], env_file: Path | None = None, *, half_account: bool = False) -> Loaded:
    """Lee todas las fuentes y construye la configuración.

    `overrides` es lo que dijo la línea de mandatos. Con `half_account` vale que falte la mitad de la cuenta, porque se
    le va a preguntar a una persona. Lanza `SettingsError`.
    """
    file = settings_file(env_file)
    layers = (
        Layer("línea de mandatos", _known(overrides)),
        Layer("entorno", _known(os.environ)),
        _credentials(os.environ.get("CREDENTIALS_DIRECTORY")),
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


def settings_file(env_file: Path | None) -> SettingsFile:
    """El archivo de configuración: `env_file` o el primero que haya de los habituales; nunca varios mezclados.

    Mezclados, la URL de pruebas de uno podría llevarse la contraseña de otro. Lanza `SettingsError`.
    """
    if env_file:
        try:
            return SettingsFile(env_file, read_env_file(env_file))
        except OSError as error:
            raise SettingsError([f"--env-file: {env_file}: {_reason(error)}."]) from None
    notices: list[Notice] = []
    for path in _usual_files():
        try:
            return SettingsFile(path, read_env_file(path, trusted_only=path is _LOCAL_ENV_FILE), tuple(notices))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            cure = _OWN_IT if path is _LOCAL_ENV_FILE else _BECOME_IT
            notices.append(Notice(f"{path}: {_reason(error)}; no se ha tenido en cuenta", cure))
    return SettingsFile(None, {}, tuple(notices))


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


def _credentials(directory: str | None) -> Layer:
    """Los secretos de `LoadCredential=` de systemd: un archivo por variable."""
    values: dict[str, str | None] = {}
    if directory:
        for name in (name.upper() for name in Settings.model_fields):
            try:
                values[name] = read_text(Path(directory, name)).removesuffix("\n").removesuffix("\r")
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError:
                raise SettingsError([f"{name}: no se puede leer en $CREDENTIALS_DIRECTORY."]) from None
    return Layer("$CREDENTIALS_DIRECTORY", _known(values))
