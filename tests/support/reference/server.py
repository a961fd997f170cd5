"""Arranca y maneja el backend de referencia desde las pruebas, sin importar Django."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, Unpack
from urllib.parse import urlsplit

from tests.support.reference import tokens
from tests.support.reference.contract import EventBatch, EventId, OptionValues, ServerOptions

_ROOT = Path(__file__).parents[3]
_INHERITED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "PYTHONDONTWRITEBYTECODE")
_READY_SECONDS = 30
_STOP_SECONDS = 10


@dataclass(frozen=True)
class StateChange:
    """Un cambio de estado que ocurrió en la base de datos.

    `at` es cuándo, y `visible_from` desde cuándo pudo enseñarlo pendiente el backend, con el reloj que tiene ahora: ni
    antes de su fecha según ese reloj ni, para terminar, antes de empezar. Las dos, en la hora de verdad; `due_at` es la
    fecha del evento, que el backend mira con su reloj.
    """

    event_id: EventId
    before: str
    after: str
    at: datetime
    due_at: datetime
    visible_from: datetime

    @classmethod
    def read(cls, change: dict[str, str]) -> Self:
        """Como la da el mando."""
        moments = {name: datetime.fromisoformat(change[name]) for name in ("at", "due_at", "visible_from")}
        return cls(change["event_id"], change["before"], change["after"], **moments)


@dataclass(frozen=True)
class FollowUp:
    """Una llamada a `/analysis/process-event-completion/`: con qué id, qué se contestó y cuándo (hora de verdad)."""

    event_id: Any
    status: int
    at: datetime


@dataclass(frozen=True)
class LoggedRequest:
    """Una petición recibida; `arrived_at` y `answered_at` son segundos de época, con la latencia dentro."""

    method: str
    path: str
    status: int
    request_id: str | None
    authorization: str | None
    arrived_at: float
    answered_at: float


class ReferenceBackend:
    """Un backend de referencia en marcha mientras dura el `with`; sus opciones son las de la orden.

    `auth_url` es su raíz, de donde cuelga `/auth/`: la `AUTH_URL` del programa. `BACKEND_URL` es `url`.
    """

    auth_url: str
    email: str
    password: str
    _prefix: str
    _clock_offset: float

    def __init__(self, **options: Unpack[ServerOptions]) -> None:
        """Guarda las opciones; con pocas vueltas de PBKDF2, salvo que se pidan otras."""
        self._options: ServerOptions = {"iterations": 1000, **options}
        self._running = ExitStack()

    def __enter__(self) -> Self:
        """Arranca el servidor y espera a que atienda."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Lo para."""
        self.stop()

    def start(self) -> None:
        """Lo arranca; vuelve cuando ya atiende."""
        with ExitStack() as stack:
            errors = stack.enter_context(tempfile.TemporaryFile("w+"))
            process = subprocess.Popen(
                self._command(),
                cwd=_ROOT,
                env={name: os.environ[name] for name in _INHERITED if name in os.environ},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
            stack.callback(_stop, process)
            ready = _ready_line(process, errors)
            self.auth_url, self.email, self.password = ready["auth_url"], ready["email"], ready["password"]
            self._user_id = int(ready["user_id"])
            self._initial_prefix = ready["url"].removeprefix(self.auth_url)
            self._forget_changes()
            self._running = stack.pop_all()

    def stop(self) -> None:
        """Lo para; hacerlo dos veces no molesta."""
        self._running.close()

    def _command(self) -> list[str]:
        command = [sys.executable, "-m", "tests.support.reference", "--control", "--watch-stdin"]
        for name, value in self._options.items():
            flag = f"--{name.replace('_', '-')}"
            if value is True:
                command.append(flag)
            elif value is not False:
                command.append(f"{flag}={value}")
        return command

    @property
    def url(self) -> str:
        """De donde cuelga la API: la raíz y el prefijo de ahora."""
        return self.auth_url + self._prefix

    def token(self, life_seconds: int = 1800, role: str = "admin") -> str:
        """Firma un token como los suyos; con una vida negativa, ya caducado.

        El del administrador o, con otro papel, el de un usuario que lo tiene.
        """
        claims = tokens.Claims(self._user_id, self.email)
        if role != "admin":
            email = f"{role}@example.com"
            claims = tokens.Claims(self.add_user(email, "x", role), email)
        return tokens.mint(claims, life_seconds, datetime.now(UTC) + timedelta(seconds=self._clock_offset))

    def add_events(self, **batch: Unpack[EventBatch]) -> list[EventId]:
        """Crea eventos y devuelve sus ids en el orden del lote, que es el de vencimiento en cada clase."""
        ids: list[EventId] = self._control("events", **batch)
        return ids

    def states(self) -> dict[EventId, str]:
        """El estado de cada evento."""
        return dict(self._control("states"))

    def history(self) -> list[StateChange]:
        """Los cambios de estado, en el orden en que ocurrieron."""
        return [StateChange.read(change) for change in self._control("history")]

    def follow_ups(self) -> list[FollowUp]:
        """Las llamadas que siguen a un final y traían un token que vale, si hacía falta; por orden de llegada."""
        return [
            FollowUp(call["event_id"], call["status"], datetime.fromisoformat(call["at"]))
            for call in self._control("follow-ups")
        ]

    def requests(self) -> list[LoggedRequest]:
        """Las peticiones recibidas, ajenas al mando, por orden de respuesta."""
        return [LoggedRequest(**entry) for entry in self._control("requests")]

    def asked(self, path: str) -> int:
        """Cuántas veces se pidió esa ruta."""
        return sum(request.path == path for request in self.requests())

    def configure(self, **values: Unpack[OptionValues]) -> None:
        """Cambia opciones en marcha, hasta el próximo `reset`."""
        self._control("options", **values)
        self._prefix = values.get("prefix", self._prefix)
        self._clock_offset = values.get("clock_offset_seconds", self._clock_offset)

    def set_password(self, password: str) -> None:
        """Le cambia la contraseña al administrador, sin que `self.password` se entere."""
        self.add_user(self.email, password, "admin")

    def add_user(self, email: str, password: str, role: str) -> int:
        """Crea un usuario, o cambia el que ya tiene ese correo; devuelve su id."""
        return int(self._control("users", email=email, password=password, role=role))

    def reset(self) -> None:
        """Deja todo como al arrancar: sin eventos, ni historial, ni peticiones, ni opciones cambiadas."""
        self._control("reset")
        self._forget_changes()

    def _forget_changes(self) -> None:
        self._prefix = self._initial_prefix
        self._clock_offset = self._options.get("clock_offset", 0.0)

    def _control(self, action: str, **body: Any) -> Any:
        address = urlsplit(self.auth_url)
        with closing(HTTPConnection(address.hostname or "", address.port, timeout=_READY_SECONDS)) as connection:
            connection.request("POST", f"/_control/{action}/", json.dumps(body))
            answer = connection.getresponse()
            text = answer.read().decode()
        if answer.status != 200:
            raise ValueError(f"El mando respondió {answer.status} a {action}: {text}")
        return json.loads(text)


def _ready_line(process: subprocess.Popen[str], errors: IO[str]) -> dict[str, str]:
    """Espera la línea con que el servidor dice que atiende."""
    output = process.stdout
    if output is not None and select.select([output], [], [], _READY_SECONDS)[0]:
        line = output.readline()
        if line:
            ready: dict[str, str] = json.loads(line)
            return ready
    errors.seek(0)
    raise RuntimeError(f"El backend de referencia no arrancó:\n{errors.read()}")


def _stop(process: subprocess.Popen[str]) -> None:
    """Lo para con buenos modales y, si no hace caso, por las malas."""
    with process:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
