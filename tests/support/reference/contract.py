"""Lo que acuerdan el backend de referencia y quien lo maneja en las pruebas. No importa Django."""

from typing import Literal, TypedDict

EventId = int | str

DEFAULT_EMAIL = "admin@example.com"
DEFAULT_PASSWORD = "contraseña-de-prueba"
DEFAULT_TOKEN_SECONDS = 1800
DEFAULT_PREFIX = "/events"
LOGIN, REFRESH = "/auth/login/", "/auth/refresh-token/"
FOLLOW_UP = "/analysis/process-event-completion/"


class EventBatch(TypedDict, total=False):
    """Cuántos eventos crear de cada clase.

    Los vencidos, en `at` (segundos de época) o, si no se da, a `offset` segundos (por defecto, -60) de la hora que es
    para el backend. Los de `due_both` son los que una avería dejó atrás: ya deberían haber empezado y terminado.
    Los rotos tienen sus fechas del revés, así que cambiarlos de estado responde siempre 400.
    `public_ids`, si se da, nombra a todos los del lote en este mismo orden; ninguno puede ser un número.
    """

    due_start: int
    due_finish: int
    due_both: int
    future: int
    broken_start: int
    broken_finish: int
    at: float
    offset: float
    participants: int
    public_ids: list[str]


class OptionValues(TypedDict, total=False):
    """Lo que se cambia con el backend en marcha; vale desde la petición siguiente, en todos los procesos.

    `latency_ms` retrasa la respuesta cuando el trabajo ya está hecho; `race_ms` detiene cada POST entre
    la comprobación del estado y su guardado.
    `clock_offset_seconds` adelanta (o atrasa) todo el reloj del backend: `Date`, lo que ya está vencido y la caducidad
    de los tokens, al darlos y al comprobarlos. Lo que se anota (`history`, `follow_ups`, `requests`) sigue en la hora
    de verdad.
    `follow_up_status`, si no es 0, es lo que contesta siempre `/analysis/process-event-completion/`, y
    `follow_up_delay_ms`, lo que tarda, con la llamada ya anotada.
    """

    latency_ms: int
    race_ms: int
    token_seconds: int
    list_shape: Literal["plain", "list", "pages"]
    page_size: int
    require_token: bool
    prefix: str
    clock_offset_seconds: float
    follow_up_status: int
    follow_up_delay_ms: int


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
    clock_offset: float
    no_auth: bool
    email: str
    password: str
