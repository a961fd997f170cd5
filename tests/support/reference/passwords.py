"""Las contraseñas: el PBKDF2 de Django, con las vueltas que diga la configuración."""

from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher


class ReferenceHasher(PBKDF2PasswordHasher):
    """El de Django; con menos vueltas, las pruebas no esperan."""

    iterations = settings.PASSWORD_ITERATIONS or PBKDF2PasswordHasher.iterations
