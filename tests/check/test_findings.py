"""Lo que encuentra el diagnóstico y cómo se enseña: en líneas, en un terminal y con qué veredicto."""

import subprocess
from pathlib import Path

import pytest

from estado_eventos.check.findings import Diagnosis, Level, good, problem
from estado_eventos.domain.exit_codes import ExitCode
from tests.support.diagnosis import RUNNING, STOPPED, machine, nobody
from tests.support.inside import account, run_inside
from tests.support.program import PROGRAM, Completed, environment, run
from tests.support.reference.server import ReferenceBackend
from tests.support.terminal_session import in_terminal


@pytest.mark.slow
def test_the_text_is_one_line_per_finding(backend: ReferenceBackend, tmp_path: Path) -> None:
    """En una tubería, cada hallazgo es una línea con su signo, su cura detrás y, al final, el resumen."""
    (tmp_path / ".env").write_text(f"BACKEND_URL={backend.url}\nBACKEND_JWT_TOKEN={backend.token(-60)}\n")

    completed = run("check", cwd=tmp_path, env=machine(tmp_path))
    *lines, verdict = completed.stdout.splitlines()

    assert all(line[:2] in {"✓ ", "! ", "✗ "} for line in lines)
    assert all((" → " in line) == (line[0] != "✓") for line in lines)
    assert "\x1b" not in completed.stdout
    assert verdict == "1 error(es) y 2 aviso(s): una pasada acabaría ahora con 77 (NOPERM)."


def test_the_verdict_without_errors(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Sin errores, la última línea cuenta los avisos o dice que todo está en orden."""
    env = account(backend)
    fine = run_inside("check", **env, **machine(tmp_path, system=RUNNING))
    warned = run_inside("check", **env, REPORT_FILE=tmp_path / "no-está", **machine(tmp_path, system=STOPPED))

    assert (fine.code, fine.stdout.splitlines()[-1]) == (0, "Todo en orden.")
    assert (warned.code, warned.stdout.splitlines()[-1]) == (0, "Sin errores, 2 aviso(s).")


@pytest.mark.slow
@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}])
def test_a_terminal_shows_the_cure_under_the_problem(variables: dict[str, str]) -> None:
    """En un terminal, el problema va en color y la cura debajo; `NO_COLOR` se respeta."""
    with nobody() as url:
        code, shown = in_terminal("check", BACKEND_URL=url, COLUMNS=200, TERM="xterm", **variables)
    lines = [line.rstrip() for line in shown.splitlines()]
    (found,) = [index for index, line in enumerate(lines) if "conexión rehusada" in line]

    assert code == 69
    assert "→ Compruebe que el backend está en marcha" in lines[found + 1]
    assert ("\x1b[31m" in shown) == (not variables)


def test_a_dumb_terminal_gets_what_a_pipe_gets() -> None:
    """Un terminal que no entiende de color ni de movimiento ve lo mismo que una tubería."""
    with nobody() as url:
        _, shown = in_terminal("check", BACKEND_URL=url, TERM="dumb")

    (line,) = [line for line in shown.splitlines() if "conexión rehusada" in line]
    assert line.startswith("✗ TCP: ")
    assert " → Compruebe que el backend está en marcha" in line
    assert "\x1b" not in shown


def test_a_problem_without_a_code_is_a_warning() -> None:
    """Lo que no impediría una pasada es un aviso; lo que sí, un error. Lo que está bien no tiene cura."""
    assert problem("x", "mal", "cúrelo").level is Level.WARNING
    assert problem("x", "mal", "cúrelo", ExitCode.NOPERM).level is Level.ERROR
    assert good("x", "bien").to_dict() == {"level": "ok", "topic": "x", "message": "bien", "cure": None}


@pytest.mark.parametrize(
    ("codes", "code", "verdict"),
    [
        ([], 0, "Todo en orden."),
        ([0], 0, "Sin errores, 1 aviso(s)."),
        ([69, 77, 0], 77, "2 error(es) y 1 aviso(s): una pasada acabaría ahora con 77 (NOPERM)."),
        ([76], 76, "1 error(es): una pasada acabaría ahora con 76 (PROTOCOL)."),
    ],
)
def test_the_gravest_error_is_the_verdict(codes: list[int], code: int, verdict: str) -> None:
    """El código del diagnóstico es el del error más grave, y el veredicto lo dice con las cuentas."""
    diagnosis = Diagnosis((good("x", "bien"), *(problem("x", "mal", "cúrelo", ExitCode(one)) for one in codes)))

    assert (diagnosis.exit_code, diagnosis.closing()) == (code, (verdict,))
    assert next(iter(diagnosis.items())).line == "✓ bien"


def test_nobody_reading_is_not_an_error(backend: ReferenceBackend) -> None:
    """Si nadie lee lo que escribe, el código sigue siendo el suyo."""
    finished = subprocess.run(
        ["/bin/sh", "-c", f"{' '.join(PROGRAM)} check >/dev/full"],
        env=environment(BACKEND_URL=backend.url),
        check=False,
        capture_output=True,
        text=True,
    )

    assert Completed(finished.returncode, finished.stdout, finished.stderr) == Completed(77, "", "")
