"""Un servicio residente como el antiguo: FastAPI, APScheduler y dos trabajos por intervalo, con un cliente por trabajo.

Se ejecuta con el Python de su propio entorno: `python resident.py BACKEND_URL PUERTO SEGUNDOS`.
"""

import sys
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import uvicorn
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from fastapi import FastAPI


def _job(backend: str, name: str) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        async with httpx.AsyncClient() as client:
            listing = await client.get(f"{backend}/api/events-status/pending-{name}/")
            for event in listing.json()["results"]:
                await client.post(f"{backend}/api/events-status/{event['id']}/{name}/")

    return run


def main(backend: str, port: str, seconds: str) -> None:
    """Sirve `/health` en ese puerto y mira las dos listas cada tantos segundos."""
    scheduler = AsyncIOScheduler()
    for name in ("start", "finish"):
        scheduler.add_job(_job(backend, name), "interval", seconds=int(seconds))

    @asynccontextmanager
    async def lifespan(_: FastAPI):  # type: ignore[no-untyped-def]  # noqa: ANN202  Lo que pida FastAPI.
        scheduler.start()
        yield
        scheduler.shutdown()

    app = FastAPI(lifespan=lifespan)
    app.add_api_route("/health", lambda: {"status": "ok"})
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
