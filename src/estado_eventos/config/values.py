"""Qué vale en cada variable: se entiende, se limpia o se dice por qué no vale."""

import re
from pathlib import Path
from typing import Annotated

import httpx
from pydantic import AfterValidator, BeforeValidator, PlainValidator, SecretStr

from estado_eventos.domain.shard import Shard
from estado_eventos.domain.text import is_name, is_token

HEARTBEAT_FIELDS = ("status", "state", "exit_code", "message", "duration_ms", "run_id")
"""Lo que se puede dejar por rellenar, entre llaves, en `HEARTBEAT_URL`."""
HEARTBEAT_FIELD = re.compile(rf"\{{({'|'.join(HEARTBEAT_FIELDS)})\}}")


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


def _heartbeat_url(value: SecretStr) -> SecretStr:
    if re.search(r"[{}]", HEARTBEAT_FIELD.sub("", value.get_secret_value())):
        names = ", ".join(f"{{{name}}}" for name in HEARTBEAT_FIELDS)
        raise ValueError(f"entre llaves solo admite {names}")
    return _secret_url(value)


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


Upper = BeforeValidator(_upper)
Lower = BeforeValidator(_lower)
BaseUrl = Annotated[str, BeforeValidator(_stripped), AfterValidator(_base_url)]
SecretUrl = Annotated[SecretStr, AfterValidator(_secret_url)]
HeartbeatUrl = Annotated[SecretStr, AfterValidator(_heartbeat_url)]
OriginPath = Annotated[str, BeforeValidator(_stripped), AfterValidator(_origin_path)]
BearerToken = Annotated[SecretStr, AfterValidator(_header_value)]
FilePath = Annotated[Path, AfterValidator(_file_path)]
ListenHost = Annotated[str, AfterValidator(_listen_host)]
ScheduleName = Annotated[str, BeforeValidator(_stripped), AfterValidator(_schedule_name)]
ShardText = Annotated[Shard, PlainValidator(_shard)]
