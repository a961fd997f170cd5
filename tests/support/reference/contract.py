"""Lo que acuerdan el backend de referencia y quien lo maneja en las pruebas. No importa Django."""

from typing import Literal, TypedDict

EventId = int | str

DEFAULT_EMAIL = "admin@example.com"
DEFAULT_PASSWORD = "contraseña-de-prueba"
DEFAULT_TOKEN_SECONDS = 1800


class EventBatch(TypedDict, total=False):
    """Cuántos eventos crear de cada clase; los vencidos, a `offset` segundos de ahora (por defecto, -60).

    Los rotos tienen sus fechas del revés, así que cambiarlos de estado responde siempre 400.
    `public_ids`, si se da, nombra a todos los del lote en este mismo orden; ninguno puede ser un número.
    """

    due_start: int
    due_finish: int
    future: int
    broken_start: int
    broken_finish: int
    offset: float
    public_ids: list[str]


class OptionValues(TypedDict, total=False):
    """Lo que se cambia con el backend en marcha; vale desde la petición siguiente, en todos los procesos.

    `latency_ms` retrasa la respuesta cuando el trabajo ya está hecho; `race_ms` detiene cada POST entre
    la comprobación del estado y su guardado.
    """

    latency_ms: int
    race_ms: int
    token_seconds: int
    list_shape: Literal["plain", "list", "pages"]
    page_size: int
    require_token: bool
    prefix: str


class ServerOptions(TypedDict, total=False):
    """Las opciones de `python -m tests.support.reference`, con guiones bajos."""

    port: int
    workers: int
    threads: int
    keep_alive: int
    database_url: str
    workdir: str
    iterations: int
    token_seconds: int
    prefix: str
    no_auth: bool
    email: str
    password: str
