"""Propiedades: cualquier cosa en los archivos de antes, en `--event` y en la línea de mandatos.

Cada ejemplo es un proceso.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.transitions import START, is_safe_id
from tests.support.anything import (
    CODES,
    MARK,
    TEXTS,
    a_backend,
    check,
    many,
)
from tests.support.forked import ForkServer

pytestmark = pytest.mark.timeout(300)

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


@pytest.mark.slow
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
    files = {"METRICS_FILE": metrics_file, "REPORT_FILE": report_file, "TOKEN_CACHE_FILE": cache_file}
    account = {"BACKEND_EMAIL": "a", "BACKEND_PASSWORD": "b"}

    with a_backend() as server:
        if isinstance(cache, dict) and cache.get("backend") == "el suyo":
            cache["backend"] = server.url
        cache_file.write_bytes(cache if isinstance(cache, bytes) else json.dumps(cache).encode())
        cache_file.chmod(0o600)
        completed = forks.run(command, "--json", env={"BACKEND_URL": server.url, **account, **files})

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
    """Con cualquier `--event`, o se dice que no vale o que no está en la lista, y no se toca ningún otro."""
    with a_backend() as server:
        options = [f"--event={event_id}" for event_id in ids]
        completed = forks.run("start", "--json", *options, env={"BACKEND_URL": server.url}, cwd=tmp_path)
        asked = [request.path for request in server.requests if request.method == "POST"]

    check(completed)
    usable = all(map(is_safe_id, ids))
    assert completed.code == ((ExitCode.OK if set(ids) <= {"7"} else ExitCode.FAILED) if usable else ExitCode.USAGE)
    assert asked == ([START.action_path(7)] if usable and "7" in ids else [])


WORDS = TEXTS | st.sampled_from(
    [
        *("start", "run-once", "pending", "info", "health", "token", "schedule", "show", "status", "systemd", "cron"),
        *("--json", "-q", "--event", "--event=7", "--dry-run", "--check", "--name", "--interval", "--api", "--user"),
        *("--env-file", "--log-level", "--log-format", "debug", "json", "--help", "--version", "--", "-"),
    ]
)


@many
@given(words=st.lists(WORDS, max_size=5))
def test_any_arguments(forks: ForkServer, tmp_path: Path, words: list[str]) -> None:
    """Con cualquier línea de mandatos, un código del contrato y ningún volcado."""
    with a_backend() as server:
        env = {"BACKEND_URL": server.url, "PASS_TIMEOUT": "0.5", "BACKEND_EMAIL": MARK, "BACKEND_PASSWORD": MARK}
        completed = forks.run(*words, env=env, cwd=tmp_path)

    assert completed.code in CODES, completed
    assert "Traceback" not in completed.stderr
    if completed.code:
        assert completed.stderr
