"""Lo que la máquina puede tener mal: idioma, salidas, discos, archivos abiertos, memoria, reloj y fechas.

La tabla para quien usa el programa está en `docs/fiabilidad.md`. Las señales están en `test_faults_machine.py`.
"""

import json
import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.faults import Drip, FaultyServer, Raw, Reaction, Request, Rule, answer
from tests.support.inside import account
from tests.support.program import PROGRAM, environment, run
from tests.support.reference.server import ReferenceBackend
from tests.support.terminal_session import in_terminal

NO_COVERAGE: dict[str, object] = {"COVERAGE_PROCESS_CONFIG": "", "COVERAGE_PROCESS_START": ""}
"""Donde se mide la máquina, no se mide la cobertura, que también gasta."""

YES = answer(200, '{"success": true, "status": "en_progreso"}')
NO = answer(400, '{"error": "niño ✗"}')


def one_of_each(request: Request) -> Reaction:
    """Dos eventos, de los que uno no se deja mover y dice por qué con eñes y cruces."""
    if request.method == "GET":
        return answer(200, '[{"id": 1, "start_date": "2026-01-01T10:00:00Z"}, {"id": 2}]')
    return YES if "/1/" in request.path else NO


_LANGUAGES: dict[str, dict[str, object]] = {
    "LANG=C": {"LANG": "C"},
    "LC_ALL=C": {"LC_ALL": "C"},
    "LC_ALL=POSIX": {"LC_ALL": "POSIX"},
    "LANG=nonexistent": {"LANG": "nonexistent"},
    "LC_ALL=C sin UTF-8": {"LC_ALL": "C", "PYTHONUTF8": 0, "PYTHONCOERCECLOCALE": 0},
    "PYTHONIOENCODING=ascii": {"PYTHONIOENCODING": "ascii"},
    "PYTHONIOENCODING=latin-1": {"PYTHONIOENCODING": "latin-1"},
    "PYTHONIOENCODING=utf-16": {"PYTHONIOENCODING": "utf-16"},
}


def run_in_bytes(language: str, *arguments: str, **variables: object) -> tuple[int, bytes, bytes]:
    """Ejecuta el programa en ese idioma; la salida y los errores, sin descodificar."""
    env = environment(**variables) | {name: str(value) for name, value in _LANGUAGES[language].items()}
    finished = subprocess.run([*PROGRAM, *arguments], env=env, cwd="/", check=False, capture_output=True, timeout=60)
    return finished.returncode, finished.stdout, finished.stderr


@pytest.mark.parametrize("language", _LANGUAGES)
def test_no_language_silences_the_program(language: str) -> None:
    """En cualquier idioma se escriben el resumen y el registro, con «✓» o con lo que se pueda: 1, por el que falla."""
    with FaultyServer(one_of_each) as server:
        code, out, err = run_in_bytes(language, "start", BACKEND_URL=server.url)

    encoding = str(_LANGUAGES[language].get("PYTHONIOENCODING", "utf-8"))
    assert code == 1
    assert "Inicio: 1 iniciado(s), 1 fallido(s); retraso m" in out.decode(encoding)
    log = err.decode(encoding)
    assert "Traceback" not in log
    assert any(f"{mark} Evento 1 iniciado exitosamente" in log for mark in ("✓", r"\u2713"))
    assert any(f"No se pudo iniciar el evento 2: ni{word}" in log for word in ("ño ✗", r"\u00f1o \u2717", r"ño \u2717"))


@pytest.mark.slow
@pytest.mark.parametrize("language", [name for name in _LANGUAGES if "utf-16" not in name])
@pytest.mark.parametrize("command", [["start"], ["pending"], ["health"], ["info"], ["check"]], ids=" ".join)
def test_json_is_json_in_any_language(language: str, command: list[str]) -> None:
    """Lo que sale con `--json`, y el registro con `LOG_FORMAT=json`, lo entiende quien lea JSON, que es UTF-8."""
    with FaultyServer(one_of_each) as server:
        env = {"BACKEND_URL": server.url, "LOG_FORMAT": "json"}
        _, out, err = run_in_bytes(language, *command, "--json", **env)

    content = json.loads(out.decode())
    lines = [json.loads(line)["message"] for line in err.decode().splitlines()]
    if command == ["start"]:
        assert [event["error"] for event in content["transitions"]["start"]["events"]] == [None, "niño ✗"]
        assert "✗ No se pudo iniciar el evento 2: niño ✗" in lines


@pytest.mark.slow
@pytest.mark.parametrize("command", ["start", "pending", "check"])
def test_a_terminal_without_accents_gets_its_tables(command: str) -> None:
    """En un terminal que no es UTF-8 también salen las tablas, con lo que se pueda escribir."""
    with FaultyServer(one_of_each) as server:
        code, seen = in_terminal(command, BACKEND_URL=server.url, PYTHONIOENCODING="ascii")

    assert code in {0, 1}
    assert "fallo interno" not in seen
    assert "Traceback" not in seen
    assert {"start": "1 iniciado(s), 1 fallido(s)", "pending": "Retraso", "check": "BACKEND_URL"}[command] in seen


