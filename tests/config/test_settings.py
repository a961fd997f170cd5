"""Las variables: cuánto valen y qué se le dice a quien se equivoca."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from estado_eventos.config import settings
from estado_eventos.config.settings import LogFormat, LogLevel, SettingsError
from estado_eventos.config.sources import load
from estado_eventos.domain.shard import WHOLE, Shard
from tests.support.faults import FaultyServer
from tests.support.program import run
from tests.support.reactions import answer


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
        ("TOKEN_CACHE_FILE", "a\0b", "caracteres de control"),
        ("METRICS_FILE", "a\0b", "caracteres de control"),
        ("REPORT_FILE", "a\0b", "caracteres de control"),
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


@pytest.mark.parametrize(
    ("variables", "part"),
    [
        ({}, WHOLE),
        ({"SHARD": "1/1"}, WHOLE),
        ({"SHARD": "2/8"}, Shard(2, 8)),
        ({"SHARD": " 08 / 8 "}, Shard(8, 8)),
        ({"SHARD": "1000/1000"}, Shard(1000, 1000)),
        ({"JOB_COMPLETION_INDEX": "0", "SHARD_COUNT": "8"}, Shard(1, 8)),
        ({"JOB_COMPLETION_INDEX": "7", "SHARD_COUNT": "8"}, Shard(8, 8)),
        ({"JOB_COMPLETION_INDEX": "0", "SHARD_COUNT": "1"}, WHOLE),
        ({"JOB_COMPLETION_INDEX": "1", "SHARD_COUNT": "8", "SHARD": "2/8"}, Shard(2, 8)),
        ({"SHARD": "2/8", "SHARD_COUNT": "8"}, Shard(2, 8)),
    ],
)
def test_how_a_part_is_said(variables: dict[str, str], part: Shard) -> None:
    """`SHARD` se cuenta desde 1, como las personas; `JOB_COMPLETION_INDEX`, desde 0, como Kubernetes."""
    assert load(variables).settings.part == part


@pytest.mark.parametrize(
    ("variables", "named", "words"),
    [
        ({"SHARD": "0/8"}, "SHARD", "de 1/8 a 8/8"),
        ({"SHARD": "9/8"}, "SHARD", "de 1/8 a 8/8"),
        ({"SHARD": "1/0"}, "SHARD", "de 1 a 1000"),
        ({"SHARD": "1/1001"}, "SHARD", "de 1 a 1000"),
        ({"SHARD": "8"}, "SHARD", "como 2/8"),
        ({"SHARD": "2/8/1"}, "SHARD", "como 2/8"),
        ({"SHARD": "-1/8"}, "SHARD", "como 2/8"),
        ({"SHARD": "²/8"}, "SHARD", "como 2/8"),
        ({"SHARD": "٢/8"}, "SHARD", "como 2/8"),
        ({"SHARD": "9" * 5000 + "/8"}, "SHARD", "como 2/8"),
        ({"SHARD_COUNT": "0", "JOB_COMPLETION_INDEX": "0"}, "SHARD_COUNT", "al menos 1"),
        ({"SHARD_COUNT": "1001", "JOB_COMPLETION_INDEX": "0"}, "SHARD_COUNT", "como mucho 1000"),
        ({"SHARD_COUNT": "8", "JOB_COMPLETION_INDEX": "-1"}, "JOB_COMPLETION_INDEX", "al menos 0"),
        ({"SHARD_COUNT": "8", "JOB_COMPLETION_INDEX": "8"}, "JOB_COMPLETION_INDEX", "menor que SHARD_COUNT"),
        ({"SHARD_COUNT": "8"}, "JOB_COMPLETION_INDEX", "falta"),
        ({"JOB_COMPLETION_INDEX": "3"}, "SHARD_COUNT", "falta"),
        ({"SHARD": "2/8", "SHARD_COUNT": "4"}, "SHARD", "contradice"),
        ({"SHARD": "2/8", "JOB_COMPLETION_INDEX": "2"}, "SHARD", "contradice"),
        ({"SHARD": "2/8", "SHARD_COUNT": "8", "JOB_COMPLETION_INDEX": "2"}, "SHARD", "contradice"),
    ],
)
def test_a_part_that_does_not_exist_is_one_sentence(variables: dict[str, str], named: str, words: str) -> None:
    """Una parte que no existe, a medias o dicha de dos maneras que no casan: una frase que nombra la variable."""
    with pytest.raises(SettingsError) as caught:
        load(variables)

    (sentence,) = caught.value.problems
    assert sentence.startswith((f"{named} ", f"{named}:"))
    assert words in sentence


@pytest.mark.parametrize("variables", [{"SHARD": "9/8"}, {"JOB_COMPLETION_INDEX": "3"}])
def test_a_wrong_part_asks_for_nothing_and_exits_78(variables: dict[str, str]) -> None:
    """Con un reparto que no vale no se pide nada: 78. Ocho pods sin `SHARD_COUNT` pedirían todos lo mismo a la vez."""
    with FaultyServer(lambda _: answer(200, "[]")) as server:
        completed = run("run-once", env={"BACKEND_URL": server.url, **variables})

    assert completed.code == 78
    assert len(completed.messages) == 1
    assert server.requests == []
