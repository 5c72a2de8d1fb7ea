"""The mark takes the highest target, whoever asks and however often; graces run on the open clock (A3, A6, B3)."""

from __future__ import annotations

import asyncio

import pytest

from admission.core.calling import Sample, decide
from admission.core.line import START, Place
from admission.store.protocol import Snapshot
from admission.store.redis import RedisStore
from loadtests.judges import overshot, steps_back, windows_exceeded
from tests.contract.hall import Hall
from tests.contract.planted import plant
from tests.eventually import eventually
from tests.samples import tail
from tests.servers import RedisServer


async def test_the_mark_never_goes_back(store: RedisStore) -> None:
    hall = await Hall(store).open()
    await hall.join_all(range(1, 21))
    marks = [await hall.advance(hall.at(1, rank)) for rank in (5, 3, 0, 12, 12, 1, 20, 7)]
    assert steps_back(marks) == []
    assert [mark.rank for mark in marks] == [5, 5, 5, 12, 12, 12, 20, 20]


async def test_the_mark_never_passes_the_tail_so_that_idle_time_stores_nobody(store: RedisStore) -> None:
    hall = await Hall(store).open()
    await hall.join_all(range(1, 4))
    targets = [hall.at(1, 1_000_000), hall.at(7, 1), hall.at(1, 3)]
    marks = [await hall.advance(target) for target in targets]
    assert overshot(marks, targets=targets, tail=hall.at(1, 3)) == []
    newcomer = await hall.join(4)
    await hall.look()
    assert (await hall.claim(newcomer)).problem == "not-called"


async def test_a_mark_past_the_tail_would_be_noticed(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, "ARGV[2] < tail and ARGV[2] or tail", "ARGV[2]", "advance")
    hall = await Hall(store).open()
    await hall.join_all(range(1, 4))
    marks = [await hall.advance(hall.at(1, 1_000_000))]
    assert overshot(marks, targets=[hall.at(1, 1_000_000)], tail=hall.at(1, 3)) != []


async def workers_at_once(store: RedisStore, server: RedisServer, make_store, workers: int) -> tuple[list[Place], Hall]:
    """All workers see the same line and call ten people, at once and twice; the marks they were told."""
    hall = await Hall(store).open()
    await hall.join_all(range(1, 101))
    halls = [hall, *(Hall(make_store(server.url)) for _ in range(workers - 1))]
    await asyncio.gather(*(each.look() for each in halls))
    targets = [each.seen.line.mark_after(10) for each in halls] * 2
    marks = await asyncio.gather(
        *(each.store.advance(hall.slug, target) for each, target in zip(halls * 2, targets, strict=True))
    )
    await hall.look()
    return list(marks), hall


@pytest.mark.promise("A3")
@pytest.mark.parametrize("workers", [3, 10])
async def test_many_workers_call_no_more_than_one(
    store: RedisStore, redis_server: RedisServer, make_store, workers: int
) -> None:
    marks, hall = await workers_at_once(store, redis_server, make_store, workers)
    assert overshot(marks, targets=[hall.at(1, 10)], tail=tail(hall.seen)) == []
    assert hall.seen.line.serving == hall.at(1, 10)


async def test_a_relative_mark_would_be_noticed(
    store: RedisStore, redis_server: RedisServer, make_store, monkeypatch: pytest.MonkeyPatch
) -> None:
    relative = "text(string.sub(ARGV[2], 1, 16), rank_of(line.serving) + rank_of(ARGV[2]))"
    plant(monkeypatch, "ARGV[2] < tail and ARGV[2] or tail", relative, "advance")
    marks, hall = await workers_at_once(store, redis_server, make_store, 3)
    assert overshot(marks, targets=[hall.at(1, 10)], tail=tail(hall.seen)) != []


@pytest.mark.promise("A1", "A3")
async def test_three_workers_that_call_everybody_at_once_exceed_no_window(
    store: RedisStore, redis_server: RedisServer, make_store
) -> None:
    """The worst workers, deciding together and wrong, cannot flood the origin: the limit is in the claim."""
    rate_per_second, burst = 100, 5
    hall = await Hall(store).open(rate_per_second=rate_per_second, burst=burst)
    guests = await hall.join_all(range(1, 201))
    redis_server.client.hset(hall.keys.line, "tat_us", 0)
    halls = [hall, *(Hall(make_store(redis_server.url)) for _ in range(2))]
    mints_us: list[int] = []

    async def work(each: Hall) -> None:
        await each.look()
        await store.advance(each.slug, tail(each.seen))

    async def all_tried() -> bool:
        await asyncio.gather(*(work(each) for each in halls))
        claims = [claim for each in halls for claim in await each.claim_all(guests)]
        mints_us.extend(claim.session_started_us for claim in claims if not claim.problem and not claim.repeated)
        return len(mints_us) >= 60

    await eventually(all_tried)
    assert windows_exceeded(mints_us, rate_per_second, burst) == []


async def test_the_decision_keeps_three_seconds_of_rate_called_and_unclaimed(store: RedisStore) -> None:
    hall = await Hall(store).open(rate_per_second=10, burst=10)
    await hall.join_all(range(1, 101))
    for _ in range(5):
        seen = await hall.look()
        decision = decide(Sample(True, 10.0, seen.line.waiting, seen.unclaimed, seen.unclaimed))
        await hall.advance(seen.line.mark_after(decision.people))
    assert (await hall.look()).line.serving == hall.at(1, 30)


async def test_who_answered_is_told_between_marks(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open()
    guests = await hall.join_all(range(1, 11))
    redis_server.client.hset(hall.keys.line, "life", "another")
    guests += await hall.join_all(range(11, 21))
    await hall.call()
    assert await store.answered(hall.slug, [START, hall.at(2, 10)]) == [0]
    await hall.claim_all([guests[0], guests[4], guests[9], guests[10]])
    await hall.leave(guests[19])
    marks = [START, hall.at(1, 4), hall.at(1, 4), hall.at(2, 5), hall.at(2, 10)]
    assert await store.answered(hall.slug, marks) == [1, 0, 3, 1]
    assert await store.answered(hall.slug, []) == await store.answered(hall.slug, marks[:1]) == []


async def test_what_a_snapshot_tells_of_the_mark_never_goes_back(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open()
    guests = await hall.join_all(range(1, 31))
    seen: list[Snapshot] = []
    for _ in range(10):
        await hall.call(3)
        seen.append(hall.seen)
    for step in (lambda s: s.line.serving, lambda s: s.line.expired, lambda s: s.open_ms, lambda s: s.now_us):
        assert steps_back([step(snapshot) for snapshot in seen]) == []
    ahead = [snapshot.line.ahead(hall.place(guests[-1])) for snapshot in seen]
    assert steps_back(ahead[::-1]) == []
