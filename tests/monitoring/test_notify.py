"""Los monitores: que se enteren de cada final y que, hagan lo que hagan, no estorben a la pasada."""

import ctypes
import json
import os
import resource
import select
import signal
import ssl
import subprocess
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from estado_eventos import __version__
from estado_eventos.domain.exit_codes import ExitCode
from estado_eventos.domain.report import Outcome, Report, Result, TransitionReport
from estado_eventos.domain.transitions import FINISH, START, TRANSITIONS, Event
from estado_eventos.monitoring import metrics
from tests.support.faults import Drip, Fault, FaultyServer, Raw, Request, Rule, answer
from tests.support.program import PROGRAM, Completed, environment, run, start, wait
from tests.support.reference.server import ReferenceBackend

pytestmark = pytest.mark.slow

SECRET = "5ecre7a-1234-capacidad"
RUN = "last_run_timestamp_seconds"
SUCCESS = "last_success_timestamp_seconds"
PART_SUCCESS = "last_transition_success_timestamp_seconds"


def empty_lists(_request: Request) -> Raw:
    """Un backend sin nada pendiente."""
    return answer(200, "[]")


def ok(_request: Request) -> Raw:
    """Un monitor que oye el latido."""
    return answer(200, "OK")


def denied(_request: Request) -> Raw:
    """Un backend que no deja pasar."""
    return answer(403)


def samples(text: str) -> dict[tuple[str, ...], float]:
    """El valor de cada serie por el nombre de la métrica, sin prefijo, y sus etiquetas, en su orden alfabético."""
    return {
        (name.removeprefix("estado_eventos_"), *(labels[key] for key in sorted(labels))): value
        for family in text_string_to_metric_families(text)
        for name, labels, value, *_ in family.samples
    }


def warnings(completed: Completed) -> list[str]:
    """Los avisos de los monitores, uno por línea."""
    watched = ("METRICS_FILE", "REPORT_FILE", "HEARTBEAT_URL")
    return [
        message.removeprefix("WARNING - ")
        for message in completed.messages
        if message.startswith(tuple(f"WARNING - {name}" for name in watched))
    ]


def files(directory: Path) -> dict[str, object]:
    """Las variables de los dos archivos, en ese directorio."""
    return {"METRICS_FILE": directory / "estado.prom", "REPORT_FILE": directory / "informe.json"}


def _fails_with(status: int) -> Rule:
    return lambda _: answer(status)


def _refuses_one(request: Request) -> Raw:
    return answer(200, "[{}]" if f"pending-{START.name}" in request.path else "[]")


def _stalls_on_posts(request: Request) -> Raw | Fault:
    return answer(200, '[{"id": 1}]') if request.method == "GET" else Fault.STALL


@pytest.mark.parametrize(
    ("rule", "code", "ending"),
    [
        (empty_lists, 0, ""),
        (_refuses_one, 1, "/1"),
        (_fails_with(503), 69, "/69"),
        (_stalls_on_posts, 75, "/log"),
        (_fails_with(404), 76, "/76"),
        (denied, 77, "/77"),
    ],
)
def test_every_ending_reaches_every_monitor(tmp_path: Path, rule: Rule, code: int, ending: str) -> None:
    """Acabe como acabe la pasada, se escriben los dos archivos y se da un latido, y los tres dicen lo mismo."""
    with FaultyServer(rule) as server, FaultyServer(ok) as monitor:
        env = {"BACKEND_URL": server.url, "PASS_TIMEOUT": 1, "HEARTBEAT_URL": f"{monitor.url}/{SECRET}"}
        completed = run("run-once", "--json", env=env | files(tmp_path))

    report = completed.report
    (beat,) = monitor.requests
    assert (completed.code, warnings(completed)) == (code, [])
    assert json.loads((tmp_path / "informe.json").read_text()) == report
    assert samples((tmp_path / "estado.prom").read_text())["last_exit_code",] == code
    assert (beat.method, beat.path) == ("POST", f"/{SECRET}{ending}?rid={report['run_id']}")
    assert beat.body.decode().startswith(f"run-once: {code} {ExitCode(code).name}, ")
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "estado.prom": 0o644,
        "informe.json": 0o644,
    }


