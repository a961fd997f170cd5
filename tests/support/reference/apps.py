"""La aplicación de Django."""

from django.apps import AppConfig


class ReferenceBackendConfig(AppConfig):
    """Una sola aplicación: eventos, usuarios y opciones."""

    name = "tests.support.reference"
    label = "backend"
