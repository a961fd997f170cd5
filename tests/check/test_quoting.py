"""Cómo se leyeron los secretos: qué caracteres se tomaron por otra cosa, y nunca el valor."""

from pathlib import Path

import pytest

from tests.support.diagnosis import diagnose
from tests.support.inside import account, addresses, run_inside
from tests.support.reference.server import ReferenceBackend

PASSWORD = 'clave #1 de "prueba" '


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("secreta #1", "un comentario"),
        ("secreta\t#1", "un comentario"),
        ("secreta ", "los espacios del final"),
        ('"secre\\nta"', "«\\» se leyó"),
    ],
)
def test_a_password_that_is_read_otherwise_is_named(tmp_path: Path, written: str, words: str) -> None:
    """Se dice qué se leyó como qué, en qué línea, y que las comillas simples lo curan; nunca el valor."""
    path = tmp_path / "mi.env"
    path.write_text(f"BACKEND_EMAIL=a@b\n\nBACKEND_PASSWORD={written}\n")
    path.chmod(0o600)

    diagnosis = diagnose("--env-file", str(path))
    finding = diagnosis.one("quoting")

    assert f"{path}, línea 3: BACKEND_PASSWORD" in finding["message"]
    assert words in finding["message"]
    assert "comillas simples" in finding["cure"]
    assert "secre" not in diagnosis.text


def test_single_quotes_cure_any_password(backend: ReferenceBackend, tmp_path: Path) -> None:
    """La cura funciona: entre comillas simples la contraseña es la que se escribió, y 0."""
    backend.set_password(PASSWORD)
    path = tmp_path / "mi.env"
    where = "".join(f"{name}={value}\n" for name, value in addresses(backend).items())
    head = f"{where}BACKEND_EMAIL={backend.email}\nBACKEND_PASSWORD="
    path.write_text(f"{head}{PASSWORD}\n")
    path.chmod(0o600)
    wrong = diagnose("--env-file", str(path))
    path.write_text(f"{head}'{PASSWORD}'\n")
    cured = diagnose("--env-file", str(path))

    assert (wrong.code, cured.code) == (77, 0)
    assert wrong.about("quoting")
    assert cured.about("quoting") == []
    assert run_inside("run-once", "--env-file", str(path)).code == 0


@pytest.mark.parametrize("written", ['"secreta"detrás', "'sin cerrar", "'don't'"])
def test_quotes_that_do_not_close_are_named(tmp_path: Path, written: str) -> None:
    """Unas comillas que no cierran: 78, la línea, y que es cosa de las comillas."""
    path = tmp_path / "mi.env"
    path.write_text(f"BACKEND_EMAIL=a@b\nBACKEND_PASSWORD={written}\n")

    diagnosis = diagnose("--env-file", str(path))

    assert diagnosis.code == 78
    assert "línea 2" in diagnosis.one("settings")["message"]
    assert "comillas" in diagnosis.one("settings")["message"]


def test_a_variable_that_is_there_twice_is_named(tmp_path: Path) -> None:
    """Una variable dos veces: en qué líneas, y cuál vale."""
    path = tmp_path / "mi.env"
    path.write_text("HTTP_TIMEOUT=5\nBACKEND_URL=http://127.0.0.1:9\nHTTP_TIMEOUT=6\n")

    finding = diagnose("--env-file", str(path)).one("quoting")

    assert "HTTP_TIMEOUT está 2 veces (líneas 1, 3): vale la última" in finding["message"]


@pytest.mark.slow
@pytest.mark.parametrize(("value", "words"), [("'clave-entera'", "comillas"), ("clave-entera\n", "saltos de línea")])
def test_what_surrounds_a_secret_of_the_environment_is_named(backend: ReferenceBackend, value: str, words: str) -> None:
    """Lo que `docker --env-file` o un guion dejan alrededor de un secreto es parte de él: se dice, sin enseñarlo."""
    backend.set_password("clave-entera")
    wrong = diagnose(**account(backend, BACKEND_PASSWORD=value))

    assert wrong.code == 77
    assert "BACKEND_PASSWORD (entorno)" in wrong.one("quoting")["message"]
    assert words in wrong.one("quoting")["message"]
    assert "clave-entera" not in wrong.text
    assert diagnose(**account(backend, BACKEND_PASSWORD="clave-entera")).code == 0
