"""The operators' listener of a worker process: metrics, and whether its loop still turns."""

from __future__ import annotations

from aiohttp import hdrs, web
from prometheus_client.aiohttp import make_aiohttp_handler

from admission.worker.loop import Worker
from admission.worker.metrics import WorkerMetrics

_STUCK_SECONDS = 10.0  # a tick takes a quarter of a second when Redis is silent; nothing takes this long


async def start_monitor(worker: Worker, metrics: WorkerMetrics, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Listen; returns the runner to clean up and the port it got.

    Raises:
        OSError: when the port is taken.
    """

    async def healthz(request: web.Request) -> web.Response:
        stuck = worker.idle_seconds > _STUCK_SECONDS
        body = {"status": "stuck" if stuck else "ok"}
        return web.json_response(body, status=503 if stuck else 200, headers={hdrs.CACHE_CONTROL: "no-store"})

    app = web.Application()
    app.router.add_get("/metrics", make_aiohttp_handler(metrics.registry))
    app.router.add_get("/healthz", healthz)
    runner = web.AppRunner(app, handle_signals=False, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    address: tuple[str, int] = runner.addresses[0]
    return runner, address[1]
