"""Lo que cuesta una avalancha, al lado de como lo hacía el servicio antiguo y de un bucle de httpx sin más."""

import subprocess
import sys
import time

from tests.benchmarks.measure import PROGRAM, Row, alternate, median, median_ratio, run
from tests.benchmarks.stub import serving

_OLD_WAY = """
import httpx, os
url = os.environ["BACKEND_URL"] + "/api/events-status/"
with httpx.Client() as client:
    events = client.get(url + "pending-start/").json()["results"]
for event in events:
    with httpx.Client() as client:
        client.post(f"{url}{event['id']}/start/").raise_for_status()
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
GROWTH = (1, 10, 100, 1_000, 10_000)
_MEMORY = {10_000: "≤ 100 MiB"}


def measure() -> list[Row]:
    """Todas las filas de la avalancha."""
    return [*_against_the_old_way(), *_against_a_bare_loop(), *_growth(), *_deadline()]


def _against_the_old_way() -> list[Row]:
    command = (*PROGRAM, "start", "--quiet")
    with serving(EVENTS, latency=0.05) as url:
        ours, old = alternate(command, (sys.executable, "-c", _OLD_WAY), 3, BACKEND_URL=url)
        wide = [run(command, BACKEND_URL=url, MAX_CONCURRENCY=32) for _ in range(3)]
    rows = []
    for name, costs in (("8 a la vez", ours), ("32 a la vez", wide)):
        faster = 1 / median_ratio([cost.wall for cost in costs], [cost.wall for cost in old])
        what = f"{EVENTS} eventos con 50 ms de latencia, {name}: veces más rápido que de uno en uno"
        rows.append(Row(what, f"{faster:.1f}", "≥ 16" if costs is ours else "–"))
    return rows


def _against_a_bare_loop() -> list[Row]:
    """CPU por evento, quitado lo que cuesta arrancar cada proceso."""
    quiet = (*PROGRAM, "start", "--quiet")
    with serving(1_000) as url, serving() as nothing:
        ours, bare = alternate(quiet, (sys.executable, "-c", _BARE_LOOP), 5, BACKEND_URL=url)
        idle, imports = alternate(quiet, (sys.executable, "-c", _BARE_LOOP), 5, BACKEND_URL=nothing)
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
            cost = run((*PROGRAM, "start", "--quiet"), BACKEND_URL=url)
        figures = f"{cost.wall:.2f} s, {cost.cpu:.2f} s de CPU, {cost.peak:.0f} MiB"
        rows.append(Row(f"{events:,} eventos debidos".replace(",", "."), figures, _MEMORY.get(events, "–")))
    return rows


def _deadline() -> list[Row]:
    with serving(10_000, latency=0.2) as url:
        costs = [_cut(url) for _ in range(3)]
    return [Row("límite de 2 s con un backend lento: lo que dura el proceso", f"{max(costs):.2f} s", "≤ 2 s + 0,5 s")]


def _cut(url: str) -> float:
    started = time.perf_counter()
    subprocess.run([*PROGRAM, "start", "--quiet"], env={"BACKEND_URL": url, "PASS_TIMEOUT": "2"}, check=False, cwd="/")
    return time.perf_counter() - started
