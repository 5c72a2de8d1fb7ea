"""What a worker hears when it asks: a real site that it probes, a real Prometheus that it queries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from admission.core.control.heard import Heard
from admission.core.signals import Signals
from admission.worker import listening as module
from admission.worker.listening import Listening
from admission.worker.steering import INTERVAL_SECONDS, Steering
from tests.conftest import StoreMaker
from tests.contract.hall import Hall
from tests.contract.test_restore import Clock
from tests.eventually import eventually
from tests.integration.peer import serving
from tests.integration.prometheus import prometheus
from tests.servers import RedisServer

JOBS = ("antrean-gateway", "antrean-worker")


@pytest.fixture
async def listening() -> AsyncIterator[Listening]:
    made = Listening(None)
    yield made
    await made.close()


async def words(listening: Listening, count: int) -> list[Heard]:
    """So many words, as soon as they were heard."""
    heard: list[Heard] = []

    async def enough() -> bool:
        heard.extend(listening.take())
        return len(heard) >= count

    await eventually(enough, within_seconds=15)
    return heard


async def test_a_probe_tells_how_a_site_answers(listening: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.02)
    monkeypatch.setattr(module, "PROBE_TIMEOUT_SECONDS", 0.2)
    how = {"status": 200, "seconds": 0.0}

    async def health(_: web.Request) -> web.Response:
        await asyncio.sleep(how["seconds"])
        return web.Response(status=int(how["status"]), headers={"Retry-After": "7"} if how["status"] == 503 else {})

    app = web.Application()
    app.add_routes([web.get("/healthz", health)])
    async with serving(app) as address:
        await listening.listen(Signals(probe_url=f"{address}/healthz"))
        well = await words(listening, 5)
        assert all((word.answers, word.errors, word.retry_after_seconds) == (1, 0, 0.0) for word in well)
        assert all(word.latency_seconds is not None and 0 < word.latency_seconds < 0.2 for word in well)
        for status, errors, pause in ((404, 0, 0.0), (503, 1, 7.0), (500, 1, 0.0)):
            how["status"] = status
            await words(listening, 2)
            last = (await words(listening, 1))[-1]
            assert (last.errors, last.retry_after_seconds) == (errors, pause), status
        how["status"], how["seconds"] = 200, 1.0
        await words(listening, 2)
        silent = (await words(listening, 1))[-1]
        assert silent.errors == 1 and silent.latency_seconds is not None and silent.latency_seconds >= 0.2
    gone = (await words(listening, 3))[-1]
    assert (gone.answers, gone.errors) == (1, 1)
    await listening.listen(Signals())
    listening.take()
    await asyncio.sleep(0.1)
    assert listening.take() == []


async def test_expressions_are_asked_of_a_prometheus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ASK_SECONDS", 0.1)
    async with prometheus(tmp_path / "prometheus", dict.fromkeys(JOBS, ())) as running:
        asked = Listening(running.address)
        try:
            whole = Signals(
                error_ratio="vector(0.02)", latency_seconds="scalar(vector(0.25))", saturation="vector(0.5)"
            )
            await asked.listen(whole)
            assert (await words(asked, 1))[0] == Heard(1000, 20, 0.25, 0.5)
            await asked.listen(Signals(saturation="vector(0.7)"))
            assert (await words(asked, 1))[-1] == Heard(1000, saturation=0.7)
            with capture_logs() as logs:
                for nothing in ("vector(0) / vector(0)", "no_such_series", "sum(", "up offset 1d"):
                    await asked.listen(Signals(error_ratio=nothing))
                    asked.take()
                    await asyncio.sleep(0.5)
                    assert asked.take() == [], nothing
            assert {line["event"] for line in logs} == {"expression-without-answer"}
            assert len(logs) < 8, "told once, not at each question"
        finally:
            await asked.close()


async def test_a_prometheus_that_is_away_is_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ASK_SECONDS", 0.05)
    for address in ("http://127.0.0.1:1", None):
        asked = Listening(address)
        await asked.listen(Signals(error_ratio="vector(0)"))
        await asyncio.sleep(0.3)
        assert asked.take() == []
        await asked.close()


async def test_a_site_that_says_nothing_itself_is_steered_by_its_probe(
    make_store: StoreMaker, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.02)
    status, clock = [200], Clock()

    async def health(_: web.Request) -> web.Response:
        return web.Response(status=status[0])

    app = web.Application()
    app.add_routes([web.get("/healthz", health)])
    async with serving(app) as address:
        hall = Hall(make_store(redis_server.url))
        await hall.open(law="aimd", signals={"probe_url": f"{address}/healthz"})
        listening = Listening(None)
        steering = Steering(hall.store, "one", listening, monotonic=clock)

        async def interval() -> str:
            snapshot = await hall.look()
            assert snapshot.record is not None
            allowance = await steering.steer(snapshot.record.event, snapshot)
            clock.seconds += INTERVAL_SECONDS
            await eventually(lambda: len(listening._heard) >= 15)
            return allowance.reason

        assert await interval() == "too-few-answers"
        assert await interval() == "not-full"
        status[0] = 500
        await interval()
        assert await interval() == "origin-bad"
        await steering.close()
