"""La imagen de contenedor, hecha con su Dockerfile sobre un Debian y ejecutada como dice docs/contenedores.md."""

import json
import os
import shlex
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import podman, wheelhouse
from tests.e2e.image import CONFINED, IMAGE, STATE, USER, inspect, options, run, running, stop, waiting_for_settings
from tests.e2e.podman import Podman
from tests.e2e.rootfs import rootfs
from tests.support.reference.contract import LOGIN
from tests.support.reference.server import ReferenceBackend

ROOT = Path(__file__).parents[2]
BASE = "localhost/base"
# Lo que hace una pasada, y después los módulos sin bytecode de entre los que ha importado.
UNCOMPILED = """
import os, runpy, sys
def without_bytecode(code):
    files = {module.__cached__ for module in sys.modules.values() if getattr(module, "__cached__", None)}
    print(len(files), *sorted(file for file in files if not os.path.exists(file)))
os._exit, exit_now = without_bytecode, os._exit
sys.argv = ["estado-eventos", "run-once", "--quiet"]
runpy.run_module("estado_eventos", run_name="__main__", alter_sys=True)
sys.stdout.flush()
exit_now(0)
"""


@pytest.fixture(scope="module")
def engine(capable: None) -> Iterator[Podman]:  # noqa: ARG001
    """Podman con la base, si la hay; en integración continua, su falta es un fallo."""
    reason = podman.unavailable()
    if reason and os.environ.get("CI"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    with podman.podman() as running, rootfs() as tree:
        running.load(tree, BASE)
        yield running


@pytest.fixture(scope="module")
def image(engine: Podman, wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Podman:
    """La imagen, hecha sin red con las ruedas de aquí: pip comprueba sus hashes igual."""
    settings = tmp_path_factory.mktemp("pip") / "pip.conf"
    settings.write_text(wheelhouse.pip_conf(wheelhouse.DEPENDENCIES, wheelhouse.PROJECT))
    volumes = [f"--volume={outside}:{inside}:ro" for inside, outside in {**wheels, "/etc/pip.conf": settings}.items()]
    arguments = ["--pull=never", "--network=none", f"--build-arg=BASE={BASE}", "--build-arg=VERSION=1.2.3"]
    engine.run("build", *arguments, *volumes, f"--tag={IMAGE}", str(ROOT), timeout=400)
    return engine


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """El volumen de una instalación: lo único que sobrevive a una pasada."""
    volume = tmp_path / "state"
    volume.mkdir()
    os.chown(volume, USER, USER)
    return volume


def test_a_pass_moves_the_events_and_keeps_the_token(image: Podman, backend: ReferenceBackend, state: Path) -> None:
    """Sin root, sin privilegios y con la raíz de solo lectura se mueve todo; con el volumen, un inicio de sesión."""
    started, finished = backend.add_events(due_start=3), backend.add_events(due_finish=2)

    first = run(image, *options(backend, state), IMAGE)
    second = run(image, *options(backend, state), IMAGE, "run-once", "--json")

    assert (first.code, second.code) == (0, 0), first.stderr + second.stderr
    assert "WARNING" not in first.stderr + second.stderr
    states = backend.states()
    assert {states[key] for key in started} == {"en_progreso"}
    assert {states[key] for key in finished} == {"completado"}
    assert second.report["outcome"] == "ok"
    assert backend.asked(LOGIN) == 1
    token, report = (state / "token").stat(), state / "report.json"
    assert (token.st_uid, stat.S_IMODE(token.st_mode)) == (USER, 0o600)
    assert json.loads(report.read_text()) == second.report


def test_the_command_of_the_document(
    image: Podman, backend: ReferenceBackend, tmp_path: Path, typed: list[list[str]]
) -> None:
    """El mandato del documento, tal cual: secretos en archivos con el nombre de su variable y un volumen con nombre."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name, value in {"BACKEND_EMAIL": backend.email, "BACKEND_PASSWORD": backend.password}.items():
        (secrets / name).write_text(value + "\n")
        (secrets / name).chmod(0o400)
        os.chown(secrets / name, USER, USER)
    ((written,),) = typed
    written = written.removeprefix("# docker ")
    here = {"https://admin.ejemplo.es": backend.auth_url, "/etc/estado-eventos/secrets": str(secrets)}
    for theirs, ours in here.items():
        assert theirs in written
        written = written.replace(theirs, ours)
    # El del documento lo tiene todo en la raíz.
    backend.configure(prefix="")
    backend.add_events(due_start=1)

    done = [image.run(*shlex.split(written), check=False) for _ in range(2)]

    assert [each.returncode for each in done] == [0, 0], done
    assert "WARNING" not in "".join(each.stderr for each in done)
    assert (len(backend.history()), backend.asked(LOGIN)) == (1, 1)


@pytest.mark.parametrize(
    ("code", "settings"),
    [
        (1, {}),
        (69, {"BACKEND_URL": "http://127.0.0.1:9", "AUTH_URL": "http://127.0.0.1:9", "PASS_TIMEOUT": "5"}),
        (77, {"BACKEND_PASSWORD": "otra"}),
        (78, {"HTTP_TIMEOUT": "mucho"}),
    ],
)
def test_the_exit_code_comes_out(
    image: Podman, backend: ReferenceBackend, state: Path, code: int, settings: dict[str, str]
) -> None:
    """El código de salida del contenedor es el del programa, y la última línea dice por qué."""
    backend.add_events(broken_start=1)

    completed = run(image, *options(backend, state, **settings), IMAGE, "run-once", "--quiet")

    assert completed.code == code, completed.stderr
    assert completed.stderr.strip()
    assert "Traceback" not in completed.stderr


def test_stop_in_the_middle_of_a_pass(image: Podman, backend: ReferenceBackend, state: Path) -> None:
    """`stop` deja acabar lo que está en camino, informa y acaba con 75."""
    backend.configure(latency_ms=200)
    backend.add_events(due_start=400)

    with running(image, *options(backend, state, MAX_CONCURRENCY=2), IMAGE, "start") as name:
        while len(backend.history()) < 4:
            time.sleep(0.05)
        code, _ = stop(image, name)

    report = json.loads((state / "report.json").read_text())
    part = report["transitions"]["start"]
    assert code == report["exit_code"] == 75
    assert "SIGTERM" in report["error"]
    assert 4 <= part["done"] == len(backend.history()) < 400


def test_stop_before_the_pass(image: Podman, backend: ReferenceBackend, state: Path) -> None:
    """También se para antes de empezar la pasada, aunque sea el proceso 1: 143, y no los 10 s hasta que lo maten."""
    with waiting_for_settings(image, backend, state) as name:
        code, said = stop(image, name)

    assert (code, said) == (143, "")


def test_the_health_check_of_the_image(image: Podman, backend: ReferenceBackend, state: Path) -> None:
    """La comprobación de salud de la imagen va bien mientras se leen las listas, y deja de ir bien cuando no."""
    with waiting_for_settings(image, backend, state) as name:
        healthy = image.run("healthcheck", "run", name, check=False)
        backend.set_password("otra")
        (state / "token").unlink()
        unhealthy = image.run("healthcheck", "run", name, check=False)

    assert (healthy.returncode, unhealthy.returncode) == (0, 1), healthy.stderr + unhealthy.stderr


def test_the_image_says_what_it_is(image: Podman) -> None:
    """Un usuario numérico, los mandatos sin intérprete, la señal, el volumen y las etiquetas."""
    configured = inspect(image, IMAGE)["Config"]

    assert configured["User"] == f"{USER}:{USER}"
    assert (configured["Entrypoint"], configured["Cmd"]) == (["estado-eventos"], ["run-once"])
    assert configured["StopSignal"] == "SIGTERM"
    assert list(configured["Volumes"]) == [STATE]
    assert configured["Labels"]["org.opencontainers.image.version"] == "1.2.3"
    assert not any("PASSWORD" in variable for variable in configured["Env"])


def test_a_pass_compiles_nothing(image: Podman, backend: ReferenceBackend, state: Path) -> None:
    """Todo lo que importa una pasada, también de la biblioteca de Python, está ya compilado; y no hay pip."""
    shell = ["--entrypoint=/opt/estado-eventos/bin/python", IMAGE, "-c"]

    completed = run(image, *options(backend, state), *shell, UNCOMPILED)
    without_pip = run(image, *CONFINED, *shell, "import importlib.util as u; print(u.find_spec('pip'))")

    count, *uncompiled = completed.stdout.split()
    assert int(count) > 300
    assert uncompiled == []
    assert without_pip.stdout.strip() == "None"


def test_a_pass_writes_nothing_in_the_image(image: Podman, backend: ReferenceBackend, state: Path) -> None:
    """Aunque la raíz se pueda escribir, una pasada solo escribe en el volumen."""
    chosen = [option for option in options(backend, state) if option != "--read-only"]
    with running(image, *chosen, IMAGE) as name:
        code = image.run("wait", name).stdout.strip()
        changed = image.run("diff", name).stdout

    assert code == "0"
    # /etc es de Podman, que pone ahí el nombre de la máquina y el del usuario.
    assert [line for line in changed.splitlines() if not line.split()[1].startswith("/etc")] == []


def test_secrets_of_the_directory_stay_out(engine: Podman, tmp_path: Path) -> None:
    """Un `.env` o un `.venv` del directorio no llegan a la imagen: lo dice `.dockerignore`."""
    (tmp_path / ".dockerignore").write_text((ROOT / ".dockerignore").read_text())
    (tmp_path / "Dockerfile").write_text(f"FROM {BASE}\nCOPY . /context\n")
    for name in (".env", ".git/config", ".venv/bin/python", "requirements/dev.txt", "requirements/run.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in ("src/.env", "src/estado_eventos/cli/app.py", "src/estado_eventos/cli/__pycache__/app.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    engine.run("build", "--pull=never", "--tag=localhost/context", str(tmp_path))
    found = engine.run("run", "--rm", "localhost/context", "find", "/context", "-type", "f").stdout.split()

    assert sorted(found) == ["/context/requirements/run.txt", "/context/src/estado_eventos/cli/app.py"]


@pytest.mark.usefixtures("engine")
def test_nothing_is_left() -> None:
    """De otro Podman no quedan montajes ni directorios."""
    with podman.podman() as engine:
        engine.run("images")
    mounts = Path("/proc/self/mounts").read_text()

    assert not engine.home.exists()
    assert not engine.scratch.exists()
    assert str(engine.home) not in mounts
