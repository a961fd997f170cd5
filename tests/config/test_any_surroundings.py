"""Propiedades: las variables que no son nuestras y que mira el intérprete, una biblioteca o systemd."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.anything import (
    EXAMPLES,
    a_backend,
    check,
    many,
)
from tests.support.monitors import samples
from tests.support.program import run
from tests.support.terminal_session import in_terminal

pytestmark = pytest.mark.timeout(300)

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
def test_any_surroundings(tmp_path: Path, variables: dict[str, str]) -> None:
    """Las variables de otros, valgan lo que valgan, no estropean una pasada ni su informe."""
    files = {"METRICS_FILE": tmp_path / "m.prom", "REPORT_FILE": tmp_path / "r.json"}
    for path in files.values():
        path.unlink(missing_ok=True)

    with a_backend() as server:
        completed = run("run-once", "--json", env={"BACKEND_URL": server.url, **files, **variables})

    check(completed)
    assert completed.code == 0
    assert json.loads(files["REPORT_FILE"].read_text())["run_id"] == completed.report["run_id"]
    assert samples(files["METRICS_FILE"].read_text())["last_exit_code",] == 0


@settings(many, max_examples=EXAMPLES // 4)
@given(VARIABLES_OF_OTHERS)
def test_any_terminal(variables: dict[str, str]) -> None:
    """En un terminal, diga lo que diga el entorno de él, se ve lo pendiente."""
    with a_backend() as server:
        code, seen = in_terminal("pending", BACKEND_URL=server.url, **variables)

    assert code == 0, seen
    assert "Traceback" not in seen
    assert "2026-01-01 00:00" in seen
