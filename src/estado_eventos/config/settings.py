"""La configuración: qué variables hay, qué vale en cada una y qué se le dice a quien se equivoca."""

import logging
from collections.abc import Callable
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from estado_eventos.config.redactor import Redactor
from estado_eventos.config.values import (
    BaseUrl,
    BearerToken,
    FilePath,
    HeartbeatUrl,
    ListenHost,
    Lower,
    OriginPath,
    ScheduleName,
    SecretUrl,
    ShardText,
    Upper,
)
from estado_eventos.domain.shard import MAX_SHARDS, WHOLE, Shard


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
    """La configuración no vale. `problems` son frases para una persona, una por variable; `hint`, qué hacer.

    `readable` es lo que aun así se entiende de cómo contarlo (registro y monitores); lo demás, de fábrica.
    """

    readable: "Settings | None" = None

    def __init__(self, problems: list[str], hint: str = "") -> None:
        """Guarda las frases; ninguna contiene el valor equivocado, que puede ser secreto."""
        super().__init__(" ".join(problems))
        self.problems = problems
        self.hint = hint


class Settings(BaseSettings):
    """La configuración de una ejecución; se construye una vez, con `sources.load`, y no cambia.

    Los nombres de las variables son los de los campos en mayúsculas. Los tiempos, en segundos.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    backend_url: BaseUrl = "http://localhost:8000"
    backend_jwt_token: BearerToken | None = None
    auth_url: BaseUrl | None = None
    backend_email: SecretStr | None = None
    backend_password: SecretStr | None = None
    token_cache_file: FilePath | None = None
    scheduler_interval_seconds: int = Field(default=60, ge=10, le=86400)
    backend_proxy: SecretUrl | None = None
    http_timeout: float = Field(default=30, gt=0, le=3600, allow_inf_nan=False)
    pass_timeout: float = Field(
        default_factory=lambda data: min(0.8 * data.get("scheduler_interval_seconds", 60), 300),
        gt=0,
        le=86400,
        allow_inf_nan=False,
    )
    standby_seconds: float = Field(default=0, ge=0, le=86400, allow_inf_nan=False)
    max_concurrency: int = Field(default=8, ge=1, le=128)
    shard: ShardText | None = None
    shard_count: int | None = Field(default=None, ge=1, le=MAX_SHARDS)
    job_completion_index: int | None = Field(default=None, ge=0)
    metrics_file: FilePath | None = None
    heartbeat_url: HeartbeatUrl | None = None
    report_file: FilePath | None = None
    finish_follow_up: OriginPath | None = None
    follow_up_directory: FilePath | None = None
    schedule_name: ScheduleName = "estado-eventos"
    # Es el del servicio antiguo; solo se abre si se instala con --api.
    host: ListenHost = "0.0.0.0"  # noqa: S104
    port: int = Field(default=8001, ge=1, le=65535)
    log_level: Annotated[LogLevel, Upper] = LogLevel.INFO
    log_format: Annotated[LogFormat, Lower] = LogFormat.AUTO

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


def explain(failure: ValidationError, origin_of: Callable[[str], str]) -> list[str]:
    """Una frase por variable, con su nombre y de dónde salió; nunca con su valor."""
    sentences = []
    for error in failure.errors(include_url=False, include_input=False):
        if error["type"] == "default_factory_not_called":
            # Pydantic no calcula los valores de fábrica que dependen de otros si alguno está mal.
            continue
        if not error["loc"]:
            # Lo que dice el modelo entero es ya una frase.
            sentences.append(str(error["ctx"]["error"]))
            continue
        name = str(error["loc"][0])
        origin = origin_of(name)
        context = dict(error.get("ctx", {}))
        if "expected" in context:
            context["expected"] = context["expected"].replace(" or ", " o ")
        reason = _REASONS.get(error["type"], "no vale").format(**context)
        sentences.append(f"{name.upper()} ({origin}): {reason}.")
    return sentences
