"""Estrategias de Hypothesis para lo que alguien podría escribir en la configuración, y lo que vale siempre."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from estado_eventos.config.settings import Settings
from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.transitions import START
from tests.support.faults import FaultyServer
from tests.support.forked import ForkServer
from tests.support.obliging import Obliging
from tests.support.program import Completed
from tests.support.reactions import answer

NAMES = [name.upper() for name in Settings.model_fields]


SECRETS = ("BACKEND_JWT_TOKEN", "BACKEND_EMAIL", "BACKEND_PASSWORD", "BACKEND_PROXY", "HEARTBEAT_URL")


PATHS = ("TOKEN_CACHE_FILE", "METRICS_FILE", "REPORT_FILE")


MARK = "zZ9-secreto-9Zz"
"""Va dentro de todo secreto: si se ve en alguna parte, se ve un secreto."""


CODES = set(ExitCode) - {ExitCode.SOFTWARE}


EXAMPLES = 60 if "CI" in os.environ else 10
"""En la integración continua, más; y siempre los mismos: con `CI`, Hypothesis no los sortea."""


_UNHURRIED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


many = settings(
    max_examples=EXAMPLES,
    deadline=None,
    # Acortar un ejemplo que falla serían cientos de procesos: se enseña tal cual.
    phases=set(Phase) - {Phase.shrink, Phase.explain},
    suppress_health_check=_UNHURRIED,
)


def a_backend() -> FaultyServer:
    """Un backend con un evento, el 7, que acepta a cualquiera; nuevo para cada ejemplo."""
    yes = answer(200, json.dumps({"success": True, "status": "en_progreso", "token": MARK}))
    return FaultyServer(Obliging([{"id": 7, START.date_field: "2026-01-01T00:00:00Z"}], yes=yes))


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