_USELESS = [">&-", "2>&-", "<&-", ">&- 2>&- <&-", ">/dev/full", "2>/dev/full", ">/dev/full 2>&1", "<&- >/dev/full 2>&-"]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [[], ["--json"], ["--log-format", "json"]], ids=["text", "json", "log json"])
@pytest.mark.parametrize("redirections", _USELESS)
def test_useless_outputs_cost_no_event(backend: ReferenceBackend, redirections: str, arguments: list[str]) -> None:
    """Con la salida, el registro o la entrada cerrados o llenos: 0, todo movido, y por donde se puede no hay quejas."""
    ids = backend.add_events(due_start=3, due_finish=3)
    env = environment(**account(backend, backend.url))
    command = ["sh", "-c", f'exec "$@" {redirections}', "sh", *PROGRAM, "run-once", *arguments]

    finished = subprocess.run(command, env=env, cwd="/", check=False, capture_output=True, timeout=60)

    assert finished.returncode == 0
    assert sorted(str(change.event_id) for change in backend.history()) == sorted(map(str, ids))
    assert b"Traceback" not in finished.stderr
    assert b"Exception ignored" not in finished.stderr
    if arguments == ["--json"] and ">&-" not in redirections.split() and ">/dev/full" not in redirections:
        assert json.loads(finished.stdout)["exit_code"] == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["info"], 0), (["start", "--foo"], 2), (["start", "--env-file", "/no"], 78), (["token", "--check"], 78)],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
@pytest.mark.parametrize("redirections", [">&- 2>&-", ">/dev/full 2>/dev/full", "2>/dev/full", "2>&1 | head -c0"])
def test_the_code_is_the_same_though_nobody_can_read_it(arguments: list[str], code: int, redirections: str) -> None:
    """El código de salida no depende de que haya donde escribir."""
    shell = ["bash", "-c", f'"$@" {redirections}; exit ${{PIPESTATUS[0]}}', "bash", *PROGRAM, *arguments]

    finished = subprocess.run(shell, env=environment(), cwd="/", check=False, capture_output=True, timeout=60)

    assert finished.returncode == code
    assert b"Traceback" not in finished.stderr


_DISK = """
disk=$1 out=$2; shift 2
mount -t tmpfs -o size=64k,nr_inodes=20 none "$disk"
"$@" && cp -a "$disk" "$out/antes"
eval "$SPOIL"
"$@" 2> "$out/errores"; echo $? > "$out/código"
eval "$HEAL"
cp -a "$disk" "$out/después"
"""
_SPOILED_DISKS = {
    "lleno": ('head -c 1M /dev/zero > "$disk/relleno" 2> /dev/null', 'rm "$disk/relleno"'),
    "sin inodos": ('while : > "$disk/x$((i += 1))"; do :; done 2> /dev/null', 'rm "$disk"/x*'),
    "de solo lectura": ('mount -o remount,ro "$disk"', ""),
}
"""Cómo se estropea un disco y cómo se arregla, en el intérprete de mandatos."""


@pytest.mark.slow
@pytest.mark.parametrize("state", _SPOILED_DISKS)
def test_a_spoiled_disk_keeps_the_old_files(backend: ReferenceBackend, tmp_path: Path, state: str) -> None:
    """Con el disco lleno o de solo lectura: 0, un aviso por archivo, y quedan los de antes, enteros y sin restos."""
    if os.geteuid():
        pytest.skip("Montar un disco pide ser root")
    disk, out = tmp_path / "disco", tmp_path / "fuera"
    disk.mkdir()
    out.mkdir()
    # Con tan poca vida, la segunda pasada renueva el token y quiere guardarlo.
    backend.configure(token_seconds=90)
    names = {"TOKEN_CACHE_FILE": "token", "METRICS_FILE": "estado.prom", "REPORT_FILE": "informe.json"}
    files = {variable: disk / name for variable, name in names.items()}
    spoil, heal = _SPOILED_DISKS[state]
    shell = ["unshare", "--mount", "bash", "-c", _DISK, "bash", str(disk), str(out), *PROGRAM, "run-once", "-q"]
    env = environment(**account(backend, backend.url), **files, SPOIL=spoil, HEAL=heal)

    subprocess.run(shell, env=env, cwd="/", check=True, timeout=60)

    before, after = (
        {path.name: path.read_bytes() for path in (out / moment).iterdir()} for moment in ("antes", "después")
    )
    warned = [line.split(" - ", 2)[2].partition(":")[0] for line in (out / "errores").read_text().splitlines()]
    assert (out / "código").read_text() == "0\n"
    assert sorted(warned) == sorted(names)
    assert before == after
    assert sorted(after) == sorted(names.values())


def _limit(name: int, value: int) -> Callable[[], None]:
    """Lo que el proceso hijo hace antes de empezar, para no pasar de ese límite."""
    return lambda: resource.setrlimit(name, (value, value))


