"""`make audit` distingue «no hay vulnerabilidades» de «no se sabe»: pip-audit de verdad y una base de datos local."""

import json
from pathlib import Path

import pytest

from tests.support.faults import FaultyServer
from tests.support.reactions import Raw, Reaction, Request, answer
from tools import audit

_LOCK = f"h11==0.16.0 --hash=sha256:{'0' * 64}\n"


def flaw(package: str) -> dict[str, object]:
    """Una vulnerabilidad como las cuenta OSV."""
    ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}]
    affected = [{"package": {"name": package, "ecosystem": "PyPI"}, "ranges": ranges}]
    return {"id": "PYSEC-1", "aliases": ["CVE-1"], "affected": affected}


def osv(request: Request, vulnerable: set[str]) -> Raw:
    """Contesta como OSV."""
    package = json.loads(request.body)["package"]["name"]
    return answer(200, json.dumps({"vulns": [flaw(package)]} if package in vulnerable else {}))


def examine(tmp_path: Path, url: str) -> int:
    """Busca vulnerabilidades en un archivo de una línea."""
    lock = tmp_path / "fijado.txt"
    lock.write_text(_LOCK)
    return audit.main(["--osv-url", url, str(lock)])


@pytest.mark.slow
def test_a_known_vulnerability_fails_and_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Una vulnerabilidad conocida acaba con 1 y dice cuál es y en qué versión se arregla."""
    with FaultyServer(lambda request: osv(request, {"jinja2", "h11"})) as server:
        assert examine(tmp_path, server.url) == 1

    assert "✗ h11 0.16.0: PYSEC-1, CVE-1; se arregla en 99.1\n" in capsys.readouterr().out


@pytest.mark.slow
def test_nothing_known_is_said_with_what_was_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sin vulnerabilidades acaba con 0 y dice qué archivos miró."""
    with FaultyServer(lambda request: osv(request, {"jinja2"})) as server:
        assert examine(tmp_path, server.url) == 0

    assert capsys.readouterr().out == "0 vulnerabilidad(es) conocida(s) en fijado.txt\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reaction", "reason"),
    [
        (answer(503), "503"),
        (answer(200, "<html>"), "Expecting value"),
        (answer(200, "{}"), "no conoce ninguna vulnerabilidad de jinja2==2.10, que las tiene"),
    ],
)
def test_a_service_that_is_no_use_is_said_and_does_not_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], reaction: Reaction, reason: str
) -> None:
    """Una base de datos que no contesta, o que dice que sí a todo, no pasa por una comprobación."""
    with FaultyServer(lambda _: reaction) as server:
        assert examine(tmp_path, server.url) == 0

    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("no comprobado: vulnerabilidades de las dependencias: ")
    assert reason in line


def test_everything_that_is_locked_is_looked_at() -> None:
    """Se mira lo de desarrollo, que contiene lo que se instala con el programa, y lo del contenedor."""
    run, dev = ((audit.LOCKS[0].parent / name).read_text().split() for name in ("run.txt", "dev.txt"))

    assert {word for word in run if "==" in word} <= set(dev)
    assert {path.name for path in audit.LOCKS} == {"dev.txt", "e2e.txt"}
