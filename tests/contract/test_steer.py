"""What a control law allows holds at the claim, and one worker at a time sets it (A7, A8)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from admission.core.control.allowance import Allowance
from admission.core.control.heard import Heard
from admission.core.control.laws import LawName
from admission.store.redis import RedisStore
from tests.contract.hall import Hall
from tests.contract.planted import plant
from tests.servers import RedisServer

LEASE_SECONDS = 0.3
ALLOWANCE = Allowance(5, 100_000.0, "origin-bad")
FAST = {"law": LawName.AIMD, "rate_per_second": 100_000, "burst": 100, "capacity": 50}


async def inside(hall: Hall, server: RedisServer, people: int = 20) -> int:
    """How many of so many more people get in at once, with a full bucket and nobody waiting."""
    server.client.hdel(hall.keys.line, "door_us")
    server.client.hset(hall.keys.line, "tat_us", 0)
    first = (await hall.look()).line.size + 1
    guests = await hall.join_all(range(first, first + people))
    await hall.call()
    return sum(claimed.problem == "" for claimed in await hall.claim_all(guests))


async def test_no_more_sessions_run_than_are_allowed(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open(**FAST)
    assert await store.steer(hall.slug, "one", LEASE_SECONDS, ALLOWANCE)
    assert (await hall.look()).allowance == ALLOWANCE
    assert await inside(hall, redis_server) == 5
    await store.steer(hall.slug, "one", LEASE_SECONDS, ALLOWANCE._replace(sessions=1000))
    assert await inside(hall, redis_server, 60) == 45, "the operator's capacity wins"


async def test_the_rate_is_the_lower_one(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open(**FAST | {"burst": 1})
    slow = Allowance(50, 0.5, "stale")
    await store.steer(hall.slug, "one", LEASE_SECONDS, slow)
    assert (await hall.look()).allowance == slow
    assert await inside(hall, redis_server) == 1
    late = await hall.join(9)
    await hall.call()
    claimed = await hall.claim(late)
    assert claimed.problem == "door-busy" and 1 < claimed.retry_seconds <= 2
    await store.steer(hall.slug, "one", LEASE_SECONDS, slow._replace(rate_per_second=1_000_000.0))
    assert (await hall.look()).allowance == slow._replace(rate_per_second=1_000_000.0)
    assert await inside(hall, redis_server, 1) == 1


async def test_while_the_origin_rests_nobody_is_let_in(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open(**FAST)
    await store.steer(hall.slug, "one", LEASE_SECONDS, Allowance(50, 0.0, "retry-after"))
    guest = await hall.join(1)
    await hall.call()
    claimed = await hall.claim(guest)
    assert (claimed.problem, claimed.retry_seconds) == ("door-busy", 1.0)
    await store.steer(hall.slug, "one", LEASE_SECONDS, Allowance(50, 100_000.0, "growing"))
    redis_server.client.hset(hall.keys.line, "tat_us", 0)
    assert (await hall.claim(guest)).problem == ""


async def test_by_hand_the_operator_s_bounds_are_all(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open(**FAST)
    await store.steer(hall.slug, "one", LEASE_SECONDS, ALLOWANCE)
    assert await inside(hall, redis_server) == 5
    await hall.open(version=2, **FAST | {"law": LawName.FIXED})
    assert hall.seen.allowance is None
    assert await inside(hall, redis_server) == 20


@pytest.mark.promise("C3")
async def test_one_worker_at_a_time_steers_and_the_next_one_takes_over(store: RedisStore) -> None:
    hall = await Hall(store).open(**FAST)
    assert await store.steer(hall.slug, "one", LEASE_SECONDS, ALLOWANCE)
    assert not await store.steer(hall.slug, "two", LEASE_SECONDS, ALLOWANCE._replace(sessions=50))
    assert await store.steer(hall.slug, "one", LEASE_SECONDS, ALLOWANCE), "renewed"
    assert (await hall.look()).allowance == ALLOWANCE
    await asyncio.sleep(LEASE_SECONDS * 1.5)
    assert await store.steer(hall.slug, "two", LEASE_SECONDS, ALLOWANCE._replace(sessions=7))
    assert not await store.steer(hall.slug, "one", LEASE_SECONDS, ALLOWANCE._replace(sessions=50)), (
        "stood still meanwhile"
    )
    assert (await hall.look()).allowance == ALLOWANCE._replace(sessions=7)


async def test_a_lease_that_fences_nobody_would_be_noticed(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, "holder and holder ~= ARGV[2] or ", "", "steer")
    with pytest.raises(AssertionError):
        await test_one_worker_at_a_time_steers_and_the_next_one_takes_over(store)


@pytest.mark.parametrize(
    ("verb", "sound", "broken", "test"),
    [
        ("claim", "math.min(capacity, sessions)", "capacity", test_no_more_sessions_run_than_are_allowed),
        ("put_event", "'steered') ~= '1'", "'steered') == '2'", test_by_hand_the_operator_s_bounds_are_all),
    ],
)
async def test_a_claim_that_heeds_no_law_would_be_noticed(
    store: RedisStore,
    redis_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
    sound: str,
    broken: str,
    test: Callable[[RedisStore, RedisServer], Awaitable[None]],
) -> None:
    plant(monkeypatch, sound, broken, verb)
    with pytest.raises(AssertionError):
        await test(store, redis_server)


async def test_what_is_heard_of_the_origin_is_read_once(store: RedisStore) -> None:
    hall = await Hall(store).open(**FAST)
    words = [
        Heard(answers=10),
        Heard(answers=20, errors=3, latency_seconds=0.25, saturation=0.5, retry_after_seconds=2),
    ]
    assert await store.health(hall.slug, "0") == ([], "0")
    for word in words:
        await store.note_health(hall.slug, word)
    found, last = await store.health(hall.slug, str(hall.seen.now_us // 1000 - 1000))
    assert found == words
    assert await store.health(hall.slug, last) == ([], last)
    await store.note_health(hall.slug, words[0])
    assert (await store.health(hall.slug, last))[0] == words[:1]


async def test_a_slower_bucket_has_no_room_for_many_at_once(store: RedisStore, redis_server: RedisServer) -> None:
    """The law slows down while the door is busy: nobody gets in by that."""
    hall = await Hall(store).open(**FAST | {"rate_per_second": 100.0, "burst": 100, "capacity": 500})
    await store.steer(hall.slug, "one", LEASE_SECONDS, Allowance(500, 100.0, "growing"))
    assert await inside(hall, redis_server, 150) < 120
    guests = await hall.join_all(range(201, 301))
    await hall.call()
    redis_server.client.hdel(hall.keys.line, "door_us")
    await store.steer(hall.slug, "one", LEASE_SECONDS, Allowance(500, 20.0, "stale"))
    assert sum(claimed.problem == "" for claimed in await hall.claim_all(guests)) <= 20


async def test_a_law_that_is_switched_on_later_knows_nothing_of_an_older_one(store: RedisStore) -> None:
    hall = await Hall(store).open(**FAST)
    await store.steer(hall.slug, "one", LEASE_SECONDS, Allowance(1, 0.0, "retry-after"))
    by_hand = FAST | {"law": LawName.FIXED}
    await hall.open(version=2, **by_hand)
    assert not await store.steer(hall.slug, "one", LEASE_SECONDS, ALLOWANCE), "whoever has the older record"
    await hall.open(version=3, **FAST)
    assert hall.seen.allowance is None
