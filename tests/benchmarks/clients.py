"""Los otros clientes: cómo lo hacía el servicio antiguo, y lo menos que se puede hacer con httpx, aiohttp y curl."""

from tests.benchmarks.measure import OTHERS_PYTHON

OLD_SERVICE = """
import httpx, os
url = os.environ["BACKEND_URL"] + "/api/events-status/"
for name in "start", "finish":
    with httpx.Client() as client:
        events = client.get(f"{url}pending-{name}/").json()["results"]
    for event in events:
        with httpx.Client() as client:
            client.post(f"{url}{event['id']}/{name}/").raise_for_status()
"""
_HTTPX = """
import asyncio, httpx, os, ssl
url, width = os.environ["BACKEND_URL"] + "/api/events-status/", int(os.environ["WIDTH"])

async def main():
    tls = ssl.create_default_context() if url.startswith("https") else True
    limits = httpx.Limits(max_connections=width, max_keepalive_connections=width)
    async with httpx.AsyncClient(verify=tls, limits=limits, timeout=60) as client:
        events = iter((await client.get(url + "pending-start/")).json()["results"])

        async def work():
            for event in events:
                (await client.post(f"{url}{event['id']}/start/")).raise_for_status()

        await asyncio.gather(*(work() for _ in range(width)))

asyncio.run(main())
"""
_AIOHTTP = """
import aiohttp, asyncio, os
url, width = os.environ["BACKEND_URL"] + "/api/events-status/", int(os.environ["WIDTH"])

async def main():
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=width)) as client:
        async with client.get(url + "pending-start/") as answer:
            events = iter((await answer.json())["results"])

        async def work():
            for event in events:
                async with client.post(f"{url}{event['id']}/start/") as answer:
                    answer.raise_for_status()
                    await answer.read()

        await asyncio.gather(*(work() for _ in range(width)))

asyncio.run(main())
"""
_CURL = """
list=$(curl --silent --fail $TLS "$BACKEND_URL/api/events-status/pending-start/")
echo "$list" | grep -o '"id": [0-9]*' | cut -d' ' -f2 |
  sed "s|.*|url = $BACKEND_URL/api/events-status/&/start/\\noutput = /dev/null|" |
  curl --silent --fail --request POST --parallel --parallel-max "$WIDTH" $TLS --config -
"""
CLIENTS = {
    "httpx.AsyncClient": (OTHERS_PYTHON, "-c", _HTTPX),
    "aiohttp": (OTHERS_PYTHON, "-c", _AIOHTTP),
    "curl --parallel": ("sh", "-c", _CURL),
}
