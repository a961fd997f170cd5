"""Lo que cuesta una avalancha, al lado de como lo hacía el servicio antiguo y de un bucle de httpx sin más."""

from tests.benchmarks.measure import PROGRAM, PYTHON, Cost, Row, alternate, median, median_ratio, run
from tests.benchmarks.stub import serving

_OLD_WAY = """
import httpx, os
url = os.environ["BACKEND_URL"] + "/api/events-status/"
for name in "start", "finish":
    with httpx.Client() as client:
        events = client.get(f"{url}pending-{name}/").json()["results"]
    for event in events:
        with httpx.Client() as client:
            client.post(f"{url}{event['id']}/{name}/").raise_for_status()
"""
_BARE_LOOP = """
import asyncio, httpx, os
url = os.environ["BACKEND_URL"] + "/api/events-status/"

async def main():
    async with httpx.AsyncClient() as client:
        events = iter((await client.get(url + "pending-start/")).json()["results"])

        async def work():
            for event in events:
                (await client.post(f"{url}{event['id']}/start/")).raise_for_status()

        await asyncio.gather(*(work() for _ in range(8)))

asyncio.run(main())
"""
EVENTS = 400
LATENCY = 0.05
GROWTH = (1, 10, 100, 1_000, 10_000)
_MEMORY = {10_000: "≤ 100 MiB"}
_TEMPFAIL = 75


def measure() -> list[Row]:
    """Todas las filas de la avalancha."""
    return [*_against_the_old_way(), *_against_a_bare_loop(), *_growth(), *_deadline()]


def _against_the_old_way() -> list[Row]:
    """De una lista caben `MAX_CONCURRENCY` eventos a la vez; de las dos, el doble."""
    both = (*PROGRAM, "run-once", "--quiet")
    with serving(EVENTS // 2, EVENTS // 2, latency=LATENCY) as url:
        ours, old = alternate(both, (PYTHON, "-c", _OLD_WAY), 3, {"BACKEND_URL": url})
    with serving(EVENTS, latency=LATENCY) as url:
        narrow = [run(both, {"BACKEND_URL": url}) for _ in range(3)]
        wide = [run(both, {"BACKEND_URL": url, "MAX_CONCURRENCY": 32}) for _ in range(3)]
    what = f"{EVENTS} eventos con {LATENCY * 1000:.0f} ms de latencia, veces más rápido que de uno en uno"
    return [
        Row(f"{what}: mitad por iniciar y mitad por finalizar", _times_faster(ours, old), "≥ 16"),
        Row("ídem: todos por iniciar (con 8 a la vez no caben más)", _times_faster(narrow, old)),
        Row("ídem: todos por iniciar, MAX_CONCURRENCY=32", _times_faster(wide, old)),
        Row("el servicio antiguo, por evento", f"{median(old, 'wall') / EVENTS * 1000:.0f} ms"),
    ]


def _times_faster(ours: list[Cost], old: list[Cost]) -> str:
    return f"{median_ratio(old, ours, 'wall'):.1f}"


def _against_a_bare_loop() -> list[Row]:
    """CPU por evento, quitado lo que cuesta arrancar cada proceso."""
    program = (*PROGRAM, "start", "--quiet")
    with serving(1_000) as url, serving() as nothing:
        ours, bare = alternate(program, (PYTHON, "-c", _BARE_LOOP), 5, {"BACKEND_URL": url})
        idle, imports = alternate(program, (PYTHON, "-c", _BARE_LOOP), 5, {"BACKEND_URL": nothing})
    per_event = median(ours, "cpu") - median(idle, "cpu")
    per_event_bare = median(bare, "cpu") - median(imports, "cpu")
    return [
        Row("CPU del cliente por evento ÷ bucle de httpx.AsyncClient", f"{per_event / per_event_bare:.2f}", "≤ 1,3"),
        Row("CPU del cliente por evento", f"{per_event:.2f} ms"),
    ]


def _growth() -> list[Row]:
    rows = []
    for events in GROWTH:
        with serving(events) as url:
            costs = [run((*PROGRAM, "start", "--quiet"), {"BACKEND_URL": url}) for _ in range(3)]
        figures = f"{median(costs, 'wall'):.2f} s, {median(costs, 'cpu'):.2f} s de CPU, {median(costs, 'peak'):.0f} MiB"
        rows.append(Row(f"{_spoken(events)} eventos debidos", figures, _MEMORY.get(events, "–")))
    return rows


def _deadline() -> list[Row]:
    """Lo que el límite corta: lo que dura el proceso más que el límite, y que su informe diga 75."""
    program = (*PROGRAM, "start", "--json")
    rows = []
    for events, limit, memory in ((10_000, 2, "≤ 100 MiB"), (100_000, 4, "≤ 200 MiB")):
        with serving(events, latency=0.2) as url:
            costs = [run(program, {"BACKEND_URL": url, "PASS_TIMEOUT": limit}, _TEMPFAIL) for _ in range(3)]
        figures = f"{median(costs, 'wall') - limit:.2f} s después, {median(costs, 'peak'):.0f} MiB"
        rows.append(Row(f"{_spoken(events)} eventos y un límite de {limit} s: el proceso acaba", figures, memory))
    return rows


def _spoken(number: int) -> str:
    return f"{number:,}".replace(",", ".")
