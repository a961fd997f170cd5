"""De dónde sale la configuración: línea de mandatos, entorno, credenciales de systemd y archivos."""

import os
from collections import ChainMap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from estado_eventos.config.envfile import read_env_file, read_text
from estado_eventos.config.settings import Settings, SettingsError, explain

SYSTEM_ENV_FILE = Path("/etc/estado-eventos/estado-eventos.env")
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


@dataclass(frozen=True, slots=True)
class Loaded:
    """La configuración, de qué fuentes salió (la más fuerte primero) y lo que conviene avisar."""

    settings: Settings
    layers: tuple[Layer, ...]
    notices: tuple[str, ...]

    def origin(self, name: str) -> str:
        """De dónde sale una variable (`name` en minúsculas), para una persona."""
        return _origin(self.layers, name)


def load(overrides: Mapping[str, str], env_file: Path | None = None, *, half_account: bool = False) -> Loaded:
    """Lee todas las fuentes y construye la configuración.

    Con `half_account` vale que falte la mitad de la cuenta, porque se le va a preguntar a una persona.

    `overrides` es lo que dijo la línea de mandatos. Sin `env_file` se leen `.env` del directorio actual y
    `SYSTEM_ENV_FILE`, si existen. Lanza `SettingsError`.
    """
    notices: list[str] = []
    layers = [
        Layer("línea de mandatos", _known(overrides)),
        Layer("entorno", _known(os.environ)),
        _credentials(os.environ.get("CREDENTIALS_DIRECTORY")),
    ]
    for path in (env_file,) if env_file else (Path(".env"), SYSTEM_ENV_FILE):
        try:
            layers.append(Layer(str(path), _known(read_env_file(path))))
        except OSError as error:
            reason = _FILE_REASONS.get(type(error), "no se puede leer")
            if env_file:
                raise SettingsError([f"--env-file: {path}: {reason}."]) from None
            if isinstance(error, PermissionError):
                notices.append(f"{path}: {reason}; no se ha tenido en cuenta.")
    chosen: ChainMap[str, Any] = ChainMap(*(dict(layer.values) for layer in layers))
    try:
        settings = Settings(**chosen)
    except ValidationError as error:
        raise SettingsError(explain(error, lambda name: _origin(layers, name))) from None
    if not half_account:
        _check_account(settings)
    return Loaded(settings, tuple(layers), tuple(notices))


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
