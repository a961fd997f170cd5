"""Cuánto tarda en cambiar de estado un evento debido en el tic: el temporizador de verdad y un servicio residente."""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from typing import Self, Unpack

import trustme

from tests.benchmarks.hour import resident
from tests.benchmarks.measure import Row, at_most, spoken
from tests.e2e import requisites, wheelhouse
from tests.e2e.container import Container
from tests.support.faults import FaultyServer
from tests.support.inside import settings_text
from tests.support.reactions import pass_through
from tests.support.reference.contract import ServerOptions
from tests.support.reference.server import ReferenceBackend
from tests.support.tls import certified

INTERVAL = 30
"""El más corto con el adelanto de siempre (design §7: 2 s), donde cabe un inicio de sesión como los de verdad."""
TIMERS, TICKS = 5, 4
"""A la vez, cada uno con su backend: veinte medidas en dos minutos y no en diez."""
CLOCKS_APART = (-0.4, -2, -5, 1, 5)
"""Lo que va adelantado, o atrasado, el reloj del backend, en segundos."""
_TIME_TO_CREATE = 10
"""Los segundos que faltan, por lo menos, para el tic en que vence lo primero que se crea."""
_PROGRAM = "/opt/estado-eventos/bin/estado-eventos"
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
        arena = stack.enter_context(_Arena())
        names = [f"en-hora{number}" for number in range(TIMERS)]
        # Comprobar la contraseña cuesta lo que cuesta de verdad: las vueltas de PBKDF2 que da Django.
        pairs = [arena.pair(name, iterations=0) for name in names]
        ours, theirs = on_ticks(pairs, lambda: arena.forget_token(names[0]))
        rows = [
            _row("hora debida → estado cambiado, con un inicio de sesión entre medias", [*chain(*ours)], 0.15),
            _aside(f"ídem, un residente que mira cada {INTERVAL} s desde que arrancó", [*chain(*theirs)]),
        ]
        for name in names:
            arena.stop(name)
        pairs = [arena.pair(f"reloj{number}", clock_offset=ahead) for number, ahead in enumerate(CLOCKS_APART)]
        for ahead, timed, resident_timed in zip(CLOCKS_APART, *on_ticks(pairs), strict=True):
            what = spoken(f"el reloj del backend a {ahead:+} s: evento a la vista → estado cambiado")
            # Al que va adelantado no se le promete nada: lo enseña antes de nuestro tic, y se pregunta en él.
            rows.append(_row(what, timed, 1.2) if ahead < 0 else _aside(what, timed))
            rows.append(_aside("ídem, el residente", resident_timed))
        return rows


class _Arena:
    """Dónde compiten: un Debian con el programa, una autoridad privada y los backends que haga falta."""

    def __enter__(self) -> Self:
        """Instala el programa como en docs/instalacion.md, y la autoridad, entre las del sistema."""
        with ExitStack() as stack:
            self._authority = trustme.CA()
            self._trusted = stack.enter_context(tempfile.NamedTemporaryFile())
            self._authority.cert_pem.write_to_path(self._trusted.name)
            self._container = stack.enter_context(Container(stack.enter_context(wheelhouse.wheels())))
            wheelhouse.install(self._container)
            self._container.put(_AUTHORITY, self._authority.cert_pem.bytes().decode())
            self._container.run(["update-ca-certificates"], timeout=120)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Lo para todo."""
        self._stack.close()

    def pair(self, name: str, **options: Unpack[ServerOptions]) -> tuple[Contender, Contender]:
        """Un temporizador con ese nombre y un residente, cada uno con un backend así."""
        # El residente no lleva token, como el antiguo.
        open_to_all: ServerOptions = {**options, "no_auth": True}
        ours, theirs = self._serve(options), self._serve(open_to_all)
        settings = settings_text(ours.backend, ours.url)
        self._container.put(f"/etc/estado-eventos/{name}.env", settings, 0o600)
        install = [_PROGRAM, "schedule", "install", "systemd", "--name", name, "--interval", str(INTERVAL)]
        self._container.run(install, timeout=120)
        self._stack.enter_context(resident(theirs.url, INTERVAL, {"SSL_CERT_FILE": self._trusted.name}))
        return ours, theirs

    def forget_token(self, name: str) -> None:
        """La pasada siguiente de ese temporizador tiene que iniciar sesión."""
        self._container.run(["rm", f"/var/lib/estado-eventos-{name}/token"])

    def stop(self, name: str) -> None:
        """Quita ese temporizador."""
        self._container.run([_PROGRAM, "schedule", "remove", "systemd", "--name", name], timeout=120)

    def _serve(self, options: ServerOptions) -> Contender:
        tls = certified(self._authority, "127.0.0.1")
        backend = self._stack.enter_context(ReferenceBackend(**options))
        proxy = self._stack.enter_context(FaultyServer(pass_through, tls=tls, upstream=backend.url))
        return Contender(backend, proxy.url)


def on_ticks(
    pairs: Sequence[tuple[Contender, Contender]], midway: Callable[[], object] | None = None
) -> tuple[list[list[float]], ...]:
    """Los retrasos de cada temporizador, y de cada residente, con un evento por tic; a mitad, hace `midway`."""
    contenders = [*chain(*pairs)]
    first = (time.time() + _TIME_TO_CREATE) // INTERVAL * INTERVAL + INTERVAL
    for contender in contenders:
        for tick in range(TICKS):
            contender.backend.add_events(due_start=1, at=first + tick * INTERVAL)
    if midway:
        _sleep_until(first + (TICKS // 2 - 0.5) * INTERVAL)
        midway()
    last = first + (TICKS - 1) * INTERVAL
    _sleep_until(last + 1)
    # El residente puede tardar un intervalo entero, y quien pierde un tic, también.
    while any(len(contender.lateness()) < TICKS for contender in contenders):
        if time.time() > last + 2 * INTERVAL:
            raise RuntimeError(f"quedan eventos sin mover: {[contender.lateness() for contender in contenders]}")
        time.sleep(1)
    return tuple([contender.lateness() for contender in side] for side in zip(*pairs, strict=True))


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))


def _row(what: str, seconds: Sequence[float], limit: float) -> Row:
    return at_most(what, max(seconds), limit, " s", f"{_typical(seconds)}; peor de {len(seconds)}: {{:.2f}}")


def _aside(what: str, seconds: Sequence[float]) -> Row:
    return Row(what, spoken(f"{_typical(seconds)}; peor de {len(seconds)}: {max(seconds):.2f} s"))


def _typical(seconds: Sequence[float]) -> str:
    return f"mediana: {statistics.median(seconds):.2f} s"
