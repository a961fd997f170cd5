"""Propiedades de la configuración: cualquier variable, archivo, ruta o argumento, por el programa entero.

Cada ejemplo es un proceso. Lo que vale siempre lo comprueba `endure`: código del contrato, ni un volcado de pila, ni un
secreto, el informe cuadra y, si es 78, se dice qué variable hay que mirar.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from estado_eventos.config.settings import Settings
from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.transitions import START, is_safe_id
from tests.support.faults import FaultyServer, Raw, Request, answer
from tests.support.forked import ForkServer
from tests.support.program import Completed, run
from tests.support.terminal_session import in_terminal

NAMES = [name.upper() for name in Settings.model_fields]
SECRETS = ("BACKEND_JWT_TOKEN", "BACKEND_EMAIL", "BACKEND_PASSWORD", "BACKEND_PROXY", "HEARTBEAT_URL")
PATHS = ("TOKEN_CACHE_FILE", "METRICS_FILE", "REPORT_FILE")
MARK = "zZ9-secreto-9Zz"
"""Va dentro de todo secreto: si se ve en alguna parte, se ve un secreto."""
CODES = set(ExitCode) - {ExitCode.SOFTWARE}

EXAMPLES = 60 if "CI" in os.environ else 10
"""En la integración continua, más; y siempre los mismos: con `CI`, Hypothesis no los sortea."""

pytestmark = pytest.mark.timeout(300)
_UNHURRIED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
many = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=_UNHURRIED)


def serve(request: Request) -> Raw:
    """Un backend con un evento, que acepta a cualquiera."""
    if request.method == "GET":
        return answer(200, '{"results": [{"id": 7, "start_date": "2026-01-01T00:00:00Z"}]}')
    return answer(200, json.dumps({"success": True, "status": "en_progreso", "token": MARK}))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Dónde está el backend de mentira de todas estas pruebas."""
    with FaultyServer(serve) as server:
        yield server.url


def check(completed: Completed, arguments: tuple[str, ...] = ("--json",)) -> None:
    """Lo que vale siempre, con cualquier configuración."""
    assert completed.code in CODES, completed
    assert "Traceback" not in completed.stderr, completed.stderr
    assert "fallo interno" not in completed.stderr, completed.stderr
    assert MARK not in completed.stderr + completed.stdout, completed
    assert all(line.isprintable() for line in completed.stderr.splitlines()), completed.stderr
    if completed.code == ExitCode.CONFIG:
        assert re.search("|".join([*NAMES, "--env-file", r"\.env", "variables"]), completed.stderr), completed.stderr
    if "--json" in arguments and completed.code != ExitCode.USAGE:
        assert completed.report["exit_code"] == completed.code


def endure(forks: ForkServer, *arguments: str, cwd: Path, env: Mapping[str, object]) -> Completed:
    """Una pasada con esa configuración acaba de una de las maneras previstas."""
    completed = forks.run("run-once", "--json", *arguments, env=env, cwd=cwd)
    check(completed)
    return completed


def as_environment(raw: bytes) -> str:
    """Los bytes como los ve Python en el entorno; el núcleo no admite el NUL."""
    return raw.replace(b"\0", b"").decode("utf-8", "surrogateescape")


TEXTS = st.one_of(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), max_size=40),
    st.binary(max_size=40).map(lambda raw: as_environment(raw.replace(b"/", b""))),
    st.sampled_from(
        ["", " ", "0", "-1", "1e400", "nan", "inf", "9" * 5000, "1_0", "٣", "true", "null", "{}", "[1]", "\x1b[2J"]
    ),
)
SECRET_TEXTS = st.builds(lambda before, after: f"{before}{MARK}{after}", TEXTS, TEXTS)
URL_ENDS = st.one_of(
    TEXTS,
    st.sampled_from(["/", "//", "/a/../b", "?x=1", "#x", "/%2e%2e", "/\x7f", "/ñ", ":0", "@", "\\"]),
)
BAD_URLS = st.one_of(
    TEXTS,
    st.builds(
        "{}127.0.0.1:9{}".format, st.sampled_from(["http://", "HTTP://", "https://", "ftp://", "//", ""]), URL_ENDS
    ),
    st.sampled_from(
        ["http://", "http:///x", "http://[::1", "http://[::1]:9", "http://127.0.0.1:99999", "http://1.2.3.4.5:x"]
    ),
)
RELATIVE_PATHS = st.one_of(
    st.lists(TEXTS.filter(lambda text: text != ".."), min_size=1, max_size=3)
    .map("/".join)
    .map(lambda path: path.lstrip("/")),
    st.sampled_from([".", "x/", "a" * 300, "/dev/null", "/dev/full", "/proc/self/x", "/nonexistent/x", "-", "~", "\n"]),
)


