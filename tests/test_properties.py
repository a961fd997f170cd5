"""Propiedades de todo el programa, con datos que nadie pensó."""

import contextlib
import io
import json
import os
import string
import time
from pathlib import Path
from typing import Any
from unittest import mock

import jwt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from estado_eventos.cli.app import main
from tests.faults import FaultyServer, Request, answer

SECRET = st.text(string.ascii_letters + string.digits + "-._~!$&()*+,;=", min_size=8, max_size=40).map("s3".__add__)
COMMANDS = st.sampled_from(
    [
        ["run-once"],
        ["run-once", "--json"],
        ["start", "--quiet"],
        ["finish", "--dry-run"],
        ["pending"],
        ["pending", "--json"],
        ["token", "--check"],
        ["token"],
        ["run-once", "--log-level", "loud"],
    ]
)


def run_inside(arguments: list[str], env: dict[str, str]) -> tuple[int, str, str]:
    """Ejecuta el programa en este proceso: el código, la salida y los errores."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, env, clear=True),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = main(arguments)
    return code, out.getvalue(), err.getvalue()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    arguments=COMMANDS,
    email=SECRET,
    password=SECRET,
    key=SECRET,
    userinfo=SECRET,
    status=st.sampled_from([200, 200, 400, 401, 403, 404, 302, 500]),
    log_format=st.sampled_from(["text", "json"]),
    with_account=st.booleans(),
    in_backend_url=st.booleans(),
)
def test_secrets_never_leave(  # noqa: PLR0913, PLR0917  Cada argumento es algo que se baraja.
    tmp_path: Path,
    arguments: list[str],
    email: str,
    password: str,
    key: str,
    userinfo: str,
    status: int,
    log_format: str,
    *,
    with_account: bool,
    in_backend_url: bool,
) -> None:
    """Ni con DEBUG, ni con un backend que repite lo que se le manda, sale un secreto por ningún sitio."""
    claims = {"iat": int(time.time()), "exp": int(time.time()) + 1800, "role": "admin"}
    token = jwt.encode(claims, key.ljust(32, "x"), "HS256")
    cache = tmp_path / "token"
    cache.unlink(missing_ok=True)

    def indiscreet(request: Request) -> Any:
        echo = f"{request.headers.get('authorization')} {request.body.decode()}"
        if request.path.endswith("/login/") and status != 403:
            return answer(200, json.dumps({"token": token, "error": echo}))
        page = {"error": echo, "results": [{"id": 1, "start_date": echo[:60]}], "next": f"{other.url}/?x=1"}
        return answer(status, json.dumps(page), Location=f"http://{userinfo}:x@{other.url[7:]}/")

    with FaultyServer(lambda _: answer(200, "[]")) as other, FaultyServer(indiscreet) as server:
        url = server.url.replace("//", f"//{userinfo}:{userinfo}@") if in_backend_url else server.url
        env = {"BACKEND_URL": url, "LOG_LEVEL": "DEBUG", "LOG_FORMAT": log_format, "PASS_TIMEOUT": "0.5"}
        env |= {"BACKEND_EMAIL": email, "BACKEND_PASSWORD": password} if with_account else {"BACKEND_JWT_TOKEN": token}
        env |= {"TOKEN_CACHE_FILE": str(cache)}
        code, out, err = run_inside(["--env-file", os.devnull, *arguments], env)
        leaked = other.requests

    seen = err + "".join(path.name for path in tmp_path.iterdir())
    if arguments != ["token"]:
        seen += out
    for secret in (email, password, token, userinfo):
        assert secret not in seen, f"se vio un secreto (código {code})"
    assert leaked == []
    assert "Traceback" not in err
