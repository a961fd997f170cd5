"""Lo que cuesta una avalancha, al lado de como lo hacía el servicio antiguo y de otros clientes."""

import shutil
from collections.abc import Mapping

from tests.benchmarks.clients import CLIENTS, OLD_SERVICE
from tests.benchmarks.measure import OTHERS_PYTHON, RUN_ONCE, START, Cost, Row, at_least, at_most, median, run, spoken
from tests.benchmarks.stub import Stub, serving

EVENTS, OLD_EVENTS = 400, 20
LATENCY = 0.05
WIDTHS = (8, 32)
COMPARED = 1_000
TIMES = 3
# De sobra, para que el límite no corte lo que se mide.
_PATIENT = {"SCHEDULER_INTERVAL_SECONDS": 3600, "PASS_TIMEOUT": 1800}
_US = "este programa"
Costs = dict[str, list[Cost]]
"""Lo que costó cada uno, cada vez."""


def measure() -> list[Row]:
    """Todas las filas de la avalancha."""
    return [*_against_the_old_service(), *_against_others(), *_growth()]


def _against_the_old_service() -> list[Row]:
    """Mitad por iniciar y mitad por finalizar. El antiguo tarda lo mismo en cada evento: se miden menos."""
    rows = []
    with serving(OLD_EVENTS // 2, OLD_EVENTS // 2, LATENCY) as few, serving(EVENTS // 2, EVENTS // 2, LATENCY) as many:
        for https in (False, True):
            # Como el antiguo, que en cada cliente leía el archivo entero de autoridades.
            bundle = {"SSL_CERT_DIR": "", "SSL_CERT_FILE": few.bundle} if https else {}
            old = _several((OTHERS_PYTHON, "-c", OLD_SERVICE), few, https=https, **bundle)
            per_event = median(old, "wall") / OLD_EVENTS
            scheme = "https" if https else "http"
            rows.append(Row(f"el servicio antiguo, por evento: {scheme}", f"{per_event * 1000:.0f} ms"))
            for width, least in zip(WIDTHS, (16, 30), strict=True):
                ours = _several(RUN_ONCE, many, https=https, MAX_CONCURRENCY=width)
                what = f"{EVENTS} eventos, {scheme}, {width} a la vez, con {LATENCY * 1000:.0f} ms de latencia"
                times = per_event * EVENTS / median(ours, "wall")
                rows.append(at_least(f"{what}: veces más rápido que el antiguo", times, least))
    return rows


def _several(command: tuple[str, ...], stub: Stub, *, https: bool, **more: object) -> list[Cost]:
    env = stub.settings(https=https, **more)
    return [run(command, env, before=stub.reset) for _ in range(TIMES)]


def _against_others() -> list[Row]:
    """CPU por evento, quitado lo que cuesta arrancar cada proceso, y tiempo de todo."""
    rows = []
    clients = {name: command for name, command in CLIENTS.items() if shutil.which(command[0])}
    with serving(COMPARED) as stub, serving() as nothing:
        for https in (False, True):
            still = _side_by_side(clients, nothing, WIDTHS[0], https=https)
            for width in WIDTHS:
                costs = _side_by_side(clients, stub, width, https=https)
                what = f"{_thousands(COMPARED)} eventos, {'https' if https else 'http'}, {width} a la vez"
                each = {name: (median(costs[name], "cpu") - median(still[name], "cpu")) / COMPARED for name in costs}
                ratio = each[_US] / each["httpx.AsyncClient"]
                rows.append(at_most(f"{what}: CPU por evento ÷ bucle de httpx.AsyncClient", ratio, 1.3))
                rows += [Row(f"ídem: {name}", _figures(costs[name], each[name])) for name in costs]
    return rows


def _side_by_side(clients: Mapping[str, tuple[str, ...]], stub: Stub, width: int, *, https: bool) -> Costs:
    """Cada uno, por turnos, las mismas veces."""
    tls = f"--capath {stub.authorities}" if https else ""
    env = stub.settings(https=https, MAX_CONCURRENCY=width, WIDTH=width, TLS=tls, **_PATIENT)
    costs: Costs = {_US: [], **{name: [] for name in clients}}
    for _ in range(TIMES):
        for name, command in {_US: START, **clients}.items():
            # A curl, sin ningún evento que pedir, no le gusta.
            costs[name].append(run(command, env, None if name.startswith("curl") else 0, before=stub.reset))
    return costs


def _figures(costs: list[Cost], each: float) -> str:
    wall, peak = median(costs, "wall"), median(costs, "peak")
    return spoken(f"{wall:.2f} s, {each * 1000:.2f} ms de CPU por evento, {peak:.0f} MiB")


def _growth() -> list[Row]:
    """Que crezca en línea recta, y sin que crezca la memoria."""
    rows = []
    for events, memory in ((1, None), (2_000, None), (10_000, 60), (100_000, 130)):
        with serving(events) as stub:
            for https in (False, True) if events <= 10_000 else (False,):
                cost = run(START, stub.settings(https=https, MAX_CONCURRENCY=WIDTHS[1], **_PATIENT))
                stub.reset()
                what = f"{_thousands(events)} eventos, {'https' if https else 'http'}, {WIDTHS[1]} a la vez"
                rows.append(Row(what, spoken(f"{cost.wall:.1f} s, {cost.cpu:.1f} s de CPU")))
                if memory:
                    rows.append(at_most(f"{what}: memoria", cost.peak, memory, " MiB", "{:.0f}"))
    return rows


def _thousands(number: int) -> str:
    return f"{number:,}".replace(",", ".")
