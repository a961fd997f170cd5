"""La configuración mirada por el diagnóstico: valores, orígenes y archivos."""

from pathlib import Path

from estado_eventos.check.findings import Level
from estado_eventos.check.settings import values
from estado_eventos.config.sources import Notice, load
from tests.support.diagnosis import diagnose, diagnose_apart, nobody
from tests.support.faults import FaultyServer, answer


def test_wrong_settings_are_findings() -> None:
    """Con la configuración mal: 78, y cada variable en su hallazgo."""
    diagnosis = diagnose(HTTP_TIMEOUT="mucho", MAX_CONCURRENCY="0", BACKEND_JWT_TOKEN="con espacios dentro")

    assert diagnosis.code == 78
    named = [finding["message"].split(" ")[0] for finding in diagnosis.findings]
    assert named == ["BACKEND_JWT_TOKEN", "HTTP_TIMEOUT", "MAX_CONCURRENCY"]
    assert "espacios dentro" not in diagnosis.text


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
