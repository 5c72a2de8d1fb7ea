"""What every figure is compared with: a routed `web.Application` that answers hello in JSON, on uvloop."""

from __future__ import annotations

import asyncio

import uvloop
from aiohttp import web


async def _hello(_: web.Request) -> web.Response:
    return web.json_response({"hello": "world"})


async def serve() -> None:
    """Answer until the process is ended; the port is told once it listens."""
    app = web.Application()
    app.router.add_get("/hello", _hello)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print("ready", runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())