def test_the_metrics_count_what_happened(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Las métricas de una pasada de verdad: cuentas de cada manera, con sus ceros, retrasos, horas y versión."""
    backend.add_events(due_start=2, due_finish=1, offset=-90)
    backend.add_events(broken_start=1, offset=-30)
    env = {"BACKEND_URL": backend.url, "BACKEND_EMAIL": backend.email, "BACKEND_PASSWORD": backend.password}
    before = time.time()

    completed = run("run-once", "--json", env=env | files(tmp_path))

    found = samples((tmp_path / "estado.prom").read_text())
    assert completed.code == 1
    assert {key[1:]: value for key, value in found.items() if key[0] == "last_events"} == {
        (result, transition.name): {("done", START): 2, ("failed", START): 1, ("done", FINISH): 1}.get(
            (result, transition), 0
        )
        for result in ("done", "already_done", "failed", "skipped")
        for transition in TRANSITIONS
    }
    for transition in TRANSITIONS:
        lag = completed.report["transitions"][transition.name]["max_lag_seconds"]
        assert found["last_max_lag_seconds", transition.name] == lag >= 90
    assert before < found[RUN,] < time.time()
    assert found["last_duration_seconds",] == pytest.approx(completed.report["duration_seconds"], abs=0.001)
    assert (found[SUCCESS,], found[PART_SUCCESS, START.name]) == (0, 0)
    assert found[PART_SUCCESS, FINISH.name] == found[RUN,]
    expiry = datetime.fromisoformat(completed.report["token_expires_at"]).timestamp()
    assert found["token_expiry_timestamp_seconds",] == expiry
    assert found["build_info", __version__] == 1


def test_the_last_success_outlives_failing_passes(tmp_path: Path) -> None:
    """La hora del último éxito se conserva mientras las pasadas fallan, y avanza cuando vuelven a salir bien."""
    path = tmp_path / "estado.prom"
    seen = []
    with FaultyServer(empty_lists) as server:
        for rule in (empty_lists, denied, denied, empty_lists):
            server.rule = rule
            run("run-once", env={"BACKEND_URL": server.url, "METRICS_FILE": path})
            found = samples(path.read_text())
            seen.append((found[SUCCESS,], found[RUN,]))

    (first, _), (kept, failed_at), (still_kept, _), (last, last_run) = seen
    assert first == kept == still_kept < failed_at < last == last_run


def test_two_jobs_may_share_the_metrics(tmp_path: Path) -> None:
    """Con `start` y `finish` como trabajos distintos y un solo archivo, se ven los dos y uno no tapa al otro."""
    path = tmp_path / "estado.prom"

    def job(name: str, rule: Rule) -> dict[tuple[str, ...], float]:
        with FaultyServer(rule) as server:
            run(name, env={"BACKEND_URL": server.url, "METRICS_FILE": path})
        return samples(path.read_text())

    only_start = job(START.name, empty_lists)
    assert only_start[SUCCESS,] == only_start[RUN,]
    assert (PART_SUCCESS, FINISH.name) not in only_start

    both = job(FINISH.name, lambda _: answer(200, '[{"end_date": "2020-01-01T00:00:00"}]'))
    assert both["last_events", "failed", FINISH.name] == 1
    assert both[SUCCESS,] == only_start[SUCCESS,]

    start_again = job(START.name, empty_lists)
    assert start_again["last_events", "failed", FINISH.name] == 1
    assert start_again["last_max_lag_seconds", FINISH.name] == both["last_max_lag_seconds", FINISH.name] > 0
    assert start_again[PART_SUCCESS, START.name] == start_again[RUN,]
    assert (start_again["last_exit_code",], start_again[SUCCESS,]) == (0, 0), "la finalización nunca ha salido bien"

    mended = job(FINISH.name, empty_lists)
    assert mended[SUCCESS,] == start_again[RUN,]


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\xff\xfe\x00",
        b"no son metricas {",
        b"estado_eventos_last_success_timestamp_seconds NaN\n",
        b"estado_eventos_last_success_timestamp_seconds +Inf\n",
        b"estado_eventos_last_success_timestamp_seconds -1\n",
        b"estado_eventos_last_success_timestamp_seconds 99999999999\n",
        b'estado_eventos_last_events{result="done" 3\n',
        b"x" * (1 << 20),
    ],
)
def test_a_spoiled_metrics_file_is_replaced(tmp_path: Path, garbage: bytes) -> None:
    """De un archivo de métricas estropeado, o de cuando el reloj iba mal, no se cree nada; se pone uno bueno."""
    path = tmp_path / "estado.prom"
    path.write_bytes(garbage)
    path.chmod(0o600)

    with FaultyServer(denied) as server:
        completed = run("run-once", env={"BACKEND_URL": server.url, "METRICS_FILE": path})

    found = samples(path.read_text())
    assert (completed.code, warnings(completed)) == (77, [])
    assert (found["last_exit_code",], found[SUCCESS,]) == (77, 0)
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_signal_is_an_ending_too(tmp_path: Path) -> None:
    """Una pasada interrumpida por una señal se cuenta como cortada."""
    with FaultyServer(_stalls_on_posts) as server, FaultyServer(ok) as monitor:
        env = {"BACKEND_URL": server.url, "HEARTBEAT_URL": f"{monitor.url}/{SECRET}"}
        process = start("start", "--json", env=env | files(tmp_path))
        while not server.count("POST"):
            assert process.poll() is None
        process.terminate()
        completed = wait(process)

    assert (completed.code, warnings(completed)) == (75, [])
    assert samples((tmp_path / "estado.prom").read_text())["last_events", "skipped", START.name] == 1
    assert json.loads((tmp_path / "informe.json").read_text())["exit_code"] == 75
    assert [beat.path.partition("?")[0] for beat in monitor.requests] == [f"/{SECRET}/log"]


def test_a_bug_is_an_ending_too(tmp_path: Path) -> None:
    """Un fallo del programa en plena pasada también llega a los monitores, y se conserva el último éxito."""
    bug = tmp_path / "bug"
    bug.mkdir()
    (bug / "sitecustomize.py").write_text(
        "import estado_eventos.runner as runner\n"
        "def broken(*_, **__):\n    raise ZeroDivisionError\n"
        "runner.BearerAuth = broken\n"
    )
    with FaultyServer(empty_lists) as server, FaultyServer(ok) as monitor:
        env = {"BACKEND_URL": server.url, "HEARTBEAT_URL": monitor.url} | files(tmp_path)
        run("run-once", env=env)
        good = samples((tmp_path / "estado.prom").read_text())
        completed = run("run-once", "--json", env=env | {"PYTHONPATH": bug})

    found = samples((tmp_path / "estado.prom").read_text())
    assert completed.code == 70
    assert found["last_exit_code",] == 70
    assert (found[SUCCESS,], found[PART_SUCCESS, START.name]) == (good[SUCCESS,], good[SUCCESS,])
    assert found["last_events", "done", START.name] == 0
    assert json.loads((tmp_path / "informe.json").read_text()) == completed.report
    assert [beat.path.partition("?")[0] for beat in monitor.requests] == ["/", "/70"]


@pytest.mark.parametrize(
    ("arguments", "variables", "code"),
    [
        (["pending"], {}, 0),
        (["run-once", "--dry-run"], {}, 0),
        (["run-once", "--event", "1"], {}, 0),
        (["run-once"], {"HTTP_TIMEOUT": "x"}, 78),
    ],
)
def test_what_is_not_a_pass_tells_nothing(
    tmp_path: Path, arguments: list[str], variables: dict[str, object], code: int
) -> None:
    """Una consulta, un simulacro, unos eventos sueltos o una configuración que no vale no dicen nada a nadie."""
    with FaultyServer(empty_lists) as server, FaultyServer(ok) as monitor:
        env = {"BACKEND_URL": server.url, "HEARTBEAT_URL": monitor.url} | files(tmp_path) | variables
        completed = run(*arguments, env=env)

    assert completed.code == code
    assert list(tmp_path.iterdir()) == []
    assert monitor.requests == []


def _nothing_there(path: Path) -> Path:
    return path / "no" / "existe"


def _directory(path: Path) -> Path:
    return path


def _fifo(path: Path) -> Path:
    os.mkfifo(path / "tubería")
    return path / "tubería"


def _link(path: Path) -> Path:
    (path / "ajeno").write_text("de otro")
    (path / "enlace").symlink_to(path / "ajeno")
    return path / "enlace"


def _pseudo_file(_path: Path) -> Path:
    return Path("/proc/estado")


def _read_only(path: Path) -> Path:
    path.chmod(0o555)
    return path / "estado"


def _obey_permissions() -> None:
    """Que root se atenga a los permisos: le quita CAP_DAC_OVERRIDE al proceso hijo (a los demás no les cambia nada)."""
    pr_capbset_drop, cap_dac_override = 24, 1
    ctypes.CDLL(None).prctl(pr_capbset_drop, cap_dac_override)


def _no_room() -> None:
    """Ningún archivo puede pasar de 100 bytes, como en un disco lleno."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


@pytest.mark.parametrize(("variable", "rule", "code"), [("METRICS_FILE", empty_lists, 0), ("REPORT_FILE", denied, 77)])
@pytest.mark.parametrize("place", [_nothing_there, _directory, _fifo, _link, _pseudo_file, _read_only])
def test_a_file_that_cannot_be_written_is_one_warning(
    tmp_path: Path, variable: str, rule: Rule, code: int, place: Callable[[Path], Path]
) -> None:
    """Un archivo que no se puede escribir es un aviso: ni cambia el código, ni lo que hubiera, ni calla a los demás."""
    spoiled = tmp_path / "roto"
    spoiled.mkdir()
    path = place(spoiled)
    before = sorted(found.name for found in spoiled.iterdir())
    with FaultyServer(rule) as server, FaultyServer(ok) as monitor:
        env = {"BACKEND_URL": server.url, "HEARTBEAT_URL": monitor.url} | files(tmp_path) | {variable: path}
        completed = run("run-once", env=env, preexec_fn=_obey_permissions)

    (warning,) = warnings(completed)
    assert completed.code == code
    assert warning.startswith(f"{variable}: no se puede escribir en {path}: ")
    assert len(monitor.requests) == 1
    assert sum(found.is_file() for found in tmp_path.iterdir()) == 1
    assert sorted(found.name for found in spoiled.iterdir()) == before
    assert path.name != "enlace" or (spoiled / "ajeno").read_text() == "de otro"


def test_a_full_disk_keeps_the_old_files(tmp_path: Path) -> None:
    """Con el disco lleno quedan los archivos anteriores, enteros, y ningún resto."""
    with FaultyServer(empty_lists) as server:
        env = {"BACKEND_URL": server.url} | files(tmp_path)
        run("run-once", env=env)
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        # Sin cobertura, que también escribe un archivo.
        full = run("run-once", env=env | {"COVERAGE_PROCESS_CONFIG": ""}, preexec_fn=_no_room)

    assert full.code == 0
    assert [warning.partition(":")[0] for warning in sorted(warnings(full))] == ["METRICS_FILE", "REPORT_FILE"]
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_hung_disk_delays_nothing(tmp_path: Path) -> None:
    """Un disco que no contesta se abandona a su tiempo, con un aviso por archivo, y el latido se da igual."""
    hang = tmp_path / "cuelga"
    hang.mkdir()
    (hang / "sitecustomize.py").write_text(
        "import tempfile, time\ntempfile.mkstemp = lambda *_, **__: time.sleep(30)\n"
    )
    with FaultyServer(empty_lists) as server, FaultyServer(ok) as monitor:
        env = {"BACKEND_URL": server.url, "HEARTBEAT_URL": monitor.url, "PYTHONPATH": hang} | files(tmp_path)
        completed = run("run-once", env=env, timeout=15)

    assert completed.code == 0
    assert sorted(warnings(completed)) == [
        "METRICS_FILE: no contesta; no se espera más",
        "REPORT_FILE: no contesta; no se espera más",
    ]
    assert len(monitor.requests) == 1


def test_passes_at_once_never_tear_the_files(tmp_path: Path) -> None:
    """Mientras varias pasadas escriben los archivos, quien los lea los ve siempre enteros."""
    seen = 0
    with FaultyServer(empty_lists) as server:
        env = {"BACKEND_URL": server.url} | files(tmp_path)
        run("run-once", env=env)
        for _ in range(3):
            rivals = [start("run-once", env=env) for _ in range(3)]
            while any(rival.poll() is None for rival in rivals):
                assert json.loads((tmp_path / "informe.json").read_text())["exit_code"] == 0
                assert samples((tmp_path / "estado.prom").read_text())["build_info", __version__] == 1
                seen += 1
            assert [wait(rival).code for rival in rivals] == [0, 0, 0]

    assert seen > 0
    assert len(list(tmp_path.iterdir())) == 2


def test_without_its_library_only_the_metrics_are_lost(tmp_path: Path) -> None:
    """`prometheus_client` se importa solo si hace falta, y si falta es un aviso."""
    (tmp_path / "prometheus_client.py").write_text("raise ImportError\n")
    with FaultyServer(empty_lists) as server:
        env = {"BACKEND_URL": server.url, "PYTHONPATH": tmp_path, "REPORT_FILE": tmp_path / "informe.json"}
        without = run("run-once", env=env)
        wanted = run("run-once", env=env | {"METRICS_FILE": tmp_path / "estado.prom"})

    assert (without.code, warnings(without)) == (0, [])
    assert (wanted.code, warnings(wanted)) == (0, ["METRICS_FILE: fallo interno (ImportError)"])


def beaten(rule: Rule, path: str = f"/{SECRET}", **variables: object) -> tuple[Completed, FaultyServer, float]:
    """Una pasada que sale bien con ese monitor: cómo acabó, el monitor y los segundos del primer latido al final."""
    arrivals: list[float] = []

    def timed(request: Request) -> Any:
        arrivals.append(time.monotonic())
        return rule(request)

    with FaultyServer(empty_lists) as server, FaultyServer(timed) as monitor:
        env = {"BACKEND_URL": server.url, "HEARTBEAT_URL": monitor.url + path, "LOG_LEVEL": "DEBUG"}
        completed = run("run-once", env=env | variables, timeout=15)
        ended = time.monotonic()
    return completed, monitor, ended - arrivals[0] if arrivals else 0.0


def _echo(request: Request) -> Raw:
    """Repite la línea de la petición, como un servidor de eco: ahí va la URL."""
    return Raw(f"{request.method} {request.path} HTTP/1.1\r\n\r\n".encode())


_OK_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (answer(404), "el monitor contestó HTTP 404"),
        (answer(500), "el monitor contestó HTTP 500"),
        (answer(302, Location="/otro"), "el monitor contestó HTTP 302"),
        (answer(200, "OK (not found)"), "el monitor no conoce esa dirección"),
        (answer(200, "OK (rate limited)"), "el monitor recibe demasiados latidos y no cuenta este"),
        (Fault.CUT, "el monitor cortó la conexión o no habla HTTP"),
        (Fault.RESET, "el servidor cortó la conexión"),
        (Raw(b"\x15\x03\x01" * 99), "el monitor cortó la conexión o no habla HTTP"),
        (Raw(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * (1 << 20)), "el monitor cortó la conexión o no habla HTTP"),
        (Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nOK"), "el monitor cortó la conexión o no habla HTTP"),
        (Fault.STALL, "no contesta; no se espera más"),
        (Drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), "no contesta; no se espera más"),
        (Drip(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"), "no contesta; no se espera más"),
        (Drip(_OK_HEAD + b"\r\n", b"O"), "no contesta; no se espera más"),
    ],
)
def test_a_monitor_that_does_not_hear_is_one_warning(reply: Any, reason: str) -> None:
    """Un monitor que falla, calla, gotea o miente es un aviso, y ni cambia el código ni retrasa el final más de 3 s."""
    completed, monitor, seconds = beaten(lambda _: reply)

    assert completed.code == 0
    assert warnings(completed) == [f"HEARTBEAT_URL: {reason}"]
    assert 1 <= len(monitor.requests) <= 2
    # De fábrica se le espera menos de 3 s; el resto es lo que tarde en arrancar una máquina ocupada.
    assert seconds < 8
    assert SECRET not in completed.stderr + completed.stdout
    assert "Traceback" not in completed.stderr


@pytest.mark.parametrize("reply", [answer(204), answer(202, "x" * (1 << 22)), Drip(_OK_HEAD + b"\r\n", b"O" * 2000)])
def test_any_2xx_is_heard(reply: Any) -> None:
    """Cualquier 2xx vale, y de lo que el monitor diga después se lee lo justo."""
    completed, monitor, _ = beaten(lambda _: reply)

    assert (completed.code, warnings(completed), len(monitor.requests)) == (0, [], 1)


def test_a_hiccup_of_the_network_is_retried_once() -> None:
    """Si la conexión se corta, el latido se repite una vez, con el mismo `rid`."""
    completed, monitor, _ = beaten(lambda request: Fault.CUT if request.nth == 1 else answer(200, "OK"))

    assert warnings(completed) == []
    assert len({(beat.path, beat.body) for beat in monitor.requests}) == 1
    assert len(monitor.requests) == 2


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"http://127.0.0.1:1/{SECRET}", "conexión rehusada"),
        (f"http://no-existe.invalid/{SECRET}", "no se pudo resolver el nombre del servidor"),
    ],
)
def test_a_monitor_that_is_not_there_is_one_warning(url: str, reason: str) -> None:
    """Un monitor al que no se llega es un aviso, que no dice su URL."""
    with FaultyServer(denied) as server:
        env = {"BACKEND_URL": server.url, "HEARTBEAT_URL": url, "LOG_LEVEL": "DEBUG"}
        completed = run("run-once", env=env)

    assert completed.code == 77
    assert warnings(completed) == [f"HEARTBEAT_URL: {reason}"]
    assert SECRET not in completed.stderr + completed.stdout


