"""Propiedades de la configuración: cualquier variable y cualquier archivo, por el programa entero.

Cada ejemplo es un proceso.
"""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from estado_eventos.domain.exit_codes import ExitCode
from tests.support.anything import (
    MARK,
    NAMES,
    PATHS,
    SECRETS,
    TEXTS,
    a_backend,
    endure,
    many,
    values_of,
)
from tests.support.forked import ForkServer

pytestmark = pytest.mark.timeout(300)

VARIABLES = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: values_of(name) for name in names})
)


@many
@given(variables=VARIABLES)
def test_any_environment(forks: ForkServer, tmp_path: Path, variables: dict[str, str]) -> None:
    """Con cualquier valor en las variables de entorno, un código del contrato y una frase que nombra la que no vale."""
    with a_backend() as server:
        env = {"BACKEND_URL": server.url, "PASS_TIMEOUT": "0.5", **variables}
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
def test_any_env_file(forks: ForkServer, tmp_path: Path, raw: bytes, *, by_default: bool) -> None:
    """Con cualquier archivo de configuración, dado o encontrado, lo mismo; un secreto a medio escribir no se repite."""
    path = tmp_path / ".env"
    path.write_bytes(raw)

    with a_backend() as server:
        env = {"BACKEND_URL": server.url, "PASS_TIMEOUT": "0.5"}
        endure(forks, *(() if by_default else ("--env-file", str(path))), cwd=tmp_path, env=env)


@pytest.mark.slow
@many
@given(contents=st.dictionaries(st.sampled_from(NAMES), st.binary(max_size=60), max_size=3))
@example(contents={"BACKEND_EMAIL": b"a@b\n", "BACKEND_PASSWORD": b"\xff"})
@example(contents={"BACKEND_PASSWORD": b"x" * 2_000_000})
def test_any_credentials(
    forks: ForkServer, tmp_path_factory: pytest.TempPathFactory, contents: dict[str, bytes]
) -> None:
    """Con cualquier cosa en `$CREDENTIALS_DIRECTORY`, lo mismo."""
    folder = tmp_path_factory.mktemp("credenciales")
    for name, raw in contents.items():
        (folder / name).write_bytes(raw)
    absolute = [name for name in PATHS if contents.get(name, b"").strip().startswith(b"/")]
    env: dict[str, object] = {"CREDENTIALS_DIRECTORY": folder, "PASS_TIMEOUT": "0.5", **dict.fromkeys(absolute, "x")}

    with a_backend() as server:
        if not contents.get("BACKEND_URL", b"").strip():
            env["BACKEND_URL"] = server.url
        endure(forks, cwd=folder, env=env)