def values_of(name: str) -> st.SearchStrategy[str]:
    """Lo que alguien podría escribir en esa variable, o nadie."""
    if name in {"HEARTBEAT_URL", "BACKEND_PROXY"}:
        return st.builds(lambda url, end: f"{url}{MARK}{end}", BAD_URLS, TEXTS)
    if name in SECRETS:
        return SECRET_TEXTS
    if name in PATHS:
        return RELATIVE_PATHS
    if name in {"BACKEND_URL", "AUTH_URL"}:
        return BAD_URLS
    if name == "PASS_TIMEOUT":
        return st.sampled_from(["0", "-1", "nan", "inf", "1e400", "uno", "1e-300", "0.01", "0,5", "86401"])
    return TEXTS


VARIABLES = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: values_of(name) for name in names})
)


@many
@given(variables=VARIABLES)
def test_any_environment(forks: ForkServer, url: str, tmp_path: Path, variables: dict[str, str]) -> None:
    """Con cualquier valor en las variables de entorno, un código del contrato y una frase que nombra la que no vale."""
    env = {"BACKEND_URL": url, "PASS_TIMEOUT": "0.5", **variables}

    completed = endure(forks, cwd=tmp_path, env=env)

    if completed.code == ExitCode.CONFIG:
        assert any(name in completed.stderr for name in (*variables, *SECRETS))


SHAPES = (
    *(
        "{}={}",
        "export {}={}",
        " {} = {} ",
        '{}="{}"',
        "{}='{}'",
        '{}="{}',
        "{}='{}",
        "#{}={}",
        "{} {}",
        "{}:{}",
        "={}{}",
    ),
    *("{}={} # nota", "{}=\\{}", "{}=$PATH{}", "{}=${{BACKEND_PASSWORD}}{}", "{}=a\0{}", '{}="a\n{}"', "export {}{}"),
)


