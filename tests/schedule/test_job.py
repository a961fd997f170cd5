"""El trabajo: qué se ejecuta, cada cuánto, con qué configuración y dónde deja su estado."""

from pathlib import Path, PurePath

import pytest

from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.schedule.job import Job, ScheduleError, listen_address, make_job, unit_name
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


@pytest.mark.parametrize("host", ["fe80::1%eth0", "fe80::1%\nExecStartPre=+/bin/x", "fe80::1%%"])
def test_a_host_with_its_interface_is_refused(host: str) -> None:
    """Detrás del «%» de una dirección cabría cualquier cosa: se rechaza en una frase, con 78."""
    with pytest.raises(ScheduleError, match=r"^HOST: .*\(%\)") as raised:
        listen_address(host, 8001)

    assert raised.value.code is ExitCode.CONFIG


@pytest.mark.parametrize("character", ["\n", "\r", "\x1b", "\x85", "\u2028", "\u202e", "\udce1"])
@pytest.mark.parametrize(
    ("field", "what"),
    [
        ("name", "--name"),
        ("executable", "La ruta del programa"),
        ("env_file", "La ruta de --env-file"),
        ("listen", "HOST"),
    ],
)
def test_no_character_that_breaks_a_line_gets_into_a_job(field: str, what: str, character: str) -> None:
    """Ni un salto de línea ni nada que no se vea llega a una unidad o a un crontab: una frase que dice dónde, y 78."""
    value = f"/x{character}ExecStartPre=+/bin/x"
    with pytest.raises(ScheduleError, match=f"^{what}: lleva un carácter de control") as raised:
        Job(**{field: value})  # type: ignore[arg-type]

    assert raised.value.code is ExitCode.CONFIG
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("scheduler", ["systemd", "cron"])
def test_a_settings_path_with_a_newline_writes_nothing(tmp_path: Path, scheduler: str) -> None:
    """Un `--env-file` con un salto de línea se rechaza al teclearlo, con 78 y en una línea."""
    path = tmp_path / "x.env\nExecStartPre=+"
    path.touch()

    refused = run_inside("schedule", "show", scheduler, "--env-file", str(path))

    assert (refused.code, refused.stdout) == (78, "")
    assert len(refused.stderr.splitlines()) == 1
    assert "--env-file" in refused.stderr


def test_a_home_with_a_newline_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """El directorio personal de un usuario también llega a su crontab: se mira igual."""
    monkeypatch.setenv("HOME", "/home/ana\n* * * * * true #")

    with pytest.raises(ScheduleError, match=r"^HOME: lleva un carácter de control"):
        make_job("aula2", Path("/x.env"), user=True)


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
    assert job.cron_report_file == Path("/var/lib/estado-eventos-aula2.cron/report.json")
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
