"""La configuración mirada por el diagnóstico: valores, orígenes y archivos."""

import os
from pathlib import Path

import pytest

from estado_eventos.check.findings import Level
from estado_eventos.check.settings import values
from estado_eventos.config.sources import Notice, load
from tests.support.diagnosis import diagnose, diagnose_apart, nobody
from tests.support.faults import FaultyServer
from tests.support.inside import addresses
from tests.support.reactions import answer
from tests.support.reference.server import ReferenceBackend


def test_wrong_settings_are_findings() -> None:
    """Con la configuración mal: 78, y cada variable en su hallazgo."""
    diagnosis = diagnose(HTTP_TIMEOUT="mucho", MAX_CONCURRENCY="0", BACKEND_JWT_TOKEN="con espacios dentro")

    assert diagnosis.code == 78
    named = [finding["message"].split(" ")[0] for finding in diagnosis.findings]
    assert named == ["BACKEND_JWT_TOKEN", "HTTP_TIMEOUT", "MAX_CONCURRENCY"]
    assert "espacios dentro" not in diagnosis.text


@pytest.mark.slow
def test_each_setting_says_where_it_comes_from(tmp_path: Path) -> None:
    """Cada variable puesta sale con su valor y su origen; las demás, juntas, como de fábrica."""
    (tmp_path / ".env").write_text("HTTP_TIMEOUT=0.5\nMAX_CONCURRENCY=3\nBACKEND_PASSWORD=secreta\nBACKEND_EMAIL=x\n")
    (tmp_path / ".env").chmod(0o600)
    with nobody() as url:
        diagnosis = diagnose_apart("--log-level", "ERROR", cwd=tmp_path, BACKEND_URL=url, MAX_CONCURRENCY=4)

    messages = [finding["message"] for finding in diagnosis.about("settings")]
    assert f"BACKEND_URL={url} (entorno)" in messages
    assert "HTTP_TIMEOUT=0.5 (.env)" in messages
    assert "MAX_CONCURRENCY=4 (entorno)" in messages
    assert "LOG_LEVEL=ERROR (línea de mandatos)" in messages
    assert "BACKEND_PASSWORD: puesta (.env)" in messages
    assert messages[-1].startswith("De fábrica: SCHEDULER_INTERVAL_SECONDS=60, PASS_TIMEOUT=48, ")


def test_a_settings_file_that_anyone_can_read_is_a_warning(tmp_path: Path) -> None:
    """Un archivo con secretos que cualquiera puede leer: se dice cuáles y el `chmod` que lo cura."""
    path = tmp_path / "mi.env"
    path.write_text("BACKEND_EMAIL=x\nBACKEND_PASSWORD=secreta\n")
    path.chmod(0o644)
    (exposed,) = diagnose("--env-file", str(path)).about("settings_file")
    path.chmod(0o640)
    guarded = diagnose("--env-file", str(path)).about("settings_file")
    path.write_text("BACKEND_URL=http://127.0.0.1:9\n")
    path.chmod(0o644)
    without_secrets = diagnose("--env-file", str(path)).about("settings_file")

    assert "BACKEND_PASSWORD" in exposed["message"]
    assert exposed["cure"] == f"chmod o= {path}"
    assert guarded == without_secrets == []


def test_a_name_that_is_almost_a_setting_is_a_warning(tmp_path: Path) -> None:
    """Una variable mal escrita no se lee: se dice cuál será; las que no tienen que ver se callan."""
    (tmp_path / ".env").write_text("BACKEND_PASWORD=secreta\nBACKEND_EMAIL=\nDEBUG=1\n")

    (finding,) = diagnose_apart(cwd=tmp_path).about("settings_file")

    assert "BACKEND_PASWORD" in finding["message"]
    assert "BACKEND_PASSWORD" in finding["cure"]


def test_a_missing_env_file_is_a_finding(tmp_path: Path) -> None:
    """Un `--env-file` que no existe: 78 y su nombre."""
    path = tmp_path / "no-está.env"

    diagnosis = diagnose("--env-file", str(path))

    assert diagnosis.code == 78
    assert str(path) in diagnosis.one("settings")["message"]


