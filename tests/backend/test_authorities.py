"""De qué autoridades se fía: las del sistema, buscadas una a una, o las que nombre el entorno."""

import os
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest
import trustme

from estado_eventos.backend import authorities
from estado_eventos.backend.authorities import Store, context_trusting, trusted_store
from estado_eventos.backend.network import tls_context, tls_for
from estado_eventos.config.settings import Settings
from tests.support.diagnosis import diagnose
from tests.support.faults import FaultyServer
from tests.support.inside import run_inside
from tests.support.reactions import answer
from tests.support.tls import certified


@dataclass(frozen=True, slots=True)
class System:
    """Las autoridades de un sistema: el archivo con todas, su carpeta, y un servidor con certificado de la última."""

    file: Path
    folder: Path
    server: FaultyServer

    def rehash(self) -> None:
        """Pone los enlaces por los que OpenSSL busca en la carpeta."""
        subprocess.run(["openssl", "rehash", self.folder], check=True, capture_output=True)


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    """Un sistema con tres autoridades, que son las que este Python cree las de la máquina."""
    folder = tmp_path / "certs"
    folder.mkdir()
    known = [trustme.CA(organization_name=f"Autoridad {number}") for number in range(3)]
    for number, authority in enumerate(known):
        authority.cert_pem.write_to_path(str(folder / f"{number}.pem"))
    file = tmp_path / "ca.pem"
    file.write_text("".join(path.read_text() for path in folder.iterdir()))
    found = ssl.DefaultVerifyPaths(str(file), str(folder), "SSL_CERT_FILE", str(file), "SSL_CERT_DIR", str(folder))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: found)
    monkeypatch.setattr(authorities, "USUAL_STORES", (Store(str(tmp_path / "otro.pem")),))
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    context = certified(known[-1], "127.0.0.1")
    with FaultyServer(lambda _: answer(200, "[]"), tls=context) as server:
        yield System(file, folder, server)


def test_a_hashed_folder_is_looked_up_on_demand(system: System) -> None:
    """Si la carpeta del sistema tiene todas las del archivo, no se lee ninguna hasta que hace falta; y vale."""
    system.rehash()

    assert context_trusting(trusted_store()).cert_store_stats()["x509_ca"] == 0
    assert run_inside("run-once", BACKEND_URL=system.server.url).code == 0


def test_naming_the_file_of_the_system_is_no_dearer(system: System) -> None:
    """Con `SSL_CERT_FILE` en el archivo del sistema, como en muchas imágenes, tampoco se lee entero."""
    system.rehash()

    with mock.patch.dict(os.environ, {"SSL_CERT_FILE": str(system.file), "SSL_CERT_DIR": str(system.folder)}):
        assert trusted_store() == Store(folder=str(system.folder))


def test_a_folder_that_lacks_some_does_not_hide_the_file(system: System) -> None:
    """Si el archivo tiene alguna que la carpeta no, se leen las del archivo: la añadida a mano también vale."""
    (system.folder / "2.pem").unlink()
    system.rehash()

    assert trusted_store().file == str(system.file)
    assert run_inside("run-once", BACKEND_URL=system.server.url).code == 0


def test_a_folder_without_links_is_no_store(system: System) -> None:
    """Una carpeta donde OpenSSL no puede buscar no cuenta: se lee el archivo."""
    assert trusted_store().file == str(system.file)
    assert run_inside("run-once", BACKEND_URL=system.server.url).code == 0


def test_the_usual_places_of_other_systems(system: System) -> None:
    """Si donde mira este Python no hay nada (uno de uv en RHEL), valen los sitios de siempre de otros sistemas."""
    system.file.rename(system.file.with_name("otro.pem"))

    assert run_inside("run-once", BACKEND_URL=system.server.url).code == 0


@pytest.mark.slow
def test_a_machine_without_authorities_says_what_to_do(system: System) -> None:
    """Sin autoridades en ningún sitio, https es 78 y nombra SSL_CERT_FILE, también en `check`; http va igual."""
    system.file.unlink()
    completed = run_inside("run-once", "--json", BACKEND_URL=system.server.url)
    diagnosis = diagnose(BACKEND_URL=system.server.url)
    with FaultyServer(lambda _: answer(200, "[]")) as plain:
        in_clear = run_inside("run-once", BACKEND_URL=plain.url, HEARTBEAT_URL="https://127.0.0.1:1/x")

    assert (completed.code, in_clear.code) == (78, 0)
    assert "SSL_CERT_FILE" in completed.report["error"]
    assert (diagnosis.code, diagnosis.errors) == (78, ["tls"])
    assert "SSL_CERT_FILE" in diagnosis.one("tls")["cure"]
    assert "HEARTBEAT_URL: No se encuentran las autoridades" in in_clear.stderr


def test_what_the_environment_names_is_what_is_trusted(system: System, tmp_path: Path) -> None:
    """`SSL_CERT_FILE` y `SSL_CERT_DIR` (una carpeta o varias) mandan; la que falta de las dos es la del sistema."""
    system.rehash()
    moved = system.folder.rename(tmp_path / "otra")
    only = tmp_path / "2.pem"
    only.write_bytes((moved / "2.pem").read_bytes())
    system.file.unlink()
    named = {"SSL_CERT_FILE": only}, {"SSL_CERT_DIR": moved}, {"SSL_CERT_DIR": f"/no-existe:{moved}"}

    codes = [run_inside("run-once", BACKEND_URL=system.server.url, **variables).code for variables in named]

    assert codes == [0, 0, 0]
    assert run_inside("run-once", BACKEND_URL=system.server.url, SSL_CERT_FILE=moved / "0.pem").code == 69


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("SSL_CERT_FILE", "/no-existe.pem", "/no-existe.pem"),
        ("SSL_CERT_FILE", "/dev/null", "no tiene ningún certificado"),
        ("SSL_CERT_DIR", "/no-existe", "openssl rehash"),
    ],
)
def test_a_name_that_leads_nowhere_is_told(system: System, variable: str, value: str, words: str) -> None:
    """Una variable que no lleva a ninguna autoridad es 78 y la nombra: callarlo sería un certificado que no vale."""
    completed = run_inside("run-once", "--json", **{"BACKEND_URL": system.server.url, variable: value})

    assert completed.code == 78
    assert variable in completed.report["error"]
    assert words in completed.report["error"]


def test_one_context_for_the_whole_process(system: System) -> None:
    """El backend, la cuenta y el latido usan el mismo contexto, que es de la clase de siempre: se lee una vez."""
    first = tls_context(Settings(backend_url=system.server.url))

    assert first is tls_for("https://otro.example/latido")
    # Con una subclase, anyio negociaría cada conexión en un hilo aparte.
    assert type(first) is ssl.SSLContext


def test_nothing_is_read_for_plain_http(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Si nada es https, no se miran las autoridades; lo es si lo es el backend, la cuenta o el proxy."""
    asked: list[Store] = []
    context = context_trusting(Store(file=str(system.file)))
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda _, *where: asked.append(Store(*where)))
    url = "https://a.example"

    tls_context(Settings(backend_url="http://a.example", backend_proxy="http://proxy.example"))
    assert asked == []
    assert context.cert_store_stats()["x509_ca"] == 3
    for variables in ({"backend_url": url}, {"auth_url": url}, {"backend_proxy": url}):
        assert tls_context(Settings(**variables)).verify_mode is ssl.CERT_REQUIRED  # type: ignore[arg-type]
    assert asked != []