def crowd(number: int) -> Rule:
    """Un backend con tantos eventos en cada lista, que dice a todo que sí."""
    due = [{"id": event_id, "start_date": "2026-01-01T10:00:00Z"} for event_id in range(number)]
    whole, yes = answer(200, json.dumps(due)), Raw(answer(200, '{"success": true}', Connection="x").data, close=False)
    return lambda request: whole if request.method == "GET" else yes


@pytest.mark.slow
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("files", [64, 12])
def test_few_open_files_only_slow_it_down(files: int, host: str) -> None:
    """Con `ulimit -n` corto y MAX_CONCURRENCY alta se usan las conexiones que caben: 0, un POST por evento."""
    with FaultyServer(crowd(150)) as server:
        completed = run(
            "run-once",
            "--json",
            env={"BACKEND_URL": server.url.replace("127.0.0.1", host), "MAX_CONCURRENCY": 128} | NO_COVERAGE,
            preexec_fn=_limit(resource.RLIMIT_NOFILE, files),
        )

    assert completed.code == 0
    assert server.count("POST") == 300


def test_too_few_open_files_are_named() -> None:
    """Si no se puede abrir ni lo imprescindible, se dice que es eso, sin volcados y sin culpar al backend."""
    with FaultyServer(crowd(3)) as server:
        env = {"BACKEND_URL": server.url, "LOG_LEVEL": "ERROR"} | NO_COVERAGE
        completed = run("run-once", "--json", env=env, preexec_fn=_limit(resource.RLIMIT_NOFILE, 8))

    assert completed.code == 70
    assert completed.report["error"].startswith("el sistema no deja seguir: Too many open files.")
    assert len(completed.stderr.splitlines()) == 1


MEMORY = 64 << 20
"""Lo que el proceso puede pedir para datos, suyos o de sus hilos, tocados o no (RLIMIT_DATA).

Se queda más corto que un límite de un cgroup, que solo cuenta lo tocado y que, en vez de decir que no, mata.
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1000])
def test_a_pass_fits_in_64_mebibytes(tmp_path: Path, number: int) -> None:
    """Con 64 MiB caben una pasada sin nada y una con 2000 eventos, con sus monitores y resolviendo nombres: 0."""
    with FaultyServer(crowd(number)) as server, FaultyServer(lambda _: answer(200, "OK")) as monitor:
        env = {
            "BACKEND_URL": server.url.replace("127.0.0.1", "localhost"),
            "HEARTBEAT_URL": monitor.url,
            "METRICS_FILE": tmp_path / "estado.prom",
            "REPORT_FILE": tmp_path / "informe.json",
            "LOG_LEVEL": "WARNING",
        }
        completed = run("run-once", "--json", env=env | NO_COVERAGE, preexec_fn=_limit(resource.RLIMIT_DATA, MEMORY))

    assert (completed.code, completed.stderr) == (0, "")
    assert server.count("POST") == 2 * number
    assert json.loads((tmp_path / "informe.json").read_text()) == completed.report


_FLOODS: dict[str, Callable[[], Reaction]] = {
    "un cuerpo sin fin": lambda: Drip(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536, 0),
    "31 MiB en un texto": lambda: answer(200, b'["' + b"x" * (31 << 20) + b'"]'),
    "medio millón de objetos": lambda: answer(200, b"[" + b"{}," * 500_000 + b"0]"),
}


@pytest.mark.slow
@pytest.mark.parametrize("flood", _FLOODS)
def test_a_flood_in_64_mebibytes_is_one_sentence(flood: str) -> None:
    """Una lista que no cabe en la memoria que hay es una lista demasiado grande: 76 y una frase, sin volcados."""
    reply = _FLOODS[flood]()
    with FaultyServer(lambda _: reply) as server:
        env = {"BACKEND_URL": server.url, "PASS_TIMEOUT": 20, "LOG_LEVEL": "WARNING"} | NO_COVERAGE
        completed = run("run-once", "--json", env=env, preexec_fn=_limit(resource.RLIMIT_DATA, MEMORY))

    assert completed.code == 76
    assert completed.report["error"].endswith("la respuesta no cabe en la memoria de que dispone este proceso")
    assert len(completed.stderr.splitlines()) == 1
    assert server.count("POST") == 0


_NO_MEMORY_TO_IMPORT = """
import sys
class Full:
    def find_spec(self, name, *_):
        if name == "estado_eventos.cli":
            raise MemoryError
sys.meta_path.insert(0, Full())
"""


def test_not_even_starting_fits(tmp_path: Path) -> None:
    """Sin memoria ni para arrancar: 70 y una frase, sin volcado."""
    (tmp_path / "sitecustomize.py").write_text(_NO_MEMORY_TO_IMPORT)
    completed = run("run-once", env={"PYTHONPATH": tmp_path})

    assert (completed.code, completed.stdout) == (70, "")
    assert completed.stderr == "estado-eventos: no hay bastante memoria\n"