def test_a_file_this_account_cannot_read_is_a_warning(tmp_path: Path) -> None:
    """Un archivo de configuración que esta cuenta no puede leer se dice, y la cura es otra cuenta."""
    empty = tmp_path / "vacío.env"
    empty.touch()
    notice = Notice("/etc/x.env: no hay permiso para leerlo; no se ha tenido en cuenta", "Ejecútelo con sudo")
    loaded = load({}, empty)._replace(notices=(notice,))

    (unread,) = [finding for finding in values(loaded) if finding.topic == "settings_file"]

    assert f"Archivo de configuración: {empty}" in [finding.message for finding in values(loaded)]
    assert unread.level is Level.WARNING
    assert unread.to_item().line == (
        "! /etc/x.env: no hay permiso para leerlo; no se ha tenido en cuenta → Ejecútelo con sudo"
    )


def test_a_line_of_the_file_that_differs_is_a_finding(tmp_path: Path) -> None:
    """El archivo que se lee se compara entero, y los valores no se enseñan."""
    (tmp_path / ".env").write_text("BACKEND_EMAIL=a\nBACKEND_PASSWORD=clave\\secreta\n")
    (tmp_path / ".env").chmod(0o600)

    diagnosis = diagnose_apart(cwd=tmp_path)

    assert ".env, línea 2: BACKEND_PASSWORD" in diagnosis.one("settings_file")["message"]
    assert "secreta" not in diagnosis.text


def test_files_that_cannot_be_written_are_a_warning(tmp_path: Path) -> None:
    """Los archivos que la pasada no podría escribir se dicen por su variable."""
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, METRICS_FILE=tmp_path / "no" / "m.prom")

    assert diagnosis.code == 0
    (finding,) = [one for one in diagnosis.about("settings") if one["level"] == "warning"]
    assert "METRICS_FILE" in finding["message"]


def test_a_name_of_the_environment_that_is_almost_a_setting_is_a_warning() -> None:
    """Una variable mal escrita en el entorno tampoco se lee, y se dice cuál será."""
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, BACKEND_PASSWRD="secreta")

    assert diagnosis.code == 0
    assert "el entorno: BACKEND_PASSWRD" in diagnosis.one("settings_file")["message"]
    assert "BACKEND_PASSWORD" in diagnosis.one("settings_file")["cure"]


@pytest.mark.skipif(os.geteuid() != 0, reason="hace falta root para dejar de serlo")
def test_an_env_file_without_permission_is_78(tmp_path: Path) -> None:
    """Un `--env-file` que no se puede leer es 78 con sus hallazgos, en español, y la cura es otra cuenta."""
    path = tmp_path / "cerrado.env"
    path.write_text("HTTP_TIMEOUT=5\n")
    path.chmod(0o600)
    for directory in (tmp_path, *tmp_path.parents[:3]):
        directory.chmod(0o755)
    os.setresuid(65534, 65534, 0)
    try:
        diagnosis = diagnose("--env-file", str(path))
    finally:
        os.setresuid(0, 0, 0)

    assert diagnosis.code == 78
    assert "no hay permiso para leerlo" in diagnosis.one("settings")["message"]
    assert "sudo" in diagnosis.one("settings")["cure"]
    assert diagnose("--env-file", str(path), BACKEND_URL="http://127.0.0.1:9").code == 69


def test_a_dot_env_that_is_a_directory_is_named(tmp_path: Path) -> None:
    """Un `.env` que es un directorio no se lee, se dice, y la cura no es cambiarle los permisos; también con 78."""
    (tmp_path / ".env").mkdir()
    for variables, code in (({"BACKEND_URL": "http://127.0.0.1:9"}, 69), ({"HTTP_TIMEOUT": "mucho"}, 78)):
        diagnosis = diagnose_apart(cwd=tmp_path, **variables)

        assert diagnosis.code == code
        assert ".env" in diagnosis.one("settings_file")["message"]
        assert "quítelo" in diagnosis.one("settings_file")["cure"]
        assert "chmod" not in diagnosis.one("settings_file")["cure"]