def test_a_hanging_resolver_delays_the_end_no_more_than_any_other(tmp_path: Path) -> None:
    """Aunque resolver el nombre del monitor se cuelgue 30 s, el proceso acaba a su tiempo."""
    (tmp_path / "sitecustomize.py").write_text(
        "import socket, time\n"
        "real = socket.getaddrinfo\n"
        "def slow(host, *rest, **options):\n"
        "    return time.sleep(30) if 'cuelga' in str(host) else real(host, *rest, **options)\n"
        "socket.getaddrinfo = slow\n"
    )
    with FaultyServer(empty_lists) as server:
        env = {"BACKEND_URL": server.url, "HEARTBEAT_URL": f"http://cuelga.example/{SECRET}", "PYTHONPATH": tmp_path}
        completed = run("run-once", env=env, timeout=10)

    assert completed.code == 0
    assert warnings(completed) == ["HEARTBEAT_URL: no contesta; no se espera más"]


def test_an_echo_does_not_reveal_the_url() -> None:
    """Si el monitor devuelve lo que se le manda, la URL no acaba en el registro, tampoco con DEBUG."""
    completed, _, _ = beaten(_echo)

    assert warnings(completed) == ["HEARTBEAT_URL: el monitor cortó la conexión o no habla HTTP"]
    assert SECRET not in completed.stderr + completed.stdout


