"""La configuración: fuentes, su orden y lo que se le dice a quien se equivoca."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from estado_eventos.config import settings, sources
from estado_eventos.config.settings import LogFormat, LogLevel, SettingsError
from estado_eventos.config.sources import load
from tests.support.faults import FaultyServer, answer
from tests.support.program import run


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in settings.Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr(sources, "SYSTEM_ENV_FILE", tmp_path / "etc.env")
    monkeypatch.chdir(tmp_path)


def problems(**overrides: str) -> list[str]:
    """Lo que se dice de una configuración que no vale."""
    with pytest.raises(SettingsError) as caught:
        load(overrides)
    return caught.value.problems


def test_defaults() -> None:
    """Sin decir nada, valen los valores del contrato."""
    loaded = load({}).settings

    assert loaded.backend_url == "http://localhost:8000"
    assert loaded.backend_jwt_token is None
    assert (loaded.scheduler_interval_seconds, loaded.http_timeout, loaded.max_concurrency) == (60, 30, 8)
    assert (loaded.log_level, loaded.log_format) == (LogLevel.INFO, LogFormat.AUTO)


@pytest.mark.parametrize(("interval", "deadline"), [("60", 48), ("10", 8), ("3600", 300), ("86400", 300)])
def test_the_deadline_derives_from_the_interval(interval: str, deadline: float) -> None:
    """El límite de la pasada es el 80 % del intervalo y nunca más de 300 s."""
    assert load({"SCHEDULER_INTERVAL_SECONDS": interval}).settings.pass_timeout == pytest.approx(deadline)


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
    ("name", "value", "words"),
    [
        ("BACKEND_URL", "ftp://a", "tiene que ser una URL completa"),
        ("BACKEND_URL", "localhost:8000", "tiene que ser una URL completa"),
        ("BACKEND_URL", "http://", "tiene que ser una URL completa"),
        ("BACKEND_URL", "http://a:99999", "tiene que ser una URL completa"),
        ("BACKEND_URL", "http://yo:clave@a", "no admite usuario ni contraseña"),
        ("BACKEND_URL", "http://a/?x=1", "no admite «?»"),
        ("BACKEND_JWT_TOKEN", "a b", "espacios"),
        ("BACKEND_JWT_TOKEN", "ñ", "espacios"),
        ("BACKEND_PROXY", "socks5://a", "tiene que ser una URL completa"),
        ("SCHEDULER_INTERVAL_SECONDS", "9", "al menos 10"),
        ("SCHEDULER_INTERVAL_SECONDS", "86401", "como mucho 86400"),
        ("SCHEDULER_INTERVAL_SECONDS", "uno", "no es un número entero"),
        ("SCHEDULER_INTERVAL_SECONDS", "9" * 5000, "número"),
        ("HTTP_TIMEOUT", "0", "mayor que 0"),
        ("HTTP_TIMEOUT", "nan", "no es un número"),
        ("PASS_TIMEOUT", "-1", "mayor que 0"),
        ("MAX_CONCURRENCY", "0", "al menos 1"),
        ("TOKEN_CACHE_FILE", "a\0b", "no es una ruta"),
        ("METRICS_FILE", "a\0b", "no es una ruta"),
        ("REPORT_FILE", "a\0b", "no es una ruta"),
        ("LOG_LEVEL", "MUCHO", "no es ninguno de estos valores"),
        ("LOG_FORMAT", "xml", "no es ninguno de estos valores"),
    ],
)
def test_a_wrong_value_is_one_sentence_that_names_it(name: str, value: str, words: str) -> None:
    """Cada valor equivocado da una frase con el nombre de la variable y sin el valor."""
    (sentence,) = problems(**{name: value})

    assert sentence.startswith(f"{name} (línea de mandatos): ")
    assert words in sentence
    assert "clave" not in sentence


def test_every_wrong_value_is_named() -> None:
    """Varios valores equivocados se dicen todos de una vez."""
    sentences = problems(BACKEND_URL="x", HTTP_TIMEOUT="y")

    assert [sentence.split()[0] for sentence in sentences] == ["BACKEND_URL", "HTTP_TIMEOUT"]


def test_a_wrong_setting_exits_78() -> None:
    """El programa acaba con 78, una línea y sin volcado de pila; con `--json`, además un informe."""
    completed = run("run-once", "--json", env={"HTTP_TIMEOUT": "x"})

    assert completed.code == 78
    assert completed.messages == ["ERROR - HTTP_TIMEOUT (entorno): no es un número."]
    assert (completed.report["exit_code"], completed.report["outcome"]) == (78, "config")
    assert "HTTP_TIMEOUT" in completed.report["error"]


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
    """Un entorno virtual llamado `.env` no estorba."""
    (tmp_path / ".env").mkdir()

    assert load({}).notices == ()


def test_the_command_line_wins_over_the_environment() -> None:
    """`--log-level` y `--log-format`, delante o detrás del mandato, mandan sobre el entorno."""
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        env = {"BACKEND_URL": server.url, "LOG_LEVEL": "DEBUG", "LOG_FORMAT": "text"}
        before = run("--log-format", "json", "--log-level", "error", "run-once", env=env)
        after = run("run-once", "--log-format=json", "--log-level=info", env=env)

    assert before.stderr == ""
    assert after.stderr.startswith('{"time": "')


def test_secrets_do_not_show_in_repr() -> None:
    """`repr` de la configuración y de sus fuentes no enseña secretos."""
    loaded = load({"BACKEND_JWT_TOKEN": "secreto-1", "BACKEND_PROXY": "http://u:secreto-2@p"})

    assert "secreto" not in repr(loaded)
    assert "secreto" not in str(loaded.settings.model_dump())


@given(
    st.dictionaries(
        st.sampled_from([name.upper() for name in settings.Settings.model_fields]), st.text(max_size=60), max_size=4
    )
)
@example({"BACKEND_URL": "http://[::1"})
@example({"BACKEND_URL": "http://\ud800"})
def test_any_value_is_accepted_or_named(overrides: dict[str, str]) -> None:
    """Con cualquier texto en cualquier variable: o vale, o se nombra la variable; nunca otra excepción."""
    named: list[str] = []
    try:
        load(overrides)
    except SettingsError as error:
        named = [sentence.split(" ")[0] for sentence in error.problems]

    together = ({"BACKEND_EMAIL", "BACKEND_PASSWORD"}, {"SHARD", "SHARD_COUNT", "JOB_COMPLETION_INDEX"})
    expected = set(overrides).union(*(group for group in together if group & set(overrides)))
    assert {name.rstrip(":") for name in named} <= expected


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
