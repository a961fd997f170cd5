"""Los manifiestos de kubernetes/: valen para la API de Kubernetes y concuerdan con el programa que ejecutan."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from estado_eventos import __version__
from estado_eventos.config.settings import Settings
from estado_eventos.config.sources import load
from estado_eventos.reconcile.signals import GRACE_SECONDS
from estado_eventos.schedule.calendar import cron_fields
from estado_eventos.schedule.job import GRACE_SECONDS as START_SECONDS
from tests.support.inside import addresses
from tests.support.program import run
from tests.support.reference.server import ReferenceBackend

ROOT = Path(__file__).parents[2] / "kubernetes"
TOOLS = Path(sys.executable).parent
SHARDS = 8
OLDEST = {"base": "1.25.0", "shards": "1.29.0"}


def _read(text: str) -> dict[str, dict[str, Any]]:
    """Los objetos de un YAML, por su clase."""
    return {item["kind"]: item for item in yaml.safe_load_all(text)}


BASE = _read(
    "---\n".join((ROOT / "base" / name).read_text() for name in ("configmap.yaml", "cronjob.yaml", "token.yaml"))
)


def _tool(name: str, *arguments: str) -> str:
    """Lo que dice una de las herramientas de requirements/kubernetes.txt; en CI, su falta es un fallo."""
    if not (TOOLS / name).exists() and "CI" not in os.environ:
        pytest.skip("faltan los esquemas de Kubernetes: make .venv/.kubernetes")
    finished = subprocess.run([TOOLS / name, *arguments], check=False, capture_output=True, text=True, cwd=ROOT)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def _build(name: str) -> str:
    """Lo que `kubectl apply -k` mandaría."""
    return _tool("kubectl", "kustomize", name)


def _pod(cronjob: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return pod


def _container(cronjob: dict[str, Any]) -> dict[str, Any]:
    (container,) = _pod(cronjob)["containers"]
    found: dict[str, Any] = container
    return found


def _variables(cronjob: dict[str, Any]) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in _container(cronjob).get("env", ())}


def test_every_variable_is_a_setting() -> None:
    """Lo que ponen el ConfigMap y el pod son variables del programa, y lo que vale no se rechaza."""
    data = BASE["ConfigMap"]["data"]
    known = {name.upper() for name in Settings.model_fields}

    assert set(data) <= known
    assert set(_variables(BASE["CronJob"])) <= known | {"CREDENTIALS_DIRECTORY"}
    assert load(data, Path(os.devnull)).settings.backend_url == data["BACKEND_URL"]


def test_the_limits_derive_from_the_interval() -> None:
    """El calendario es el intervalo; la pasada se corta antes de que la mate Kubernetes, y antes del tic siguiente."""
    settings = load(BASE["ConfigMap"]["data"], Path(os.devnull)).settings
    spec = BASE["CronJob"]["spec"]
    job = spec["jobTemplate"]["spec"]

    assert (spec["schedule"], spec["timeZone"]) == (cron_fields(settings.scheduler_interval_seconds), "Etc/UTC")
    assert settings.pass_timeout + START_SECONDS < job["activeDeadlineSeconds"] <= settings.scheduler_interval_seconds
    # Kubernetes mira los CronJob cada diez segundos: con menos, perdería tics.
    assert 10 <= spec["startingDeadlineSeconds"] <= settings.scheduler_interval_seconds
    assert _pod(BASE["CronJob"])["terminationGracePeriodSeconds"] >= max(5, 2 * GRACE_SECONDS)
    assert spec["concurrencyPolicy"] == "Forbid"
    assert job["backoffLimit"] == 0


def test_the_image_is_this_version() -> None:
    """La imagen es la de esta versión y el mandato, el de cada tic."""
    container = _container(BASE["CronJob"])

    assert container["image"] == f"estado-eventos:{__version__}"
    assert container["args"] == ["run-once"]


def test_the_pod_asks_for_nothing_it_does_not_need() -> None:
    """El pod cumple el perfil «restricted» de Pod Security, no escribe en su disco y no habla con Kubernetes."""
    pod, container = _pod(BASE["CronJob"]), _container(BASE["CronJob"])

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == 65532
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is pod["enableServiceLinks"] is False
    assert pod["restartPolicy"] == "Never"
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers", "ephemeralContainers"} & set(pod)
    kinds = [sorted(set(volume) - {"name"}) for volume in pod["volumes"]]
    assert kinds == [["secret"], ["emptyDir"], ["persistentVolumeClaim"]]


def test_what_the_image_saves_has_a_place() -> None:
    """Con la raíz de solo lectura, el token y el informe que la imagen guarda tienen dónde ir."""
    image = (Path(__file__).parents[2] / "Dockerfile").read_text()
    (volume,) = re.findall(r"^VOLUME (\S+)$", image, re.MULTILINE)
    mounts = {mount["mountPath"]: mount["name"] for mount in _container(BASE["CronJob"])["volumeMounts"]}

    assert mounts[volume] == "state"


def test_a_pod_uses_the_token_of_the_last(backend: ReferenceBackend, tmp_path: Path) -> None:
    """El token pasa de un pod al siguiente por un volumen que no se va con ellos: un solo inicio de sesión."""
    pod, claim = _pod(BASE["CronJob"]), BASE["PersistentVolumeClaim"]
    cached = Path(_variables(BASE["CronJob"])["TOKEN_CACHE_FILE"])
    (name,) = (
        mount["name"]
        for mount in _container(BASE["CronJob"])["volumeMounts"]
        if mount["mountPath"] == str(cached.parent)
    )
    (volume,) = (volume for volume in pod["volumes"] if volume["name"] == name)
    secrets = _mounted(tmp_path, BACKEND_EMAIL=backend.email, BACKEND_PASSWORD=backend.password)
    env = addresses(backend) | {"CREDENTIALS_DIRECTORY": secrets, "TOKEN_CACHE_FILE": tmp_path / cached.name}

    codes = [run("run-once", env=env).code for _ in range(2)]

    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "1Mi"
    # Si no, cada montaje le daría al grupo permiso sobre el token, y el programa no se fiaría de él.
    assert pod["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"
    assert (codes, backend.asked("/auth/login/")) == ([0, 0], 1)


def test_the_secrets_are_where_the_program_looks() -> None:
    """Los secretos van en archivos, no en el entorno, y se montan en `$CREDENTIALS_DIRECTORY`."""
    container = _container(BASE["CronJob"])
    mount, *_ = container["volumeMounts"]
    volume, *_ = _pod(BASE["CronJob"])["volumes"]

    assert mount["mountPath"] == _variables(BASE["CronJob"])["CREDENTIALS_DIRECTORY"]
    assert (mount["name"], mount["readOnly"]) == (volume["name"], True)
    assert volume["secret"]["defaultMode"] & 0o007 == 0
    assert [sorted(source) for source in container["envFrom"]] == [["configMapRef"]]
    assert container["envFrom"][0]["configMapRef"]["name"] == BASE["ConfigMap"]["metadata"]["name"]


@pytest.mark.slow
@pytest.mark.parametrize("name", OLDEST)
def test_the_manifests_are_valid_for_kubernetes(name: str, tmp_path: Path) -> None:
    """Lo que sale de kustomize vale, sin un campo de más, para la API de la versión que se pide y para la última."""
    built = tmp_path / f"{name}.yaml"
    built.write_text(_build(name))

    for version in (["--kubernetes-version", OLDEST[name]], []):
        said = _tool("kubernetes-validate", "--strict", *version, str(built))
        assert said.count("passed for resource") == len(_read(built.read_text()))


@pytest.mark.slow
def test_the_schemas_catch_a_mistake(tmp_path: Path) -> None:
    """Un campo mal escrito no pasa: la comprobación de arriba puede fallar."""
    built = tmp_path / "mal.yaml"
    built.write_text(_build("base").replace("concurrencyPolicy", "concurrencyPolice"))

    with pytest.raises(AssertionError, match="concurrencyPolice"):
        _tool("kubernetes-validate", "--strict", str(built))


@pytest.mark.slow
def test_the_parts_are_as_many_as_the_pods() -> None:
    """`kubernetes/shards` es lo mismo con un pod por parte, y la que falla no se lleva a las demás por delante."""
    whole = _read(_build("shards"))
    built = whole["CronJob"]
    job = built["spec"]["jobTemplate"]["spec"]

    assert job["completionMode"] == "Indexed"
    assert job["completions"] == job["parallelism"] == int(_variables(built)["SHARD_COUNT"]) == SHARDS
    assert job["backoffLimitPerIndex"] == 0
    assert not {"backoffLimit", "maxFailedIndexes"} & set(job)
    assert _pod(built).keys() == _pod(BASE["CronJob"]).keys()
    assert _container(built) | {"env": None} == _container(BASE["CronJob"]) | {"env": None}
    assert _variables(built) == _variables(BASE["CronJob"]) | {"SHARD_COUNT": str(SHARDS)}
    # Un volumen de un solo nodo no vale para ocho pods.
    assert whole.keys() == BASE.keys() - {"PersistentVolumeClaim"}
    kinds = {volume["name"]: set(volume) - {"name"} for volume in _pod(built)["volumes"]}
    assert kinds == {"credentials": {"secret"}, "state": {"emptyDir"}, "token": {"emptyDir"}}


@pytest.mark.slow
def test_the_pods_do_all_the_work_between_them(backend: ReferenceBackend, tmp_path: Path) -> None:
    """Con el entorno del manifiesto y los secretos como los monta Kubernetes, los ocho pods mueven todo una vez."""
    created = backend.add_events(due_start=30, due_finish=10)
    secrets = _mounted(tmp_path, BACKEND_EMAIL=backend.email, BACKEND_PASSWORD=backend.password)
    built = _read(_build("shards"))
    env = built["ConfigMap"]["data"] | _variables(built["CronJob"])
    # Kubernetes los da; la dirección y el sitio son los de aquí.
    env |= addresses(backend) | {"CREDENTIALS_DIRECTORY": str(secrets)}
    del env["TOKEN_CACHE_FILE"]

    arguments = _container(built["CronJob"])["args"]
    completed = [run(*arguments, env={**env, "JOB_COMPLETION_INDEX": index}) for index in range(SHARDS)]

    assert [one.code for one in completed] == [0] * SHARDS
    assert sorted(change.event_id for change in backend.history()) == sorted(created)
    logins = [request for request in backend.requests() if request.path == "/auth/login/"]
    assert len(logins) == SHARDS


def _mounted(directory: Path, **secrets: str) -> Path:
    """Un directorio como el de un Secret montado: los archivos son enlaces a los de la última versión."""
    version = directory / "..2026_01_01"
    version.mkdir()
    (directory / "..data").symlink_to(version.name)
    for name, value in secrets.items():
        (version / name).write_text(value)
        (version / name).chmod(0o440)
        (directory / name).symlink_to(f"..data/{name}")
    return directory
