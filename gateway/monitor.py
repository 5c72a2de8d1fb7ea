"""The operators' listener of a gateway process: metrics and health, never on the public port."""

from __future__ import annotations

from aiohttp import web
from prometheus_client.aiohttp import make_aiohttp_handler

from gateway.gateway import Gateway
from gateway.handlers import status
from gateway.middlewares import GATEWAY


async def start_monitor(gateway: Gateway, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Listen; returns the runner to clean up and the port it got.

    Raises:
        OSError: when the port is taken.
    """
    app = web.Application()
    app[GATEWAY] = gateway
    app.router.add_get("/metrics", make_aiohttp_handler(gateway.metrics.registry))
    app.router.add_get("/healthz", status.healthz)
    app.router.add_get("/readyz", status.readyz)
    runner = web.AppRunner(app, handle_signals=False, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    address: tuple[str, int] = runner.addresses[0]
    return runner, address[1]
