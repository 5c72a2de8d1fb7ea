"""The outer loop on a real store: it hears, decides, holds its lease, and the next worker goes on (A7, A8)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import NamedTuple

import pytest

from admission.core.control.allowance import Allowance
from admission.core.control.heard import Heard
from admission.core.control.laws import LawName
from admission.store.redis import RedisStore
from admission.worker import steering as module
from admission.worker.listening import Listening
from admission.worker.steering import INTERVAL_SECONDS, Steering
from tests.contract.hall import Hall
from tests.contract.test_restore import Clock
from tests.servers import RedisServer

BOUNDS = {"rate_per_second": 100.0, "burst": 5, "capacity": 200, "law": LawName.AIMD}
GOOD = Heard(answers=500, latency_seconds=0.1)
BAD = Heard(answers=500, errors=50, latency_seconds=0.1)
LEASE_SECONDS = 1.0


class Worker:
    """What one worker does for an event at a tick."""

    def __init__(self, store: RedisStore, who: str, clock: Clock, slug: str) -> None:
        self.hall = Hall(store, slug)
        self.steering = Steering(store, who, Listening(None), monotonic=clock)

    async def tick(self, *, watches: bool = False) -> Allowance:
        snapshot = await self.hall.look()
        assert snapshot.record is not None
        if snapshot.allowance is not None:
            snapshot = replace(snapshot, sessions=snapshot.allowance.sessions)  # as many as may enter do
        return await self.steering.steer(snapshot.record.event, snapshot, watches=watches)


class Scene(NamedTuple):
    """Two workers, one of which has ticked, on one clock."""

    clock: Clock
    hall: Hall
    first: Worker
    second: Worker

    async def interval(self, *words: Heard) -> Allowance:
        """What is heard in one interval, and what the first worker makes of it; all that is allowed is used."""
        for word in words:
            await self.hall.store.note_health(self.hall.slug, word)
        self.clock.seconds += INTERVAL_SECONDS
        return await self.first.tick()


@pytest.fixture
async def scene(make_store, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(module, "LEASE_SECONDS", LEASE_SECONDS)
    clock, hall = Clock(), await Hall(make_store(redis_server.url)).open(**BOUNDS)
    first, second = (Worker(make_store(redis_server.url), who, clock, hall.slug) for who in ("one", "two"))
    await first.tick()
    yield Scene(clock, hall, first, second)


@pytest.mark.promise("A8")
async def test_trouble_at_the_origin_halves_the_rate_at_once_and_a_good_time_brings_it_back(scene: Scene) -> None:
    for _ in range(12):
        grown = await scene.interval(GOOD)
    assert (grown.sessions, grown.rate_per_second, grown.reason) == (200, 100.0, "at-capacity")
    before = (await scene.hall.look()).allowance
    assert before == grown, "it is what the claim goes by"
    cut = await scene.interval(BAD)
    assert cut.reason == "origin-bad" and cut.rate_per_second <= 50
    assert (await scene.hall.look()).allowance == cut
    for _ in range(60):
        grown = await scene.interval(GOOD)
    assert grown.rate_per_second >= 90


@pytest.mark.promise("A7")
async def test_when_nothing_is_heard_the_rate_is_safe_within_three_intervals(scene: Scene) -> None:
    for _ in range(12):
        await scene.interval(GOOD)
    silent = [await scene.interval() for _ in range(3)]
    assert silent[-1].reason == "stale" and silent[-1].rate_per_second <= 0.2 * 100
    assert (await scene.interval(GOOD)).reason != "stale"


async def test_an_origin_that_asks_for_a_pause_gets_it(scene: Scene) -> None:
    await scene.interval(GOOD)
    asked = await scene.interval(Heard(answers=500, retry_after_seconds=8))
    assert (asked.rate_per_second, asked.reason) == (0.0, "retry-after")
    assert (await scene.interval(GOOD)).reason == "retry-after"
    assert (await scene.interval(GOOD)).rate_per_second > 0


async def test_a_worker_that_starts_in_a_pause_goes_on_with_it(scene: Scene, redis_server: RedisServer) -> None:
    await scene.interval(GOOD)
    await scene.interval(Heard(answers=500, retry_after_seconds=60))
    stands = (await scene.hall.look()).allowance
    assert stands is not None and 55 < stands.resumes_in_seconds <= 60
    redis_server.client.delete(scene.hall.keys.health)  # nobody asks for a pause again, and the first one is gone
    await asyncio.sleep(LEASE_SECONDS * 1.2)
    for _ in range(5):
        scene.clock.seconds += INTERVAL_SECONDS
        await scene.hall.store.note_health(scene.hall.slug, GOOD)
        paused = await scene.second.tick()
        assert (paused.rate_per_second, paused.reason) == (0.0, "retry-after")
    assert scene.second.steering.leads


@pytest.mark.promise("A6", "C3")
async def test_the_next_worker_goes_on_where_the_first_one_stood(scene: Scene) -> None:
    for _ in range(6):
        await scene.interval(GOOD)
        await scene.second.tick()
    stands = (await scene.hall.look()).allowance
    assert stands is not None and stands.sessions > 100
    assert (scene.first.steering.leads, scene.second.steering.leads) == (True, False)
    await asyncio.sleep(LEASE_SECONDS * 1.2)
    scene.clock.seconds += module.RENEW_SECONDS
    assert (await scene.second.tick()) == stands, "no cold start"
    assert scene.second.steering.leads
    scene.clock.seconds += module.RENEW_SECONDS
    await scene.first.tick()
    assert not scene.first.steering.leads, "who stood still comes back as the second"
    await scene.hall.store.note_health(scene.hall.slug, BAD)
    scene.clock.seconds += INTERVAL_SECONDS
    cut = await scene.second.tick()
    assert cut.reason == "origin-bad"
    followed = await scene.first.tick()
    assert (followed.sessions, followed.reason) == (cut.sessions, cut.reason)


async def test_by_hand_nothing_is_steered(scene: Scene, redis_server: RedisServer) -> None:
    await scene.interval(GOOD)
    await scene.hall.open(version=2, **BOUNDS | {"law": LawName.FIXED})
    assert await scene.first.tick() == Allowance(200, 100.0, "manual")
    redis_server.client.delete(scene.hall.keys.lease)
    scene.clock.seconds += INTERVAL_SECONDS
    await scene.first.tick()
    assert not redis_server.client.exists(scene.hall.keys.lease)


async def test_what_redis_lost_is_allowed_again_at_the_next_renewal(scene: Scene, redis_server: RedisServer) -> None:
    for _ in range(3):
        allowed = await scene.interval(GOOD)
    redis_server.client.flushall()
    await scene.first.hall.put(scene.first.hall.seen.record)
    assert scene.first.hall.seen.allowance is None
    scene.clock.seconds += module.RENEW_SECONDS
    await scene.first.tick()
    assert (await scene.hall.look()).allowance == allowed


async def test_a_dry_run_sets_nothing(scene: Scene, redis_server: RedisServer) -> None:
    redis_server.client.delete(scene.hall.keys.lease)
    before = redis_server.client.hgetall(scene.hall.keys.line)
    scene.clock.seconds += INTERVAL_SECONDS
    await scene.second.tick(watches=True)
    assert redis_server.client.hgetall(scene.hall.keys.line) == before
    assert not redis_server.client.exists(scene.hall.keys.lease)
