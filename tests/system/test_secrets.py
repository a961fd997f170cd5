"""Ningún secreto sale, pase lo que pase."""

import json
import string
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.faults import FaultyServer
from tests.support.inside import run_inside
from tests.support.reactions import Request, answer

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


@pytest.mark.slow
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
        completed = run_inside(*arguments, TOKEN_CACHE_FILE=cache, **env)
        leaked = other.requests

    seen = completed.stderr + "".join(path.name for path in tmp_path.iterdir())
    if arguments != ["token"]:
        seen += completed.stdout
    for secret in (email, password, token, userinfo):
        assert secret not in seen, f"se vio un secreto (código {completed.code})"
    assert leaked == []
    assert "Traceback" not in completed.stderr
