"""The grace runs on the open clock: never shorter than promised, and told to every gateway in time (B3, B8)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from admission.core.line import START
from admission.store.redis import RedisStore
from tests.contract.hall import Hall
from tests.contract.planted import plant
from tests.servers import RedisServer


def clock_of(server: RedisServer, hall: Hall) -> int:
    return int(server.client.hget(hall.keys.line, "open_ms"))


async def tick(hall: Hall, server: RedisServer, since_ms: int) -> int:
    """One tick of a worker that was last heard `since_ms` ago; returns how far the open clock went."""
    server.client.hincrby(hall.keys.line, "ticked_us", -since_ms * 1000)
    before_ms = clock_of(server, hall)
    await hall.advance(START)
    return clock_of(server, hall) - before_ms


async def test_the_open_clock_runs_with_the_ticks(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open()
    assert 500 <= await tick(hall, redis_server, 500) < 1000


@pytest.mark.promise("B8")
async def test_time_in_which_nothing_ticked_is_nobodys_grace(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open()
    assert 2000 <= await tick(hall, redis_server, 2_000) < 2100
    for outage_ms in (3_000, 600_000):
        assert await tick(hall, redis_server, outage_ms) == 0, "nobody was served"


@pytest.mark.promise("B8")
@pytest.mark.parametrize("wait", ["paused", "scheduled", "closed"])
async def test_the_open_clock_stands_while_the_event_is_not_open(
    store: RedisStore, redis_server: RedisServer, wait: str
) -> None:
    now, hour = datetime.now(UTC), timedelta(hours=1)
    fields = {"paused": {"paused": True}, "scheduled": {"opens_at": now + hour}, "closed": {"closes_at": now - hour}}
    hall = await Hall(store).open()
    guest = await hall.join(1)
    await hall.call()
    await hall.open(version=2, **fields[wait])
    for _ in range(10):
        assert await tick(hall, redis_server, 60_000) == 0
    assert (await hall.state(guest)).value == "called"
    await hall.open(version=3)
    assert await tick(hall, redis_server, 0) < 1000  # the time of the pause is not made up for
    assert (await hall.claim(guest)).problem == ""


@pytest.mark.promise("B8")
async def test_the_open_clock_stands_while_all_seats_are_taken(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open(quota=1)
    taker, guest = await hall.join(1), await hall.join(2)
    await hall.admit(taker)
    for _ in range(10):
        assert await tick(hall, redis_server, 60_000) == 0
    assert (await hall.claim(guest)).problem == "door-busy"
    await hall.report("left", taker)
    assert await tick(hall, redis_server, 500) >= 500
    assert (await hall.claim(guest)).problem == ""


@pytest.mark.promise("A5")
async def test_a_backward_jump_of_the_wall_clock_does_not_move_the_open_clock(
    store: RedisStore, redis_server: RedisServer
) -> None:
    hall = await Hall(store).open()
    assert await tick(hall, redis_server, -60_000) == 0


@pytest.mark.promise("B8")
async def test_only_those_called_a_grace_ago_expire(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open(grace_seconds=10)
    early, late = await hall.join(1), await hall.join(2)
    await hall.call(1)
    for _ in range(4):
        await tick(hall, redis_server, 2000)
    await hall.call(1)
    assert (await hall.state(early)).value == "called"
    for _ in range(2):
        await tick(hall, redis_server, 2000)
    assert (await hall.state(early)).value == "expired"
    assert (await hall.state(late)).value == "called"
    for _ in range(4):
        await tick(hall, redis_server, 2000)
    assert (await hall.state(late)).value == "expired"


@pytest.mark.promise("B8")
async def test_a_grace_is_never_shorter_than_promised(store: RedisStore, redis_server: RedisServer) -> None:
    """People called one by one, 300 ms apart: at the tick at which each expires, a whole grace has passed."""
    hall = await Hall(store).open(grace_seconds=5)
    await hall.join_all(range(1, 31))
    called_ms: dict[int, int] = {}
    expired_ms: dict[int, int] = {}
    for _ in range(60):
        await tick(hall, redis_server, 300)
        mark = await hall.call(1)
        now_ms = hall.seen.open_ms
        called_ms.setdefault(mark.rank, now_ms)
        for rank in range(1, hall.seen.line.expired.rank + 1):
            expired_ms.setdefault(rank, now_ms)
    graces_ms = [expired_ms[rank] - called_ms[rank] for rank in expired_ms]
    assert len(graces_ms) == 30
    assert min(graces_ms) >= 5000 and max(graces_ms) < 5000 + 1000 + 2 * 350


async def deadlines_and_ends(hall: Hall, server: RedisServer, looks_every: int) -> dict[int, tuple[int, int]]:
    """30 people called 150 ms apart, with a look every few steps: by rank, the deadline that a gateway shows by the
    calls it was told, and the open clock at which the grace was over."""
    await hall.join_all(range(1, 31))
    calls, ended_ms = list((await hall.look()).calls), dict[int, int]()
    for step in range(80):
        await tick(hall, server, 150)
        mark = await hall.advance(hall.at(1, step + 1))
        if step % looks_every == 0:
            calls += (await hall.look()).calls
        expired, open_ms = server.client.hmget(hall.keys.line, "expired", "open_ms")
        for rank in range(1, int(expired[16:]) + 1):
            ended_ms.setdefault(rank, int(open_ms))
        assert mark.rank == min(30, step + 1)
    calls += (await hall.look()).calls
    shown = {rank: next(c.open_ms for c in calls if c.place.rank >= rank) + 5000 for rank in ended_ms}
    return {rank: (shown[rank], ended_ms[rank]) for rank in ended_ms}


@pytest.mark.promise("B8")
@pytest.mark.parametrize("looks_every", [1, 2, 5])
async def test_no_gateway_shows_a_later_deadline_than_the_true_one(
    store: RedisStore, redis_server: RedisServer, looks_every: int
) -> None:
    hall = await Hall(store).open(grace_seconds=5)
    found = await deadlines_and_ends(hall, redis_server, looks_every)
    assert sorted(found) == list(range(1, 31))
    assert {rank: pair for rank, pair in found.items() if pair[0] > pair[1]} == {}


async def a_call_between_two_looks(hall: Hall, server: RedisServer) -> tuple[int, int]:
    """When the second of three people was called: as a gateway is told by its looks, and as the store keeps it."""
    await hall.join_all(range(1, 4))
    calls = list((await hall.look()).calls)
    for rank, open_ms in ((1, 100), (2, 500), (3, 1200)):
        server.client.hset(hall.keys.line, "open_ms", open_ms)
        await hall.advance(hall.at(1, rank))
        if rank != 2:
            calls += (await hall.look()).calls
    kept = server.client.zrange(hall.keys.calls, 0, -1, withscores=True)
    told_ms = next(call.open_ms for call in calls if call.place >= hall.at(1, 2))
    return told_ms, int(next(score for place, score in kept if int(place[16:]) >= 2))


async def test_a_step_that_came_between_two_looks_is_told_all_the_same(
    store: RedisStore, redis_server: RedisServer
) -> None:
    told_ms, kept_ms = await a_call_between_two_looks(await Hall(store).open(), redis_server)
    assert told_ms <= kept_ms


async def test_a_stamp_that_is_used_twice_would_be_noticed(
    store: RedisStore, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, "whole(open_ms - open_ms % 1000), '+inf')", "second_ms, second_ms)", "advance")
    plant(
        monkeypatch,
        "local latest =",
        "local second_ms = math.ceil(open_ms / 1000) * 1000 local latest =",
        "advance",
    )
    plant(monkeypatch, "whole(math.max(open_ms, (latest[2] or -1) + 1))", "second_ms", "advance")
    told_ms, kept_ms = await a_call_between_two_looks(await Hall(store).open(), redis_server)
    assert told_ms > kept_ms


async def test_a_gateway_is_told_all_calls_again_after_a_restart(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open(grace_seconds=60)
    await hall.join_all(range(1, 4))
    for _ in range(3):
        await hall.call(1)
        await tick(hall, redis_server, 1500)
    redis_server.client.hset(hall.keys.line, "life", "another")  # what a restart with all data looks like
    await hall.join(4)
    calls = [call for _ in range(2) for call in (await hall.look()).calls]
    assert [call.place.rank for call in calls] == [1, 2, 3]
    assert (await hall.look()).calls == ()


async def test_steps_of_the_mark_are_kept_for_the_grace_only(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open(grace_seconds=5)
    await hall.join_all(range(1, 201))
    most = 0
    for _ in range(100):
        await tick(hall, redis_server, 200)
        await hall.call(2)
        most = max(most, redis_server.client.zcard(hall.keys.calls))
    assert most <= 5 + 3


@pytest.mark.promise("B8")
async def test_people_called_in_another_life_get_a_whole_grace(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open(grace_seconds=10)
    guests = await hall.join_all(range(1, 4))
    await hall.call()
    record = hall.seen.record
    redis_server.client.flushall()
    await hall.put(record)
    await tick(hall, redis_server, 2000)
    for _ in range(4):
        assert {(await hall.state(guest)).value for guest in guests} == {"called"}
        await tick(hall, redis_server, 2000)
    for _ in range(2):
        await tick(hall, redis_server, 2000)
    assert {(await hall.state(guest)).value for guest in guests} == {"expired"}
