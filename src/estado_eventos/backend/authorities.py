"""De qué autoridades de certificación se fía esta máquina: las de su sistema, o las que nombre el entorno."""

import os
import re
import ssl
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
    """Las del sistema o, si el entorno las nombra, esas; lanza `NoAuthoritiesError` si no hay ninguna."""
    paths = ssl.get_default_verify_paths()
    own = Store(paths.openssl_cafile, paths.openssl_capath)
    named = Store(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    if named.file or named.folder:
        return _named(named, own)
    for store in (own, *USUAL_STORES):
        if found := _present(store):
            return found
    raise NoAuthoritiesError(
        "No se encuentran las autoridades de certificación de esta máquina, y sin ellas no hay https",
        "Instálelas (apt install ca-certificates) o ponga en SSL_CERT_FILE el archivo donde están",
    )


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


def _named(named: Store, own: Store) -> Store:
    """Las que nombra el entorno, como las entiende OpenSSL: lo que no nombre sigue siendo lo suyo."""
    if named.folder and not any(map(os.path.isdir, named.folder.split(os.pathsep))):
        raise NoAuthoritiesError(
            "SSL_CERT_DIR no es ninguna carpeta que exista, y sin autoridades de certificación no hay https",
            "Ponga en SSL_CERT_DIR la carpeta donde están, o quítela y valdrán las del sistema",
        )
    return Store(named.file or _if_file(own.file), named.folder or own.folder)


def _present(store: Store) -> Store | None:
    """Lo que hay de verdad en ese almacén; solo la carpeta, si en ella está todo lo del archivo, que cuesta 20 ms."""
    file, folder = _if_file(store.file), store.folder
    linked = _linked(folder) if folder else 0
    if linked and (file is None or linked >= Path(file).read_bytes().count(b"BEGIN CERTIFICATE")):
        return Store(folder=folder)
    return Store(file, folder) if file else None


def _linked(folder: str) -> int:
    """Cuántas autoridades se pueden buscar en una carpeta por el nombre que les da `openssl rehash`."""
    try:
        with os.scandir(folder) as entries:
            return sum(_HASHED_NAME.fullmatch(entry.name) is not None for entry in entries)
    except OSError:
        return 0


def _if_file(path: str | None) -> str | None:
    return path if path and Path(path).is_file() and os.access(path, os.R_OK) else None
