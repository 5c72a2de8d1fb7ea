"""One gateway process from start to stop."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable

import structlog

from admission.data_dir import RecordFiles, SecretsFile
from admission.settings import Settings
from admission.store.connection import Connection
from admission.store.redis import RedisStore
from admission.store.start import refuse_unsupported
from gateway.edge import Edge, bind
from gateway.gateway import Gateway
from gateway.metrics import GatewayMetrics
from gateway.monitor import start_monitor

_COLLECT_AFTER = 10_000  # more objects made than dropped; Python's own 700 are ten requests

log = structlog.get_logger()


def _settle_memory() -> None:
    """Let the collector look seldom, and never at what was made at the start: a surge makes no cycles to speak of."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


async def serve(settings: Settings, redis_url: str, ready: Callable[[int, int], None]) -> None:
    """Serve until SIGTERM or SIGINT, then drain.

    Args:
        ready: told the public port and the metrics port once requests are answered.

    Raises:
        ConfigurationError: secrets or records that cannot be used, or a Redis that is not supported.
        OSError: a port that is taken.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    metrics = GatewayMetrics()
    connection = Connection(
        redis_url,
        timeout_seconds=settings.redis_timeout_seconds,
        observe=metrics.observe_store,
        failed=metrics.observe_failure,
    )
    secrets = SecretsFile(settings.secrets_path)
    seal = secrets.seal()
    files = RecordFiles(settings.data_dir, seal)
    await refuse_unsupported(connection)
    gateway = Gateway(settings, RedisStore(connection, seal), secrets.keyring, files, metrics)
    edge = Edge(gateway)
    with bind(settings.host, settings.port) as bound:
        async with gateway.running():
            monitor, metrics_port = await start_monitor(gateway, settings.metrics_host, settings.metrics_port)
            await edge.start(bound)
            port: int = bound.getsockname()[1]
            log.info("serving", host=settings.host, port=port, metrics_port=metrics_port)
            _settle_memory()
            ready(port, metrics_port)
            await stop.wait()
            log.info("draining", seconds=settings.drain_seconds)
            await edge.drain(settings.drain_seconds)
            await monitor.cleanup()
    log.info("stopped")