def test_a_dot_env_that_others_can_write_is_named(tmp_path: Path) -> None:
    """Un `.env` que no es de fiar no se lee, y se dice cómo lo será; con la cura se lee."""
    (tmp_path / ".env").write_text("HTTP_TIMEOUT=7\n")
    (tmp_path / ".env").chmod(0o666)
    doubted = diagnose_apart(cwd=tmp_path)
    (tmp_path / ".env").chmod(0o644)
    trusted = diagnose_apart(cwd=tmp_path)

    assert "chmod go-w .env" in doubted.one("settings_file")["cure"]
    assert "HTTP_TIMEOUT=7 (.env)" in trusted.text
    assert trusted.about("settings_file") == []


@pytest.mark.parametrize(
    ("name", "file", "words"),
    [
        ("METRICS_FILE", "", "METRICS_FILE={}/estado-eventos.prom"),
        ("REPORT_FILE", "", "REPORT_FILE={}/report.json"),
        ("METRICS_FILE", "metricas.txt", "METRICS_FILE={}/metricas.prom"),
        ("TOKEN_CACHE_FILE", "no/token", "mkdir -p {}/no"),
    ],
)
def test_a_file_that_will_not_do_is_a_warning(tmp_path: Path, name: str, file: str, words: str) -> None:
    """Un directorio por archivo, unas métricas que nadie leería o un sitio que no está: aviso y el valor bueno."""
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        diagnosis = diagnose(BACKEND_URL=server.url, **{name: tmp_path / file})

    (finding,) = [one for one in diagnosis.about("settings") if one["level"] == "warning"]
    assert diagnosis.code == 0
    assert words.format(tmp_path) in finding["cure"]


def test_a_pass_timeout_that_does_not_fit_is_named() -> None:
    """Un PASS_TIMEOUT que no cabe en el intervalo: 78, los dos valores y qué hacer."""
    diagnosis = diagnose(PASS_TIMEOUT=60, SCHEDULER_INTERVAL_SECONDS=60)

    assert diagnosis.code == 78
    assert "PASS_TIMEOUT (60 s)" in diagnosis.one("settings")["message"]
    assert "SCHEDULER_INTERVAL_SECONDS (60 s)" in diagnosis.one("settings")["message"]


@pytest.mark.skipif(os.geteuid() != 0, reason="solo root lee el almacén de secretos")
def test_secrets_in_the_credstore_are_not_missing(
    backend: ReferenceBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Con la contraseña en /etc/credstore, root ve lo que verá el servicio, también el de otro nombre, y no un 78."""
    monkeypatch.setattr("estado_eventos.config.sources.SYSTEM_ENV_FILE", tmp_path / "estado-eventos.env")
    monkeypatch.setattr("estado_eventos.config.sources.CREDSTORE", tmp_path)
    for name, prefix in (("estado-eventos", "estado-eventos"), ("aula2", "estado-eventos-aula2")):
        path = tmp_path / f"{name}.env"
        known = addresses(backend) | {"BACKEND_EMAIL": backend.email}
        path.write_text("".join(f"{variable}={value}\n" for variable, value in known.items()))
        path.chmod(0o640)
        without = diagnose("--env-file", str(path))
        (tmp_path / f"{prefix}.BACKEND_PASSWORD").write_text(f"{backend.password}\n")
        diagnosis = diagnose("--env-file", str(path))

        assert (without.code, diagnosis.code) == (78, 0)
        assert f"BACKEND_PASSWORD: puesta ({tmp_path}/{prefix}.*)" in diagnosis.text


def test_a_heartbeat_that_does_not_resolve_is_a_warning() -> None:
    """Un HEARTBEAT_URL cuyo nombre no existe: aviso con el mandato que lo comprueba, y sin su ruta, que es secreta."""
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        wrong = diagnose(BACKEND_URL=server.url, HEARTBEAT_URL="https://no-existe.invalid/identidad-secreta")
        right = diagnose(BACKEND_URL=server.url, HEARTBEAT_URL=f"{server.url}/identidad-secreta")

    assert (wrong.code, wrong.one("heartbeat")["level"]) == (0, "warning")
    assert "getent hosts no-existe.invalid" in wrong.one("heartbeat")["cure"]
    assert right.one("heartbeat")["level"] == "ok"
    assert "identidad-secreta" not in wrong.text + right.text