@pytest.mark.parametrize(
    ("path", "good", "bad"),
    [
        (f"/{SECRET}", f"/{SECRET}?", f"/{SECRET}/76?"),
        (f"/{SECRET}/", f"/{SECRET}/?", f"/{SECRET}/76?"),
        (f"/a%2Fb/{SECRET}?create=1&x#f", f"/a%2Fb/{SECRET}?create=1&x&", f"/a%2Fb/{SECRET}/76?create=1&x&"),
        ("", "/?", "/76?"),
    ],
)
def test_the_url_keeps_its_path_and_query(path: str, good: str, bad: str) -> None:
    """El código se añade a la ruta y `rid` a la consulta; lo demás de la URL queda como estaba."""
    for rule, expected in ((empty_lists, good), (_fails_with(404), bad)):
        with FaultyServer(rule) as server, FaultyServer(ok) as monitor:
            run("run-once", env={"BACKEND_URL": server.url, "HEARTBEAT_URL": monitor.url + path})

        (beat,) = monitor.requests
        assert beat.path.partition("rid=")[0] == expected


def test_the_heartbeat_carries_no_names_and_no_foreign_secrets(backend: ReferenceBackend) -> None:
    """El latido lleva cuentas: ni eventos, ni palabras del backend, ni su token; y no usa los proxies del entorno."""
    backend.add_events(due_start=1, broken_start=1, public_ids=["examen-uno", "examen-dos"])
    token = backend.token()
    with FaultyServer(ok) as monitor, FaultyServer(ok) as proxy:
        proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), proxy.url)
        env = {"BACKEND_URL": backend.url, "BACKEND_JWT_TOKEN": token, "HEARTBEAT_URL": monitor.url}
        completed = run("run-once", "--json", env=env | proxies)

    (beat,) = monitor.requests
    body = beat.body.decode()
    assert completed.code == 1
    assert "Inicio: 1 iniciado(s), 1 fallido(s)" in body
    assert "examen" not in body
    assert completed.report["transitions"][START.name]["events"][1]["error"] not in body
    assert token not in str(beat)
    assert {"authorization", "cookie", "x-request-id"}.isdisjoint(beat.headers)
    assert proxy.requests == []


