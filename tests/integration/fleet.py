"""Several gateways and several workers, for tests of what stands around them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.integration.deployment import Deployment, Gateway, Process
from tests.servers import RedisServer

EVENT = "prakerja"
# Drains long enough to answer meanwhile, and waits for Redis as long as a busy machine may need.
_VARIABLES = {"ANTREAN_DRAIN_SECONDS": "0.5", "ANTREAN_REDIS_TIMEOUT_SECONDS": "5"}


@dataclass
class Fleet:
    """Running processes with one event.

    Args:
        origin_key: with which the event's site sends reports.
    """

    deployment: Deployment
    gateways: list[Gateway]
    workers: list[Process]
    origin_key: str

    @property
    def url(self) -> str:
        """Where applicants reach any of the gateways."""
        return self.gateways[0].url

    @property
    def targets(self) -> dict[str, list[str]]:
        """The metrics addresses of all processes, by Prometheus' job."""
        ports = {
            "antrean-gateway": [gateway.metrics_port for gateway in self.gateways],
            "antrean-worker": [int(worker.ready()[0]) for worker in self.workers],
        }
        return {job: [f"127.0.0.1:{port}" for port in found] for job, found in ports.items()}

    def restart_oldest_gateway(self) -> None:
        """SIGTERM to one gateway and, once it has ended in order, another in its place."""
        port = self.gateways[0].port
        self.gateways.pop(0).stop()
        self.gateways.append(_gateway(self.deployment, port))
        self.gateways[-1].ready()


def _gateway(deployment: Deployment, port: int) -> Gateway:
    return deployment.gateway(port=port, module="antrean.cli", **_VARIABLES)


@asynccontextmanager
async def fleet(*, gateways: int = 1, workers: int = 1, own_ports: bool = False, **fields: Any) -> AsyncIterator[Fleet]:
    """A deployment of its own; its gateways share a port, or have their own. `fields` are the event's."""
    deployment = Deployment(RedisServer("redis").start())
    try:
        key = await deployment.put_event(EVENT, **fields)
        first = _gateway(deployment, 0)
        started: list[Process] = [deployment.worker() for _ in range(workers)]
        await asyncio.to_thread(first.ready)
        others = [_gateway(deployment, 0 if own_ports else first.port) for _ in range(gateways - 1)]
        for process in (*others, *started):
            await asyncio.to_thread(process.ready)
        yield Fleet(deployment, [first, *others], started, key)
    finally:
        await asyncio.to_thread(deployment.stop)
