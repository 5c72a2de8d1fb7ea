"""The worker's own listener: metrics, and whether its loop still turns."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from admission.data_dir import EntryFiles, RecordFiles
from admission.worker.draws import Draws
from admission.worker.loop import Worker
from admission.worker.metrics import WorkerMetrics
from admission.worker.monitor import start_monitor
from tests.conftest import StoreMaker
from tests.samples import SEAL
from tests.servers import RedisServer


async def _get(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


async def test_health_tells_a_worker_whose_loop_stands_still(
    redis_server: RedisServer, make_store: StoreMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = WorkerMetrics()
    store = make_store(redis_server.url)
    worker = Worker(store, RecordFiles(tmp_path, SEAL), Draws(store, EntryFiles(tmp_path)), metrics, 0.1)
    monitor, port = await start_monitor(worker, metrics, "127.0.0.1", 0)
    try:
        await worker.tick()
        assert await _get(port, "/healthz") == (200, '{"status": "ok"}')
        monkeypatch.setattr(worker, "_ticked_at", worker._ticked_at - 60)
        assert await _get(port, "/healthz") == (503, '{"status": "stuck"}')
        assert "antrean_build_info" in (await _get(port, "/metrics"))[1]
        assert (await _get(port, "/elsewhere"))[0] == 404
    finally:
        await monitor.cleanup()
