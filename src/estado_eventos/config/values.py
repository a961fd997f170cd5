"""Qué se admite en una variable: cada función devuelve el valor, o lanza `ValueError` con lo que le pasa."""

import re
from pathlib import Path

import httpx
from pydantic import SecretStr

from estado_eventos.domain.shard import Shard
from estado_eventos.domain.text import is_name, is_token

HEARTBEAT_FIELDS = ("status", "state", "exit_code", "message", "duration_ms", "run_id")
"""Lo que se puede dejar por rellenar, entre llaves, en `HEARTBEAT_URL`."""
HEARTBEAT_FIELD = re.compile(rf"\{{({'|'.join(HEARTBEAT_FIELDS)})\}}")


def stripped(value: object) -> object:
    """Un texto, sin los espacios de alrededor."""
    return value.strip() if isinstance(value, str) else value


def base_url(value: str) -> str:
    """Una URL a la que se le añaden rutas."""
    url = _http_url(value)
    if url.userinfo:
        raise ValueError("no admite usuario ni contraseña dentro de la URL")
    if url.query or url.fragment:
        raise ValueError("no admite «?» ni «#»: solo origen y, si hace falta, ruta")
    return str(url).rstrip("/")


def secret_url(value: SecretStr) -> SecretStr:
    """Una URL que puede llevar una clave."""
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


def heartbeat_url(value: SecretStr) -> SecretStr:
    """La dirección de un monitor, entera o con huecos por rellenar."""
    url = value.get_secret_value()
    if re.search(r"[{}]", HEARTBEAT_FIELD.sub("", url)):
        names = ", ".join(f"{{{name}}}" for name in HEARTBEAT_FIELDS)
        raise ValueError(f"entre llaves solo admite {names}")
    return secret_url(value)


def header_value(value: SecretStr) -> SecretStr:
    """Un token, con `Bearer` delante o sin él."""
    token = value.get_secret_value().strip().removeprefix("Bearer ").strip()
    if not is_token(token):
        raise ValueError("tiene espacios o caracteres que un token no puede llevar; cópielo entero y en una línea")
    return SecretStr(token)


def file_path(value: Path) -> Path:
    """La ruta de un archivo."""
    if not str(value).isprintable():
        raise ValueError("lleva caracteres de control, que una ruta no necesita")
    return value


def listen_host(value: str) -> str:
    """Una dirección en que escuchar."""
    if not value.isprintable() or "%" in value:
        raise ValueError("tiene que ser una dirección, como 0.0.0.0 o 127.0.0.1, sin «%»")
    return value


def schedule_name(value: str) -> str:
    """El nombre de un planificador."""
    if not is_name(value):
        raise ValueError("solo admite letras, cifras, «-» y «_», y empieza por letra o cifra")
    return value


def origin_path(value: str) -> str:
    """Una ruta del backend."""
    # Lo que un navegador o un proxy podrían tomar por otro servidor no es una ruta.
    if not value.startswith("/") or value.startswith("//") or not value.isascii() or not value.isprintable():
        raise ValueError("tiene que ser una ruta del backend, como /analysis/process-event-completion/")
    if any(character in value for character in " \\?#"):
        raise ValueError("es solo una ruta: sin espacios, «\\», «?» ni «#»")
    return value


def upper(value: object) -> object:
    """Un texto, en mayúsculas."""
    return value.strip().upper() if isinstance(value, str) else value


def lower(value: object) -> object:
    """Un texto, en minúsculas."""
    return value.strip().lower() if isinstance(value, str) else value


def read_shard(value: str | Shard) -> Shard:
    """Una parte, escrita o ya leída."""
    return value if isinstance(value, Shard) else Shard.read(value)