@st.composite
def env_files(draw: st.DrawFn) -> bytes:
    """Un archivo de configuración como los que se encuentran por ahí, o cualquier ristra de bytes."""
    lines = []
    for _ in range(draw(st.integers(0, 6))):
        name = draw(st.sampled_from([*NAMES, *SECRETS, "OTRA", "backend_email", "ñ", ""]))
        value = draw(values_of(name) if name in NAMES else TEXTS)
        shape = draw(st.sampled_from(SHAPES))
        lines.append(shape.format(name, value).encode("utf-8", "surrogateescape"))
    raw = draw(st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n", b"\x0b"])).join(lines)
    return (
        draw(st.sampled_from([b"", b"", b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\0"])) + raw + draw(st.binary(max_size=20))
    )


@many
@given(raw=st.one_of(env_files(), st.binary(max_size=200)), by_default=st.booleans())
@example(raw=b"\xef\xbb\xbfLOG_LEVEL=DEBUG\r\nexport HTTP_TIMEOUT=5\r\n", by_default=True)
@example(raw=b"#" * 10_000_000, by_default=False)
@example(raw=b"LOG_LEVEL=INFO\n" * 700_000, by_default=True)
@example(raw="BACKEND_URL=http://ñ\n".encode("utf-16"), by_default=False)
@example(raw=b"TOKEN_CACHE_FILE=a\0b\nBACKEND_EMAIL=a\nBACKEND_PASSWORD=b", by_default=False)
@example(raw=b"METRICS_FILE=a\0b", by_default=False)
@example(raw=b"REPORT_FILE=a\0b", by_default=False)
@example(raw=f'BACKEND_PASSWORD="{MARK}\nBACKEND_EMAIL={MARK}'.encode(), by_default=False)
def test_any_env_file(forks: ForkServer, url: str, tmp_path: Path, raw: bytes, *, by_default: bool) -> None:
    """Con cualquier archivo de configuración, dado o encontrado, lo mismo; un secreto a medio escribir no se repite."""
    env = {"BACKEND_URL": url, "PASS_TIMEOUT": "0.5"}
    path = tmp_path / ".env"
    path.write_bytes(raw)

    endure(forks, *(() if by_default else ("--env-file", str(path))), cwd=tmp_path, env=env)


@many
@given(contents=st.dictionaries(st.sampled_from(NAMES), st.binary(max_size=60), max_size=3))
@example(contents={"BACKEND_EMAIL": b"a@b\n", "BACKEND_PASSWORD": b"\xff"})
@example(contents={"BACKEND_PASSWORD": b"x" * 2_000_000})
def test_any_credentials(
    forks: ForkServer, url: str, tmp_path_factory: pytest.TempPathFactory, contents: dict[str, bytes]
) -> None:
    """Con cualquier cosa en `$CREDENTIALS_DIRECTORY`, lo mismo."""
    folder = tmp_path_factory.mktemp("credenciales")
    for name, raw in contents.items():
        (folder / name).write_bytes(raw)
    absolute = [name for name in PATHS if contents.get(name, b"").strip().startswith(b"/")]
    env: dict[str, object] = {"CREDENTIALS_DIRECTORY": folder, "PASS_TIMEOUT": "0.5", **dict.fromkeys(absolute, "x")}
    if not contents.get("BACKEND_URL", b"").strip().startswith(b"http"):
        env |= {} if contents.get("BACKEND_URL", b"").strip() else {"BACKEND_URL": url}

    endure(forks, cwd=folder, env=env)


METRIC_LINES = st.one_of(
    TEXTS,
    st.builds(
        "estado_eventos_{}{} {}".format,
        st.sampled_from(["last_success_timestamp_seconds", "last_events", "last_max_lag_seconds", "build_info"]),
        st.sampled_from(
            ["", '{transition="start"}', '{transition="start",result="done"}', '{transition="', "{}", "{a=1}"]
        ),
        st.sampled_from(["NaN", "+Inf", "-Inf", "1e400", "1", "-5", "x", "", "9" * 400, "1 2 3"]),
    ),
    st.builds("# {} estado_eventos_{} {}".format, st.sampled_from(["HELP", "TYPE", "EOF"]), TEXTS, TEXTS),
)
CACHES = st.one_of(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "token": st.one_of(st.none(), TEXTS, st.just("e30.e30.x"), st.integers()),
            "received_at": st.one_of(st.floats(), st.integers(), st.text(max_size=3)),
            "backend": st.one_of(st.just("el suyo"), st.none(), st.text(max_size=3)),
            "account": st.one_of(st.just("a"), st.integers()),
        },
    ),
)


@many
@given(
    metrics=st.one_of(st.binary(max_size=300), st.lists(METRIC_LINES, max_size=5).map("\n".join)),
    report=st.binary(max_size=100),
    cache=st.one_of(st.binary(max_size=100), CACHES),
    command=st.sampled_from(["run-once", "start", "finish"]),
)
@example(metrics=b"\n" * 10_000_000, report=b"", cache=b"[" * 60_000, command="start")
@example(
    metrics=b"x{" * 8000,
    report=b"",
    cache={"token": "x", "received_at": 1e300, "backend": "", "account": ""},
    command="start",
)
def test_any_previous_contents(  # noqa: PLR0913, PLR0917  Cada argumento es algo que se baraja.
    forks: ForkServer,
    url: str,
    tmp_path: Path,
    metrics: bytes | str,
    report: bytes,
    cache: Any,
    command: str,
) -> None:
    """Sea lo que sea lo que había en sus archivos, la pasada sale bien y los deja como tienen que estar."""
    metrics_file, report_file, cache_file = tmp_path / "m.prom", tmp_path / "r.json", tmp_path / "token"
    metrics_file.write_bytes(metrics if isinstance(metrics, bytes) else metrics.encode("utf-8", "surrogateescape"))
    report_file.write_bytes(report)
    if isinstance(cache, dict) and cache.get("backend") == "el suyo":
        cache["backend"] = url
    cache_file.write_bytes(cache if isinstance(cache, bytes) else json.dumps(cache).encode())
    cache_file.chmod(0o600)
    files = {"METRICS_FILE": metrics_file, "REPORT_FILE": report_file, "TOKEN_CACHE_FILE": cache_file}
    account = {"BACKEND_EMAIL": "a", "BACKEND_PASSWORD": "b"}

    completed = forks.run(command, "--json", env={"BACKEND_URL": url, **account, **files})

    check(completed)
    assert completed.code == 0
    assert json.loads(report_file.read_text())["run_id"] == completed.report["run_id"]
    families = {family.name: family for family in text_string_to_metric_families(metrics_file.read_text())}
    assert families["estado_eventos_last_exit_code"].samples[0].value == 0
    assert {path.name for path in tmp_path.iterdir()} == {"m.prom", "r.json", "token"}


@many
@given(
    ids=st.lists(
        st.one_of(TEXTS, st.sampled_from(["7", "07", "-7", "a" * 65, "../7", "--", "-q"])), min_size=1, max_size=3
    )
)
def test_any_event_ids(forks: ForkServer, tmp_path: Path, ids: list[str]) -> None:
    """Con cualquier `--event`, o se dice que no vale o no se toca ningún otro."""
    with FaultyServer(serve) as server:
        options = [f"--event={event_id}" for event_id in ids]
        completed = forks.run("start", "--json", *options, env={"BACKEND_URL": server.url}, cwd=tmp_path)
        asked = [request.path for request in server.requests if request.method == "POST"]

    check(completed)
    assert completed.code == (ExitCode.OK if all(map(is_safe_id, ids)) else ExitCode.USAGE)
    assert asked == ([START.action_path(7)] if completed.code == 0 and "7" in ids else [])


WORDS = TEXTS | st.sampled_from(
    [
        *("start", "run-once", "pending", "info", "health", "token", "schedule", "show", "status", "systemd", "cron"),
        *("--json", "-q", "--event", "--event=7", "--dry-run", "--check", "--name", "--interval", "--api", "--user"),
        *("--env-file", "--log-level", "--log-format", "debug", "json", "--help", "--version", "--", "-"),
    ]
)


@many
@given(words=st.lists(WORDS, max_size=5))
def test_any_arguments(forks: ForkServer, url: str, tmp_path: Path, words: list[str]) -> None:
    """Con cualquier línea de mandatos, un código del contrato y ningún volcado."""
    env = {"BACKEND_URL": url, "PASS_TIMEOUT": "0.5", "BACKEND_EMAIL": MARK, "BACKEND_PASSWORD": MARK}
    completed = forks.run(*words, env=env, cwd=tmp_path)

    assert completed.code in CODES, completed
    assert "Traceback" not in completed.stderr
    if completed.code:
        assert completed.stderr


SURROUNDINGS: dict[str, tuple[str, ...]] = {
    "PYTHONIOENCODING": ("ascii", "utf-8:strict"),
    "PYTHONWARNINGS": ("error", "x"),
    "PYTHONDEVMODE": ("1",),
    "PYTHONASYNCIODEBUG": ("1",),
    "PYTHONOPTIMIZE": ("2", "x"),
    "PYTHONINSPECT": ("1",),
    "PYTHONINTMAXSTRDIGITS": ("0", "640"),
    "PYTHONUTF8": ("0",),
    "PYTHONCOERCECLOCALE": ("0",),
    "PYTHONUNBUFFERED": ("1",),
    "LC_ALL": ("C", "POSIX", "nada"),
    "TERM": ("", "dumb", "vt100", "nada"),
    "COLUMNS": ("0", "-1", "x", "1", "99999"),
    "LINES": ("0", "x"),
    "NO_COLOR": ("1", ""),
    "FORCE_COLOR": ("1", "x"),
    "TTY_COMPATIBLE": ("1",),
    "TERMINAL_WIDTH": ("x", "-1"),
    "JUPYTER_COLUMNS": ("x",),
    "TYPER_USE_RICH": ("x",),
    "TYPER_STANDARD_TRACEBACK": ("1",),
    "PYDANTIC_ERRORS_INCLUDE_URL": ("x",),
    "PYDANTIC_DISABLE_PLUGINS": ("__all__", "x"),
    "PYDANTIC_VALIDATE_CORE_SCHEMAS": ("1",),
    "PROMETHEUS_MULTIPROC_DIR": ("/nonexistent",),
    "HTTP_PROXY": ("::x",),
    "ALL_PROXY": ("socks5://x",),
    "NO_PROXY": ("[",),
    "HTTPX_LOG_LEVEL": ("debug",),
    "SSL_CERT_FILE": ("/nonexistent",),
    "SSLKEYLOGFILE": ("/nonexistent/x",),
    "TMPDIR": ("/nonexistent",),
    "TZ": ("", "nada", ":/etc/passwd"),
    "HOME": ("",),
    "JOURNAL_STREAM": ("a:b", "1:2", ""),
    "INVOCATION_ID": ("x",),
    "SYSTEMD_EXEC_PID": ("x",),
    "LISTEN_FDS": ("x",),
    "NOTIFY_SOCKET": ("x",),
}
"""Variables que no son nuestras y que mira el intérprete, una biblioteca o systemd."""


VARIABLES_OF_OTHERS = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(values) for name, values in SURROUNDINGS.items()}
)


@settings(many, max_examples=EXAMPLES // 4)
@given(VARIABLES_OF_OTHERS)
def test_any_surroundings(url: str, tmp_path: Path, variables: dict[str, str]) -> None:
    """Las variables de otros, valgan lo que valgan, no estropean una pasada ni su informe."""
    files = {"METRICS_FILE": tmp_path / "m.prom", "REPORT_FILE": tmp_path / "r.json"}
    for path in files.values():
        path.unlink(missing_ok=True)

    completed = run("run-once", "--json", env={"BACKEND_URL": url, **files, **variables})

    check(completed)
    assert completed.code == 0
    assert json.loads(files["REPORT_FILE"].read_text())["run_id"] == completed.report["run_id"]
    assert "estado_eventos_last_exit_code 0.0" in files["METRICS_FILE"].read_text()


@settings(many, max_examples=EXAMPLES // 4)
@given(VARIABLES_OF_OTHERS)
def test_any_terminal(url: str, variables: dict[str, str]) -> None:
    """En un terminal, diga lo que diga el entorno de él, se ve lo pendiente."""
    code, seen = in_terminal("pending", BACKEND_URL=url, **variables)

    assert code == 0, seen
    assert "Traceback" not in seen
    assert "2026-01-01 00:00" in seen