def test_a_password_in_the_url_is_for_the_monitor_alone() -> None:
    """Un usuario y una contraseña en la URL van al monitor como corresponde, y a ningún otro sitio."""
    with FaultyServer(empty_lists) as server, FaultyServer(lambda _: answer(401)) as monitor:
        url = monitor.url.replace("//", "//usuario:5ecreta@") + "/ping"
        completed = run("run-once", env={"BACKEND_URL": server.url, "HEARTBEAT_URL": url, "LOG_LEVEL": "DEBUG"})

    assert monitor.requests[0].headers["authorization"].startswith("Basic ")
    assert warnings(completed) == ["HEARTBEAT_URL: el monitor contestó HTTP 401"]
    assert "5ecreta" not in completed.stderr + completed.stdout


def test_a_redirect_is_not_followed() -> None:
    """Una redirección no lleva el latido a otro servidor."""
    with FaultyServer(ok) as elsewhere:
        completed, _, _ = beaten(lambda _: answer(307, Location=elsewhere.url))

    assert warnings(completed) == ["HEARTBEAT_URL: el monitor contestó HTTP 307"]
    assert elsewhere.requests == []


def test_the_rid_is_the_invocation_of_systemd_as_a_uuid() -> None:
    """Bajo systemd, `rid` es su INVOCATION_ID con los guiones de un UUID, que es lo que Healthchecks admite."""
    with FaultyServer(empty_lists) as server, FaultyServer(ok) as monitor:
        env = environment(
            BACKEND_URL=server.url,
            HEARTBEAT_URL=monitor.url,
            INVOCATION_ID="0123456789abcdef0123456789abcdef",
        )
        shell = 'SYSTEMD_EXEC_PID=$$ exec "$@"'
        subprocess.run(["/bin/sh", "-c", shell, "sh", *PROGRAM, "run-once", "-q"], env=env, cwd="/", check=True)

    assert monitor.requests[0].path == "/?rid=01234567-89ab-cdef-0123-456789abcdef"


