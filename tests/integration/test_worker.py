"""The worker's own listener: metrics, and whether its loop still turns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from admission.core.changes import with_settings
from admission.core.record import EventRecord
from admission.data_dir import EntryFiles, RecordFiles
from admission.journal import LineFiles
from admission.worker import loop
from admission.worker.draws import Draws
from admission.worker.loop import Worker
from admission.worker.metrics import WorkerMetrics
from admission.worker.monitor import start_monitor
from tests.conftest import StoreMaker
from tests.contract.hall import Hall
from tests.samples import SEAL, make_record
from tests.servers import RedisServer

DAY = timedelta(days=1)


async def _get(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


async def test_health_tells_a_worker_whose_loop_stands_still(
    redis_server: RedisServer, make_store: StoreMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = WorkerMetrics()
    store = make_store(redis_server.url)
    worker = Worker(
        store, RecordFiles(tmp_path, SEAL), LineFiles(tmp_path), Draws(store, EntryFiles(tmp_path)), metrics, 0.1
    )
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


async def test_a_mistake_in_one_event_stops_no_other(
    redis_server: RedisServer, make_store: StoreMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(record: EventRecord) -> EventRecord:
        return with_settings(record, burst=0)

    monkeypatch.setattr(loop, "next_wave", mistaken)
    store, now = make_store(redis_server.url), datetime.now(UTC)
    schedule = {"opens_at": now - 2 * DAY, "closes_at": now - DAY, "waves": [{"opens_at": now + DAY}]}
    await store.put_event(make_record(slug="macet", **schedule))
    hall = await Hall(store, "lancar").open()
    await hall.join_all(range(1, 4))
    await store.attend(hall.slug, "gateway", 0)
    worker = Worker(
        store,
        RecordFiles(tmp_path, SEAL),
        LineFiles(tmp_path),
        Draws(store, EntryFiles(tmp_path)),
        WorkerMetrics(),
        0.1,
    )
    with capture_logs() as logs:
        await worker.tick()
        await worker.tick()
    assert (await hall.look()).line.serving.rank == 3
    assert {(line["event"], line["slug"], line["error"]) for line in logs} == {
        ("tick-failed", "macet", "ValidationError")
    }


def contents(server: RedisServer) -> dict[bytes, Any]:
    """Every key with what it holds; of a hash not its dump, whose order reading alone may change."""
    client: Any = server.client
    return {key: client.hgetall(key) if client.type(key) == b"hash" else client.dump(key) for key in client.scan_iter()}


async def test_a_dry_run_tells_what_it_would_do_and_does_nothing(
    redis_server: RedisServer, make_store: StoreMaker, tmp_path: Path
) -> None:
    store = make_store(redis_server.url)
    now = datetime.now(UTC)
    ended = make_record(slug="usai", opens_at=now - 2 * DAY, closes_at=now - DAY, waves=[{"opens_at": now + DAY}])
    await store.put_event(ended)
    hall = await Hall(store).open()
    await hall.join_all(range(1, 4))
    await store.attend(hall.slug, "gateway", 0)
    await hall.look()
    before = contents(redis_server)
    files, draws = RecordFiles(tmp_path, SEAL), Draws(store, EntryFiles(tmp_path))
    onlooker = Worker(store, files, LineFiles(tmp_path), draws, WorkerMetrics(), 0.1, dry_run=True)
    with capture_logs() as logs:
        await onlooker.tick()
        await onlooker.tick()
    told = {line["slug"]: (line["event"], line["people"], line["reason"], line["waiting"]) for line in logs}
    assert told == {hall.slug: ("would-call", 3, "whole-line", 3), "usai": ("would-call", 0, "not-open", 0)}
    assert len(logs) == 2, "once a second"
    assert contents(redis_server) == before
    assert files.all() == []
    await Worker(store, files, LineFiles(tmp_path), draws, WorkerMetrics(), 0.1).tick()
    assert (await hall.look()).line.serving.rank == 3
