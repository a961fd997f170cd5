"""El reloj del backend: el de la máquina más un desfase. No importa Django.

El desfase es de cada hilo y se pone al llegar la petición, con las opciones que valen para ella.
"""

import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

_thread = threading.local()


def turn(offset_seconds: float) -> None:
    """Pone en hora el reloj para lo que haga este hilo."""
    _thread.offset = timedelta(seconds=offset_seconds)


def now() -> datetime:
    """Qué hora es para el backend."""
    offset: timedelta = getattr(_thread, "offset", timedelta())
    return datetime.now(UTC) + offset


def http_date() -> str:
    """Lo que va en `Date`: segundos enteros y sin redondear, como en los servidores de verdad."""
    return format_datetime(now(), usegmt=True)
