"""El backend de referencia, por dentro: la orden que lo sirve, su mando y su registro."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.reference.contract import DEFAULT_PASSWORD
from tests.support.reference.server import ReferenceBackend

ROOT = Path(__file__).parents[2]
PENDING = "/api/events-status/pending-start/"


def test_the_control_refuses_what_it_does_not_understand(backend: ReferenceBackend) -> None:
    """Una opción inventada, un valor imposible o ids que faltan se dicen, no se callan."""
    with pytest.raises(ValueError, match="page_size"):
        backend.configure(page_size=0)
    with pytest.raises(ValueError, match="inventada"):
        backend.configure(inventada=1)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="shorter"):
        backend.add_events(due_start=2, public_ids=["uno"])
    assert backend.states() == {}


@pytest.mark.slow
def test_every_request_is_logged_once_whatever_process_answers() -> None:
    """Con dos procesos y muchos clientes a la vez, cada petición queda anotada una vez y con todo."""
    with ReferenceBackend(workers=2) as server, httpx.Client(base_url=server.url, trust_env=False) as client:
        server.configure(latency_ms=20)
        token = f"Bearer {server.token()}"
        ids = [f"peticion-{number:03}" for number in range(200)]

        def ask(request_id: str) -> int:
            headers = {"X-Request-ID": request_id, "Authorization": token}
            return client.get(f"{PENDING}?x=1", headers=headers).status_code

        with ThreadPoolExecutor(16) as pool:
            assert set(pool.map(ask, ids)) == {200}
        logged = server.requests()
    assert sorted(str(one.request_id) for one in logged) == ids
    assert {(one.method, one.path, one.status, one.authorization) for one in logged} == {
        ("GET", f"/events{PENDING}?x=1", 200, token),
    }
    # La latencia configurada por un proceso vale en los dos.
    assert min(one.answered_at - one.arrived_at for one in logged) > 0.019


def test_a_server_that_cannot_start_says_why(backend: ReferenceBackend) -> None:
    """Si el puerto está ocupado, la prueba se entera del motivo en vez de esperar."""
    port = urlsplit(backend.url).port or 0
    with pytest.raises(RuntimeError, match="Address already in use"):
        ReferenceBackend(port=port).start()


@pytest.mark.slow
def test_passwords_are_hashed_as_django_does_and_events_outlive_a_restart(tmp_path: Path) -> None:
    """Por defecto las contraseñas llevan las vueltas de Django; con directorio propio, los datos quedan."""
    server = ReferenceBackend(workdir=str(tmp_path), iterations=0)
    with server:
        ids = server.add_events(due_start=1)
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as database:
        ((password,),) = database.execute("SELECT password FROM backend_user")
    assert password.startswith("pbkdf2_sha256$1000000$")
    with server:
        assert server.states() == dict.fromkeys(ids, "programado")


def _serve(tmp_path: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.reference", "--iterations=1", *options],
        env={"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)},
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT, None])
def test_the_command_serves_until_told_to_stop(tmp_path: Path, ending: signal.Signals | None) -> None:
    """La orden dice dónde atiende, siembra, no sirve el mando sin pedirlo y no deja procesos ni archivos."""
    process = _serve(tmp_path, "--due-start=3", "--due-finish=2", "--future=2", "--watch-stdin")
    with process:
        assert process.stdout is not None
        assert process.stdin is not None
        ready = json.loads(process.stdout.readline())
        assert ready["password"] == DEFAULT_PASSWORD
        headers = {"Authorization": f"Bearer {ready['token']}"}
        with httpx.Client(base_url=ready["url"], headers=headers, trust_env=False) as client:
            assert len(client.get(PENDING).json()["results"]) == 3
            assert len(client.get(PENDING.replace("start", "finish")).json()["results"]) == 2
            assert client.post(f"{ready['auth_url']}/_control/states/", json={}).status_code == 404
        if ending is None:
            process.stdin.close()
        else:
            process.send_signal(ending)
        assert process.wait(20) == 0
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert list(tmp_path.iterdir()) == []


def test_migrations_match_the_models() -> None:
    """Las migraciones crean exactamente las tablas que dicen los modelos."""
    subprocess.run(
        [sys.executable, "-m", "django", "makemigrations", "--check", "--dry-run"],
        env={"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "tests.support.reference.settings"},
        cwd=ROOT,
        check=True,
    )