def test_a_signal_cuts_the_monitors_and_keeps_the_code(tmp_path: Path) -> None:
    """Una señal mientras se espera al monitor acaba enseguida, con el código de la pasada y los archivos escritos."""
    with FaultyServer(denied) as server, FaultyServer(lambda _: Fault.STALL) as monitor:
        env = {"BACKEND_URL": server.url, "HEARTBEAT_URL": monitor.url} | files(tmp_path)
        process = start("run-once", "--json", env=env)
        while not monitor.requests:
            assert process.poll() is None
        asked = time.monotonic()
        process.terminate()
        process.send_signal(signal.SIGINT)
        completed = wait(process)
        seconds = time.monotonic() - asked

    assert completed.code == completed.report["exit_code"] == 77
    assert warnings(completed) == ["HEARTBEAT_URL: no contesta; no se espera más"]
    assert len(list(tmp_path.iterdir())) == 2
    assert seconds < 1.5


def test_a_signal_after_the_monitors_changes_nothing(tmp_path: Path) -> None:
    """Una señal mientras sale el informe, ya hecho todo lo demás, no lo corta ni cambia el código."""
    with FaultyServer(lambda _: answer(200, json.dumps([{}] * 2000))) as server:
        env = {"BACKEND_URL": server.url, "LOG_LEVEL": "ERROR"} | files(tmp_path)
        process = start("start", "--json", env=env)
        # No cabe en la tubería: en cuanto hay algo que leer, el programa está escribiendo.
        assert process.stdout
        select.select([process.stdout], [], [])
        process.terminate()
        completed = wait(process)

    assert completed.code == completed.report["exit_code"] == 1
    assert json.loads((tmp_path / "informe.json").read_text()) == completed.report


