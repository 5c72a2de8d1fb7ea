"""One worker process from start to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import structlog

from admission.data_dir import EntryFiles, RecordFiles, SecretsFile
from admission.journal import LineFiles
from admission.settings import Settings
from admission.store.connection import Connection
from admission.store.redis import RedisStore
from admission.store.start import refuse_unsupported, watch_fence
from admission.worker.draws import Draws
from admission.worker.loop import Worker
from admission.worker.metrics import WorkerMetrics
from admission.worker.monitor import start_monitor

log = structlog.get_logger()


async def work(settings: Settings, redis_url: str, ready: Callable[[int], None], *, dry_run: bool = False) -> None:
    """Work until SIGTERM or SIGINT.

    Args:
        ready: told the metrics port once the loop runs.
        dry_run: see Worker.

    Raises:
        ConfigurationError: secrets or records that cannot be used, or a Redis that is not supported.
        OSError: a port that is taken.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    metrics = WorkerMetrics()
    seal = SecretsFile(settings.secrets_path).seal()
    connection = Connection(redis_url, timeout_seconds=settings.redis_timeout_seconds)
    await refuse_unsupported(connection)
    store = RedisStore(connection, seal)
    draws = Draws(store, EntryFiles(settings.data_dir))
    files = RecordFiles(settings.data_dir, seal)
    prometheus_url, tick_seconds = settings.prometheus_url, settings.tick_seconds
    lines = LineFiles(settings.data_dir)
    worker = Worker(store, files, lines, draws, metrics, tick_seconds, prometheus_url=prometheus_url, dry_run=dry_run)
    monitor, metrics_port = await start_monitor(worker, metrics, settings.metrics_host, settings.metrics_port)
    fence = asyncio.create_task(watch_fence(connection, metrics.redis_unfenced.set))
    try:
        log.info("working", metrics_port=metrics_port)
        ready(metrics_port)
        await worker.run(stop)
    finally:
        fence.cancel()
        await monitor.cleanup()
        await worker.close()
        await draws.close()
        await store.close()
    log.info("stopped")
