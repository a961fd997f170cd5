"""De qué autoridades de certificación se fía esta máquina: las de su sistema, o las que nombre el entorno."""

import os
import re
import ssl
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from estado_eventos.config.settings import SettingsError

_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.[0-9]+")


class NoAuthoritiesError(SettingsError):
    """No hay con qué saber de quién es un certificado: qué pasa (`message`) y qué lo cura (`hint`)."""

    def __init__(self, message: str, hint: str) -> None:
        """Dos frases para una persona, sin punto final."""
        super().__init__([f"{message}. {hint}."])
        self.message = message
        self.hint = hint


class Store(NamedTuple):
    """Dónde están: un archivo, que se lee entero, una carpeta donde se busca cada una por su nombre, o ambos."""

    file: str | None = None
    folder: str | None = None


USUAL_STORES = (
    Store("/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs"),  # Debian, Ubuntu, Alpine, Arch
    Store("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"),  # Fedora, RHEL
    Store("/etc/pki/tls/cert.pem"),  # RHEL 8 y anteriores
    Store("/etc/ssl/ca-bundle.pem"),  # SUSE
    Store("/etc/ssl/cert.pem"),
)
"""Donde están, si no es donde las busca el OpenSSL con que se hizo este Python (uno de uv, en RHEL 8)."""


def trusted_store() -> Store:
    """Las del sistema o, si el entorno las nombra, esas; lanza `NoAuthoritiesError` si no hay ninguna.

    Como OpenSSL, `SSL_CERT_FILE` y `SSL_CERT_DIR` cambian cada una su mitad.
    """
    paths = ssl.get_default_verify_paths()
    own = Store(paths.openssl_cafile, paths.openssl_capath)
    named = Store(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    folder = named.folder or paths.openssl_capath
    if named.folder and not named.file and not _linked(folder):
        raise NoAuthoritiesError(
            "En SSL_CERT_DIR no hay ninguna autoridad de certificación con el nombre que le da «openssl rehash»",
            "Ponga en SSL_CERT_DIR la carpeta donde están, o quítela y valdrán las del sistema",
        )
    file = named.file or _if_file(own.file)
    if not file and not _linked(folder):
        file = next(filter(_if_file, (store.file for store in USUAL_STORES)), None)
        if file is None:
            raise NoAuthoritiesError(
                "No se encuentran las autoridades de certificación de esta máquina, y sin ellas no hay https",
                "Instálelas (apt install ca-certificates) o ponga en SSL_CERT_FILE el archivo donde están",
            )
    covering = _covering(file, (own, *USUAL_STORES))
    return Store(folder=os.pathsep.join(dict.fromkeys((folder, covering)))) if covering else Store(file, folder)


def context_trusting(store: Store) -> ssl.SSLContext:
    """Un contexto TLS nuevo que se fía de esas; lanza `NoAuthoritiesError` si no se pueden leer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    context.hostname_checks_common_name = False
    try:
        context.load_verify_locations(store.file, store.folder)
    except OSError as error:
        reason = "no tiene ningún certificado" if isinstance(error, ssl.SSLError) else error.strerror
        raise NoAuthoritiesError(
            f"No se pueden leer las autoridades de certificación de {store.file}: {reason}",
            "Ponga en SSL_CERT_FILE el archivo donde están, o quítela y valdrán las del sistema",
        ) from None
    return context


def _covering(file: str | None, known: Iterable[Store]) -> str | None:
    """La carpeta que tiene, una a una, todo lo de ese archivo, si es el de un sistema: leerlo entero costaría 20 ms."""
    if file is None or not _if_file(file):
        return None
    folders = [store.folder for store in known if _if_file(store.file) and Path(file).samefile(store.file or "")]
    wanted = Path(file).read_bytes().count(b"BEGIN CERT")
    return next((folder for folder in folders if folder and _linked(folder) >= wanted), None)


def _linked(folders: str) -> int:
    """Cuántas autoridades se pueden buscar en una carpeta, o en varias, por el nombre que les da `openssl rehash`."""
    found = 0
    for folder in folders.split(os.pathsep):
        with suppress(OSError), os.scandir(folder) as entries:
            found += sum(_HASHED_NAME.fullmatch(entry.name) is not None for entry in entries)
    return found


def _if_file(path: str | None) -> str | None:
    return path if path and Path(path).is_file() and os.access(path, os.R_OK) else None