def test_https_trusts_the_authorities_of_the_system(tmp_path: Path) -> None:
    """Un monitor con https vale si su certificado es de una autoridad del sistema, aunque el backend sea http."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with FaultyServer(empty_lists) as server, FaultyServer(ok, tls=context) as monitor:
        env = {"BACKEND_URL": server.url, "HEARTBEAT_URL": f"{monitor.url}/{SECRET}"}
        trusted = run("run-once", env=env | {"SSL_CERT_FILE": tmp_path / "ca.pem"})
        unknown = run("run-once", env=env)

    assert (trusted.code, warnings(trusted), len(monitor.requests)) == (0, [], 1)
    assert unknown.code == 0
    (warning,) = warnings(unknown)
    assert warning.startswith("HEARTBEAT_URL: el certificado TLS no vale")


def test_a_tls_that_never_answers_is_one_warning() -> None:
    """Un monitor que no habla TLS deja la conexión a medias, y tampoco retrasa el final."""
    with FaultyServer(empty_lists) as server, FaultyServer(ok) as monitor:
        url = monitor.url.replace("http:", "HTTPS:")
        completed = run("run-once", env={"BACKEND_URL": server.url, "HEARTBEAT_URL": url}, timeout=10)

    assert completed.code == 0
    assert warnings(completed) == ["HEARTBEAT_URL: no contesta; no se espera más"]


LAGS = st.none() | st.floats(-1e9, 1e9)
MOMENTS = st.datetimes(min_value=datetime(1970, 1, 2), timezones=st.just(UTC))  # noqa: DTZ001  La zona va aparte.
CODES = st.sampled_from([code for code in ExitCode if code is not ExitCode.USAGE])


@st.composite
def reports(draw: st.DrawFn) -> Report:
    """Un informe cualquiera, también de una pasada que no llegó a empezar."""
    parts = [
        TransitionReport(
            transition,
            tuple(
                Outcome(Event(index), result, lag_seconds=draw(LAGS))
                for index, result in enumerate(draw(st.lists(st.sampled_from(list(Result)[:4]), max_size=5)))
            ),
            code=draw(CODES),
        )
        for transition in TRANSITIONS
    ]
    started = draw(st.booleans())
    return Report(
        "id",
        "run-once",
        None,
        draw(MOMENTS),
        duration_seconds=draw(st.floats(0, 1e6)),
        token_expires_at=draw(st.none() | MOMENTS),
        transitions=tuple(parts) if started else (),
        problem_code=ExitCode.OK if started else ExitCode.SOFTWARE,
    )


@settings(deadline=None)
@given(reports(), reports())
def test_any_report_makes_metrics_that_read_back(before: Report, report: Report) -> None:
    """Las métricas de cualquier informe, tras las de cualquier otro, se leen y dicen lo que él."""
    old = metrics.text(before, TRANSITIONS, "").decode()

    found = samples(metrics.text(report, TRANSITIONS, old).decode())

    assert found["last_exit_code",] == report.exit_code
    assert found["last_duration_seconds",] == report.duration_seconds
    assert (("token_expiry_timestamp_seconds",) in found) == bool(report.token_expires_at)
    assert sum(key[0] == "last_events" for key in found) == 8
    for part in report.transitions:
        assert found["last_max_lag_seconds", part.transition.name] == (part.max_lag_seconds or 0)
        for result in list(Result)[:4]:
            assert found["last_events", result.value, part.transition.name] == part.count(result)
    ended = found[RUN,]
    assert found[SUCCESS,] <= ended
    assert report.exit_code != 0 or found[SUCCESS,] == ended


@settings(deadline=None)
@given(st.text(), st.integers(0, 3000), st.text(max_size=20))
def test_no_old_file_is_too_strange(text: str, place: int, insertion: str) -> None:
    """Ni un texto cualquiera ni un archivo bueno con algo de más en medio hacen fallar a las métricas."""
    report = Report("id", "start", None, datetime(2026, 1, 1, tzinfo=UTC))
    good = metrics.text(report, TRANSITIONS, "").decode()

    for old in (text, good[:place], good[:place] + insertion + good[place:]):
        found: Mapping[tuple[str, ...], float] = samples(metrics.text(report, (START,), old).decode())
        assert found[PART_SUCCESS, START.name] in {0, report.started_at.timestamp()}
