"""Configuración de Django; lo variable llega del entorno, que prepara `python -m tests.support.reference`."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.support.reference.contract import DEFAULT_EMAIL, DEFAULT_PASSWORD, DEFAULT_PREFIX, DEFAULT_TOKEN_SECONDS


def _sqlite(path: str) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }


def _postgres(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ValueError(f"DATABASE_URL solo admite postgresql://, no {parts.scheme}://")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": None,
    }


SECRET_KEY = "solo para pruebas"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["tests.support.reference"]
MIDDLEWARE = ["tests.support.reference.middleware.record", "tests.support.reference.middleware.mount"]
ROOT_URLCONF = "tests.support.reference.urls"
APPEND_SLASH = False
LANGUAGE_CODE = "es"
TIME_ZONE = "UTC"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["tests.support.reference.passwords.ReferenceHasher"]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler", "level": "ERROR"}},
    "loggers": {"django": {"handlers": ["stderr"]}},
}

_database_url = os.environ.get("DATABASE_URL")
DATABASES = {
    "default": _postgres(_database_url) if _database_url else _sqlite(os.environ.get("REFERENCE_SQLITE", ":memory:")),
}

# Lo propio del backend de referencia.
ADMIN_EMAIL = os.environ.get("REFERENCE_EMAIL", DEFAULT_EMAIL)
ADMIN_PASSWORD = os.environ.get("REFERENCE_PASSWORD", DEFAULT_PASSWORD)
PASSWORD_ITERATIONS = int(os.environ.get("REFERENCE_ITERATIONS", "0"))
INITIAL_OPTIONS: dict[str, Any] = {
    "token_seconds": int(os.environ.get("REFERENCE_TOKEN_SECONDS", str(DEFAULT_TOKEN_SECONDS))),
    "require_token": "REFERENCE_NO_AUTH" not in os.environ,
    "prefix": os.environ.get("REFERENCE_PREFIX", DEFAULT_PREFIX),
    "clock_offset_seconds": float(os.environ.get("REFERENCE_CLOCK_OFFSET", "0")),
}
CONTROL = "REFERENCE_CONTROL" in os.environ
REQUEST_LOG_DIR = Path(os.environ.get("REFERENCE_REQUEST_LOG_DIR", os.devnull))
