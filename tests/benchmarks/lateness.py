"""Cuánto tarda en cambiar de estado un evento debido en el tic: el temporizador de verdad y un servicio residente."""

import ssl
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import trustme

from tests.benchmarks.hour import resident
from tests.benchmarks.measure import Row
from tests.e2e import requisites, wheelhouse
from tests.e2e.container import Container
from tests.support.faults import FaultyServer, pass_through
from tests.support.inside import settings_text
from tests.support.reference.server import ReferenceBackend

INTERVAL = 30
"""El más corto con el adelanto de siempre (design §7: 2 s), donde cabe un inicio de sesión como los de verdad."""
TICKS, TICKS_APART = 20, 4
CLOCKS_APART = (-0.4, -2, -5, 1, 5)
"""Lo que va adelantado, o atrasado, el reloj del backend, en segundos."""
_TIME_TO_CREATE = 10
"""Los segundos que faltan, por lo menos, para el tic en que vence lo primero que se crea."""
_PROGRAM = "/opt/estado-eventos/bin/estado-eventos"
_TOKEN = "/var/lib/estado-eventos/token"
_AUTHORITY = "/usr/local/share/ca-certificates/banco.crt"


@dataclass(frozen=True, slots=True)
class Contender:
    """Quien mueve los eventos de un backend, por https."""

    backend: ReferenceBackend
    url: str

    def lateness(self) -> list[float]:
        """Los segundos que pasaron desde que el backend enseñó cada evento hasta que cambió."""
        return [(change.at - change.visible_from).total_seconds() for change in self.backend.history()]


def measure() -> list[Row]:
    """Un evento debido en cada tic, con los relojes en hora y sin estarlo, y un residente que arrancó cuando cayó."""
    reason = requisites.unavailable()
    if reason:
        return [Row("hora debida → estado cambiado", f"sin medir: {reason}")]
    with ExitStack() as stack:
        authority = trustme.CA()
        # El residente no lleva token, como el antiguo. Las contraseñas cuestan lo que cuestan de verdad.
        ours, theirs = (_serve(stack, authority, no_auth=no_auth) for no_auth in (False, True))
        container = stack.enter_context(Container(stack.enter_context(wheelhouse.wheels())))
        install(container, ours, authority, INTERVAL)
        trusted = stack.enter_context(tempfile.NamedTemporaryFile())
        authority.cert_pem.write_to_path(trusted.name)
        stack.enter_context(resident(theirs.url, INTERVAL, {"SSL_CERT_FILE": trusted.name}))
        seconds = on_ticks((ours, theirs), INTERVAL, TICKS, lambda: container.run(["rm", _TOKEN]))
        rows = [
            Row(
                "https, hora debida → estado cambiado, un inicio de sesión entre medias", _worst(seconds[0]), "≤ 0,15 s"
            ),
            Row(f"ídem, un residente que mira cada {INTERVAL} s desde que arrancó", _worst(seconds[1])),
        ]
        for ahead in CLOCKS_APART:
            for contender in (ours, theirs):
                contender.backend.reset()
                contender.backend.configure(clock_offset_seconds=ahead)
            seconds = on_ticks((ours, theirs), INTERVAL, TICKS_APART)
            what = f"con el reloj del backend a {ahead:+g} s: desde que enseña el evento (el residente)"
            rows.append(Row(what, f"{_worst(seconds[0])} ({_worst(seconds[1])})", "≤ 1,2 s"))
        return rows


def _serve(stack: ExitStack, authority: trustme.CA, *, no_auth: bool) -> Contender:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    backend = stack.enter_context(ReferenceBackend(iterations=0, no_auth=no_auth))
    proxy = stack.enter_context(FaultyServer(pass_through, tls=tls, upstream=backend.url))
    return Contender(backend, proxy.url)


def install(container: Container, contender: Contender, authority: trustme.CA, interval: int) -> None:
    """Lo instala como en docs/instalacion.md, con su autoridad entre las del sistema."""
    wheelhouse.configure(container)
    container.put(_AUTHORITY, authority.cert_pem.bytes().decode())
    container.run(["update-ca-certificates"], timeout=120)
    container.run(["python3", "-m", "venv", "/opt/estado-eventos"], timeout=120)
    container.run(["/opt/estado-eventos/bin/pip", "install", "--quiet", "estado-eventos"], timeout=120)
    settings = settings_text(contender.backend, contender.url)
    container.put("/etc/estado-eventos/estado-eventos.env", settings, 0o600)
    container.run([_PROGRAM, "schedule", "install", "systemd", "--interval", str(interval)], timeout=120)


def on_ticks(
    contenders: Sequence[Contender], interval: int, ticks: int, midway: Callable[[], object] | None = None
) -> list[list[float]]:
    """Los retrasos de cada uno con un evento por tic; a mitad, entre dos tics, hace `midway`."""
    first = (time.time() + _TIME_TO_CREATE) // interval * interval + interval
    for contender in contenders:
        for tick in range(ticks):
            contender.backend.add_events(due_start=1, at=first + tick * interval)
    if midway:
        _sleep_until(first + (ticks // 2 - 0.5) * interval)
        midway()
    last = first + (ticks - 1) * interval
    _sleep_until(last + 1)
    # El residente puede tardar un intervalo entero, y quien pierde un tic, también.
    while any(len(contender.lateness()) < ticks for contender in contenders):
        if time.time() > last + 2 * interval:
            raise RuntimeError(f"quedan eventos sin mover: {[contender.lateness() for contender in contenders]}")
        time.sleep(1)
    return [contender.lateness() for contender in contenders]


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))


def _worst(seconds: Sequence[float]) -> str:
    return f"peor de {len(seconds)}: {max(seconds):.2f} s; mediana: {statistics.median(seconds):.2f} s"
