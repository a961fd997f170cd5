"""El trabajo: qué se ejecuta, cada cuánto, con qué configuración y dónde deja su estado."""

from pathlib import Path, PurePath

import pytest

from estado_eventos.schedule.job import Job, listen_address, make_job, unit_name
from tests.support.inside import run_inside


@pytest.mark.parametrize(
    ("host", "address"),
    [("0.0.0.0", "0.0.0.0:8001"), ("localhost", "127.0.0.1:8001"), ("::", "[::]:8001"), ("::1", "[::1]:8001")],  # noqa: S104
)
def test_the_api_listens_where_the_settings_say(host: str, address: str) -> None:
    """`HOST` y `PORT` van al socket como systemd los entiende."""
    assert listen_address(host, 8001) == address


def test_a_host_that_is_a_name_is_refused(tmp_path: Path) -> None:
    """Systemd no resuelve nombres: un `HOST` que no es una dirección se rechaza, con 78."""
    path = tmp_path / "x.env"
    path.write_text("HOST=mi-servidor\n")

    refused = run_inside("schedule", "show", "systemd", "--api", "--env-file", str(path))

    assert refused.code == 78
    assert "HOST" in refused.stderr


def test_a_deadline_beyond_the_interval_is_refused(tmp_path: Path) -> None:
    """Un `PASS_TIMEOUT` que no cabe en el intervalo se rechaza al enseñar o instalar: 78."""
    path = tmp_path / "x.env"
    path.write_text("PASS_TIMEOUT=60\n")

    refused = run_inside("schedule", "show", "systemd", "--env-file", str(path))

    assert refused.code == 78
    assert "PASS_TIMEOUT (60 s) tiene que ser menor" in refused.stderr


def test_a_name_goes_to_the_unit_the_state_and_the_settings() -> None:
    """De `--name aula2` salen la unidad, el directorio de estado y el archivo de configuración, una sola vez."""
    job = make_job("aula2", None, user=False)

    assert job.unit == unit_name("estado-eventos-aula2") == "estado-eventos-aula2"
    assert job.state_directory == Path("/var/lib/estado-eventos-aula2")
    assert job.report_file == Path("/var/lib/estado-eventos-aula2/report.json")
    assert job.env_file == PurePath("/etc/estado-eventos/aula2.env")


def test_the_files_of_a_user_are_under_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Con `--user`, la configuración y el estado van al directorio personal, y la unidad lo dice como systemd."""
    monkeypatch.setenv("HOME", "/home/ana")
    job = make_job("aula2", None, user=True)

    assert job.env_file == PurePath("/home/ana/.config/estado-eventos/aula2.env")
    assert job.state_directory == Path("/home/ana/.local/state/estado-eventos-aula2")
    assert job.state_specifier == "%h/.local/state/estado-eventos-aula2"


def test_systemd_kills_after_the_deadline() -> None:
    """El límite de systemd pasa siempre del de la pasada, también si este lleva decimales."""
    assert Job(deadline=0.5).timeout == 6
    assert Job(deadline=48).timeout == 53
