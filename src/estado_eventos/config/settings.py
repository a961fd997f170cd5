"""La configuración: qué variables hay, qué vale en cada una y qué se le dice a quien se equivoca."""

import logging
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self

import httpx
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    SecretStr,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from estado_eventos.config.redactor import Redactor
from estado_eventos.domain.shard import MAX_SHARDS, WHOLE, Shard
from estado_eventos.domain.text import is_name, is_token


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


def _secret_url(value: SecretStr) -> SecretStr:
    _http_url(value.get_secret_value())
    return value


def _http_url(value: str) -> httpx.URL:
    try:
        url = httpx.URL(value)
    except (httpx.InvalidURL, ValueError):
        url = httpx.URL()
    if url.scheme not in {"http", "https"} or not _is_host(url) or not 0 < (url.port or 80) < 65536:
        raise ValueError("tiene que ser una URL completa, como https://admin.ejemplo.es")
    return url


def _is_host(url: httpx.URL) -> bool:
    """Si el nombre del servidor se puede buscar: los hay que caben en una URL y no en el DNS (RFC 1035 §2.3.4)."""
    host = url.raw_host.decode("ascii").removesuffix(".")
    return len(host) < 254 and all(0 < len(label) < 64 for label in host.split("."))


def _header_value(value: SecretStr) -> SecretStr:
    token = value.get_secret_value().strip().removeprefix("Bearer ").strip()
    if not is_token(token):
        raise ValueError("tiene espacios o caracteres que un token no puede llevar; cópielo entero y en una línea")
    return SecretStr(token)


def _file_path(value: Path) -> Path:
    if not str(value).isprintable():
        raise ValueError("lleva caracteres de control, que una ruta no necesita")
    return value


def _listen_host(value: str) -> str:
    if not value.isprintable() or "%" in value:
        raise ValueError("tiene que ser una dirección, como 0.0.0.0 o 127.0.0.1, sin «%»")
    return value


def _schedule_name(value: str) -> str:
    if not is_name(value):
        raise ValueError("solo admite letras, cifras, «-» y «_», y empieza por letra o cifra")
    return value


def _origin_path(value: str) -> str:
    # Lo que un navegador o un proxy podrían tomar por otro servidor no es una ruta.
    if not value.startswith("/") or value.startswith("//") or not value.isascii() or not value.isprintable():
        raise ValueError("tiene que ser una ruta del backend, como /analysis/process-event-completion/")
    if any(character in value for character in " \\?#"):
        raise ValueError("es solo una ruta: sin espacios, «\\», «?» ni «#»")
    return value


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _shard(value: str | Shard) -> Shard:
    return value if isinstance(value, Shard) else Shard.read(value)


BaseUrl = Annotated[str, BeforeValidator(_stripped), AfterValidator(_base_url)]
FilePath = Annotated[Path, AfterValidator(_file_path)]


class Settings(BaseSettings):
    """La configuración de una ejecución; se construye una vez, con `sources.load`, y no cambia.

    Los nombres de las variables son los de los campos en mayúsculas. Los tiempos, en segundos.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    backend_url: BaseUrl = "http://localhost:8000"
    backend_jwt_token: Annotated[SecretStr, AfterValidator(_header_value)] | None = None
    auth_url: BaseUrl | None = None
    backend_email: SecretStr | None = None
    backend_password: SecretStr | None = None
    token_cache_file: FilePath | None = None
    scheduler_interval_seconds: int = Field(default=60, ge=10, le=86400)
    backend_proxy: Annotated[SecretStr, AfterValidator(_secret_url)] | None = None
    http_timeout: float = Field(default=30, gt=0, le=3600, allow_inf_nan=False)
    pass_timeout: float = Field(
        default_factory=lambda data: min(0.8 * data.get("scheduler_interval_seconds", 60), 300),
        gt=0,
        le=86400,
        allow_inf_nan=False,
    )
    standby_seconds: float = Field(default=0, ge=0, le=86400, allow_inf_nan=False)
    max_concurrency: int = Field(default=8, ge=1, le=128)
    shard: Annotated[Shard, PlainValidator(_shard)] | None = None
    shard_count: int | None = Field(default=None, ge=1, le=MAX_SHARDS)
    job_completion_index: int | None = Field(default=None, ge=0)
    metrics_file: FilePath | None = None
    heartbeat_url: Annotated[SecretStr, AfterValidator(_secret_url)] | None = None
    report_file: FilePath | None = None
    finish_follow_up: Annotated[str, BeforeValidator(_stripped), AfterValidator(_origin_path)] | None = None
    follow_up_directory: FilePath | None = None
    schedule_name: Annotated[str, BeforeValidator(_stripped), AfterValidator(_schedule_name)] = "estado-eventos"
    # Es el del servicio antiguo; solo se abre si se instala con --api.
    host: Annotated[str, AfterValidator(_listen_host)] = "0.0.0.0"  # noqa: S104
    port: int = Field(default=8001, ge=1, le=65535)
    log_level: Annotated[LogLevel, BeforeValidator(_upper)] = LogLevel.INFO
    log_format: Annotated[LogFormat, BeforeValidator(_lower)] = LogFormat.AUTO

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Solo lo que `sources.load` reunió: él sabe de dónde salió cada variable."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        if self.pass_timeout >= self.scheduler_interval_seconds:
            raise ValueError(
                f"PASS_TIMEOUT ({self.pass_timeout:g} s) tiene que ser menor que SCHEDULER_INTERVAL_SECONDS "
                f"({self.scheduler_interval_seconds} s): una pasada acaba antes de que toque la siguiente."
            )
        return self

    @model_validator(mode="after")
    def _check_shard(self) -> Self:
        given, index, count = self.shard, self.job_completion_index, self.shard_count
        if given and (index not in {None, given.number - 1} or count not in {None, given.count}):
            raise ValueError(
                "SHARD: contradice a JOB_COMPLETION_INDEX (desde 0) o a SHARD_COUNT; deje una de las dos maneras."
            )
        if given is None:
            # Sin el número de partes, cada pod de un Job «Indexed» pediría a la vez lo mismo que los demás.
            if index is not None and count is None:
                raise ValueError("SHARD_COUNT: falta; está puesta JOB_COMPLETION_INDEX y van juntas.")
            if index is None and count is not None:
                raise ValueError("JOB_COMPLETION_INDEX: falta; está puesta SHARD_COUNT y van juntas.")
            if index is not None and count is not None and index >= count:
                raise ValueError("JOB_COMPLETION_INDEX: se cuenta desde 0 y tiene que ser menor que SHARD_COUNT.")
        return self

    @cached_property
    def redactor(self) -> Redactor:
        """Quien sabe todos los secretos de este proceso: los de aquí, y los tokens que se le vayan diciendo."""
        secrets = (self.backend_jwt_token, self.backend_email, self.backend_password)
        urls = (self.backend_proxy, self.heartbeat_url)
        return Redactor(
            (secret.get_secret_value() for secret in secrets if secret),
            (url.get_secret_value() for url in urls if url),
        )

    @property
    def part(self) -> Shard:
        """La parte de los eventos que toca, se diga de una manera o de otra."""
        if self.shard is None and self.job_completion_index is not None and self.shard_count is not None:
            return Shard(self.job_completion_index + 1, self.shard_count)
        return self.shard or WHOLE
