"""Prometheus, node_exporter y Alertmanager de verdad, como procesos corrientes en puertos libres de esta máquina."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import pytest
import yaml

_LISTENING = re.compile(r'msg="Listening on" address=127\.0\.0\.1:(\d+)')
PATIENCE = 120.0
"""Lo que se espera a que se vea algo, en segundos: con una máquina ocupada, mucho más de lo que tarda."""


def program(name: str) -> str:
    """La ruta de un programa; si falta, en integración continua es un fallo."""
    found = shutil.which(name)
    if found is None:
        reason = f"Sin {name}: instale el paquete «{name}» de Debian"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def wait_until(condition: Callable[[], object], meanwhile: Callable[[], object] = lambda: time.sleep(0.1)) -> None:
    """Hace `meanwhile` hasta que se cumple la condición."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "no se ha cumplido"
        meanwhile()


class _Daemon:
    """Un servicio en marcha mientras dura el `with`; atiende en el puerto que dice su registro."""

    def __init__(self, log: Path, *command: str) -> None:
        self._log = log
        self._command = command

    def __enter__(self) -> Self:
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [*self._command, "--web.listen-address=127.0.0.1:0"],
                cwd=self._log.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: _LISTENING.search(self._log.read_text()) or self._process.poll() is not None)
        listening = _LISTENING.search(self._log.read_text())
        assert listening, self._log.read_text()
        self.address = f"127.0.0.1:{listening[1]}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process:
            self._process.terminate()

    def get(self, path: str) -> str:
        """Lo que contesta a un GET."""
        host, _, port = self.address.partition(":")
        with closing(HTTPConnection(host, int(port), timeout=PATIENCE)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            text = answer.read().decode()
        assert answer.status == 200, text
        return text


def node_exporter(home: Path, textfiles: Path) -> _Daemon:
    """node_exporter, con los archivos de ese directorio y nada más."""
    return _Daemon(
        home / "node_exporter.log",
        program("prometheus-node-exporter"),
        "--collector.disable-defaults",
        "--collector.textfile",
        f"--collector.textfile.directory={textfiles}",
    )


class Prometheus:
    """Un Prometheus que mira cada segundo un node_exporter y, si se le dan, evalúa alertas y avisa a un webhook."""

    def __init__(self, home: Path, rules: str | None = None, webhook: str | None = None) -> None:
        """En `home` quedan sus datos y sus registros; los archivos de métricas se ponen en `textfiles`."""
        self._home = home
        self._rules = rules
        self._webhook = webhook
        self._running = ExitStack()
        self.textfiles = home / "textfiles"
        self.textfiles.mkdir()

    def __enter__(self) -> Self:
        """Arranca los tres."""
        with ExitStack() as stack:
            exporter = stack.enter_context(node_exporter(self._home, self.textfiles))
            config: dict[str, Any] = {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "scrape_configs": [{"job_name": "node", "static_configs": [{"targets": [exporter.address]}]}],
            }
            if self._rules:
                (self._home / "rules.yml").write_text(self._rules)
                config["rule_files"] = ["rules.yml"]
            if self._webhook:
                manager = stack.enter_context(self._alertmanager(self._webhook))
                config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [manager.address]}]}]}
            (self._home / "prometheus.yml").write_text(yaml.safe_dump(config))
            self._daemon = stack.enter_context(
                _Daemon(
                    self._home / "prometheus.log",
                    program("prometheus"),
                    "--config.file=prometheus.yml",
                    "--storage.tsdb.path=data",
                )
            )
            wait_until(lambda: "Server is ready to receive" in (self._home / "prometheus.log").read_text())
            self._running = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Los para."""
        self._running.close()

    def _alertmanager(self, webhook: str) -> _Daemon:
        receiver = {"name": "webhook", "webhook_configs": [{"url": webhook, "send_resolved": True}]}
        route = {"receiver": "webhook", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s"}
        config = {"route": route | {"repeat_interval": "1h"}, "receivers": [receiver]}
        (self._home / "alertmanager.yml").write_text(yaml.safe_dump(config))
        return _Daemon(
            self._home / "alertmanager.log",
            program("prometheus-alertmanager"),
            "--config.file=alertmanager.yml",
            "--storage.path=alertmanager",
            "--cluster.listen-address=",
        )

    def query(self, expression: str, at: float | None = None) -> list[dict[str, Any]]:
        """Lo que vale una expresión ahora, o a esa hora: cada serie con sus etiquetas y su valor o sus valores."""
        moment = f"&time={at:.3f}" if at else ""
        answer = json.loads(self._daemon.get(f"/api/v1/query?query={quote(expression)}{moment}"))
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def values(self, expression: str, at: float | None = None) -> list[float]:
        """Los valores de una expresión, de menor a mayor."""
        return sorted(float(series["value"][1]) for series in self.query(expression, at))

    def rules(self) -> dict[str, str]:
        """Cómo están las alertas, por su nombre: «ok» si se pueden evaluar."""
        groups = json.loads(self._daemon.get("/api/v1/rules"))["data"]["groups"]
        return {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}
