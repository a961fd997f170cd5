"""De dónde sale la configuración: qué fuente manda y qué archivos se leen."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estado_eventos.config.settings import LogLevel, SettingsError
from estado_eventos.config.sources import load
from tests.support.faults import FaultyServer
from tests.support.inside import run_inside
from tests.support.program import run
from tests.support.reactions import answer


def test_the_strongest_source_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Línea de mandatos, entorno, credenciales de systemd, `.env` y archivo del sistema, en ese orden."""
    credentials = tmp_path / "credenciales"
    credentials.mkdir()
    values = iter(range(1, 6))
    expected = []
    for write in (
        lambda value: (tmp_path / "etc.env").write_text(f"MAX_CONCURRENCY={value}\n"),
        lambda value: (tmp_path / ".env").write_text(f"MAX_CONCURRENCY={value}\n"),
        lambda value: (credentials / "MAX_CONCURRENCY").write_text(f"{value}\n"),
        lambda value: monkeypatch.setenv("MAX_CONCURRENCY", str(value)),
    ):
        value = next(values)
        write(value)
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
        expected.append((value, load({}).settings.max_concurrency))

    assert [found for _, found in expected] == [value for value, _ in expected]
    assert load({"MAX_CONCURRENCY": "5"}).settings.max_concurrency == 5


def test_env_file_replaces_the_usual_files(tmp_path: Path) -> None:
    """Con `--env-file` no se leen ni `.env` ni el archivo del sistema."""
    (tmp_path / ".env").write_text("MAX_CONCURRENCY=2\n")
    chosen = tmp_path / "otro.env"
    chosen.write_text("HTTP_TIMEOUT=7\n")

    loaded = load({}, chosen).settings

    assert (loaded.max_concurrency, loaded.http_timeout) == (8, 7)


def test_an_env_file_is_read_as_people_write_it(tmp_path: Path) -> None:
    """Comillas, `export`, comentarios, BOM y CRLF se entienden; un `$` no se expande; lo ajeno se ignora."""
    (tmp_path / ".env").write_bytes(
        "\ufeff# comentario\r\nexport BACKEND_URL='http://a.example/events/'\r\n"
        'BACKEND_JWT_TOKEN="abc${HOME}d"\r\nOTRA_COSA=1\r\nlog_level=debug\r\nHTTP_TIMEOUT=\r\n'.encode()
    )

    loaded = load({}).settings

    assert loaded.backend_url == "http://a.example/events"
    assert loaded.backend_jwt_token is not None
    assert loaded.backend_jwt_token.get_secret_value() == "abc${HOME}d"
    assert loaded.log_level is LogLevel.DEBUG
    assert loaded.http_timeout == 30


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no existe"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"BACKEND_URL='sin cerrar\n", "línea 1"),
        (b"#" * (1 << 20) + b"##", "demasiado grande"),
    ],
)
def test_an_unreadable_env_file_exits_78(tmp_path: Path, content: bytes | None, words: str) -> None:
    """Un `--env-file` que no está o no se entiende se nombra: 78."""
    path = tmp_path / "malo.env"
    if content is not None:
        path.write_bytes(content)

    completed = run("run-once", "--env-file", str(path))

    assert completed.code == 78
    assert str(path) in completed.stderr
    assert words in completed.stderr


def test_a_directory_called_dot_env_is_no_settings_file(tmp_path: Path) -> None:
    """Un entorno virtual llamado `.env` no estorba, y se dice que ahí no hay configuración."""
    (tmp_path / ".env").mkdir()

    assert [notice.message for notice in load({}).notices] == [
        ".env: no es un archivo normal; no se ha tenido en cuenta"
    ]


def test_the_command_line_wins_over_the_environment() -> None:
    """`--log-level` y `--log-format`, delante o detrás del mandato, mandan sobre el entorno."""
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        env = {"BACKEND_URL": server.url, "LOG_LEVEL": "DEBUG", "LOG_FORMAT": "text"}
        before = run_inside("--log-format", "json", "--log-level", "error", "run-once", **env)
        after = run_inside("run-once", "--log-format=json", "--log-level=info", **env)

    assert before.stderr == ""
    assert after.stderr.startswith('{"@timestamp": "')


@given(st.binary(max_size=200))
def test_any_env_file_is_read_or_named(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Con cualesquiera bytes en el archivo: o se lee, o el error es una frase."""
    path = tmp_path_factory.mktemp("env") / "x.env"
    path.write_bytes(content)
    sentences: list[str] = ["leído"]
    try:
        load({}, path)
    except SettingsError as error:
        sentences = error.problems

    assert all(sentences)
