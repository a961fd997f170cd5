"""La configuración: de dónde se lee, qué vale y qué se le dice a quien se equivoca."""

import io
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import httpx
from dotenv.parser import parse_stream
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, SettingsConfigDict

SYSTEM_ENV_FILE = Path("/etc/estado-eventos/estado-eventos.env")
_MAX_FILE_BYTES = 1 << 20
_FILE_REASONS: dict[type[OSError], str] = {
    FileNotFoundError: "no existe",
    IsADirectoryError: "es un directorio",
    PermissionError: "no hay permiso para leerlo",
}


class LogLevel(StrEnum):
    """Desde qué gravedad se cuenta algo en el registro."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"

    @property
    def number(self) -> int:
        """La gravedad como número de `logging`."""
        return logging.getLevelNamesMapping()[self.value]


class LogFormat(StrEnum):
    """Cómo se escribe cada línea del registro; `auto` es `journal` bajo systemd y si no `text`."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"
    JOURNAL = "journal"


class SettingsError(Exception):
    """La configuración no vale. `problems` son frases para una persona, una por variable."""

    def __init__(self, problems: list[str]) -> None:
        """Guarda las frases; ninguna contiene el valor equivocado, que puede ser secreto."""
        super().__init__(" ".join(problems))
        self.problems = problems


def _stripped(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def _base_url(value: str) -> str:
    url = _http_url(value)
    if url.userinfo:
        raise ValueError("no admite usuario ni contraseña dentro de la URL")
    if url.query or url.fragment:
        raise ValueError("no admite «?» ni «#»: solo origen y, si hace falta, ruta")
    return str(url).rstrip("/")


def _proxy_url(value: SecretStr) -> SecretStr:
    _http_url(value.get_secret_value())
    return value


def _http_url(value: str) -> httpx.URL:
    try:
        url = httpx.URL(value)
    except (httpx.InvalidURL, ValueError):
        url = httpx.URL()
    if url.scheme not in {"http", "https"} or not url.host or not 0 < (url.port or 80) < 65536:
        raise ValueError("tiene que ser una URL completa, como https://admin.ejemplo.es")
    return url


def _header_value(value: SecretStr) -> SecretStr:
    token = value.get_secret_value().strip().removeprefix("Bearer ").strip()
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError("tiene espacios o caracteres que un token no puede llevar; cópielo entero y en una línea")
    return SecretStr(token)


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


BaseUrl = Annotated[str, BeforeValidator(_stripped), AfterValidator(_base_url)]


class Settings(BaseSettings):
    """La configuración de una ejecución; se construye una vez, con `load`, y no cambia.

    Los nombres de las variables son los de los campos en mayúsculas. Los tiempos, en segundos.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    backend_url: BaseUrl = "http://localhost:8000"
    backend_jwt_token: Annotated[SecretStr, AfterValidator(_header_value)] | None = None
    scheduler_interval_seconds: int = Field(default=60, ge=10, le=86400)
    backend_proxy: Annotated[SecretStr, AfterValidator(_proxy_url)] | None = None
    http_timeout: float = Field(default=30, gt=0, le=3600, allow_inf_nan=False)
    pass_timeout: float = Field(
        default_factory=lambda data: min(0.8 * data.get("scheduler_interval_seconds", 60), 300),
        gt=0,
        le=86400,
        allow_inf_nan=False,
    )
    max_concurrency: int = Field(default=8, ge=1, le=128)
    log_level: Annotated[LogLevel, BeforeValidator(_upper)] = LogLevel.INFO
    log_format: Annotated[LogFormat, BeforeValidator(_lower)] = LogFormat.AUTO


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


def load(overrides: Mapping[str, str], env_file: Path | None = None) -> Loaded:
    """Lee todas las fuentes y construye la configuración.

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
            layers.append(_read_env_file(path))
        except OSError as error:
            reason = _FILE_REASONS.get(type(error), "no se puede leer")
            if env_file:
                raise SettingsError([f"--env-file: {path}: {reason}."]) from None
            if isinstance(error, PermissionError):
                notices.append(f"{path}: {reason}; no se ha tenido en cuenta.")
    try:
        sources = tuple(InitSettingsSource(Settings, init_kwargs=dict(layer.values)) for layer in layers)
        settings = Settings(_build_sources=(sources, {}))
    except ValidationError as error:
        raise SettingsError(_explain(error, layers)) from None
    return Loaded(settings, tuple(layers), tuple(notices))


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
                values[name] = _read_text(Path(directory, name)).removesuffix("\n").removesuffix("\r")
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError:
                raise SettingsError([f"{name}: no se puede leer en $CREDENTIALS_DIRECTORY."]) from None
    return Layer("$CREDENTIALS_DIRECTORY", _known(values))


def _read_env_file(path: Path) -> Layer:
    values: dict[str, str | None] = {}
    for binding in parse_stream(io.StringIO(_read_text(path))):
        if binding.error and any(name in binding.original.string.lower() for name in Settings.model_fields):
            raise SettingsError([f"{path}, línea {binding.original.line}: no se entiende."])
        if binding.key is not None:
            values[binding.key] = binding.value
    return Layer(str(path), _known(values))


def _read_text(path: Path) -> str:
    with path.open("rb") as file:
        raw = file.read(_MAX_FILE_BYTES + 1)
    if len(raw) > _MAX_FILE_BYTES:
        raise SettingsError([f"{path}: es demasiado grande para ser un archivo de configuración."])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SettingsError([f"{path}: no es texto UTF-8."]) from None


_REASONS = {
    "int_parsing": "no es un número entero",
    "int_from_float": "no es un número entero",
    "int_parsing_size": "es un número demasiado grande",
    "float_parsing": "no es un número",
    "finite_number": "no es un número",
    "greater_than": "tiene que ser mayor que {gt:g}",
    "greater_than_equal": "tiene que ser al menos {ge:g}",
    "less_than_equal": "tiene que ser como mucho {le:g}",
    "enum": "no es ninguno de estos valores: {expected}",
    "value_error": "{error}",
}


def _explain(failure: ValidationError, layers: list[Layer]) -> list[str]:
    """Una frase por variable, con su nombre y de dónde salió; nunca con su valor."""
    sentences = []
    for error in failure.errors(include_url=False, include_input=False):
        if error["type"] == "default_factory_not_called":
            # Pydantic no calcula los valores de fábrica que dependen de otros si alguno está mal.
            continue
        name = str(error["loc"][0])
        origin = next((layer.origin for layer in layers if name in layer.values), "valor de fábrica")
        context = dict(error.get("ctx", {}))
        if "expected" in context:
            context["expected"] = context["expected"].replace(" or ", " o ")
        reason = _REASONS.get(error["type"], "no vale").format(**context)
        sentences.append(f"{name.upper()} ({origin}): {reason}.")
    return sentences
