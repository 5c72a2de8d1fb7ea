"""Claiming: rate, capacity, quota, grace, schedule and identity are judged in one step (A1, A2, B4, B6)."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from admission.core.line import Place
from admission.store.protocol import Claimed
from admission.store.redis import RedisStore
from loadtests.judges import Session, most_at_once, windows_exceeded, worst_overtaking
from tests.contract.hall import Guest, Hall
from tests.contract.planted import plant
from tests.eventually import eventually
from tests.servers import RedisServer

RATE_PER_SECOND, BURST = 200, 10
NO_BUCKET = ("tat_us, active, line.admitted = tat_us + interval_us", "tat_us, active, line.admitted = tat_us + 0")


async def surge(halls: list[Hall], people: int, seconds: float) -> list[int]:
    """Everybody claims at once, again and again, through all stores; returns the starts of sessions."""
    guests = await halls[0].join_all(range(1, people + 1))
    await halls[0].call()
    await asyncio.gather(*(hall.look() for hall in halls))
    mints_us: list[int] = []
    deadline = time.monotonic() + seconds
    while guests and time.monotonic() < deadline:
        claims = await asyncio.gather(*(halls[i % len(halls)].claim(guest) for i, guest in enumerate(guests)))
        assert {claim.problem for claim in claims} <= {"", "door-busy"}
        assert all(claim.retry_seconds > 0 for claim in claims if claim.problem)
        mints_us += [claim.session_started_us for claim in claims if not claim.problem]
        guests = [guest for guest, claim in zip(guests, claims, strict=True) if claim.problem]
    return mints_us


async def several(store: RedisStore, server: RedisServer, make_store, **fields) -> list[Hall]:
    first = await Hall(store).open(**fields)
    return [first, Hall(make_store(server.url)), Hall(make_store(server.url))]


@pytest.mark.promise("A1")
async def test_no_window_holds_more_sessions_than_configured(
    store: RedisStore, redis_server: RedisServer, make_store
) -> None:
    halls = await several(store, redis_server, make_store, rate_per_second=RATE_PER_SECOND, burst=BURST)
    redis_server.client.hset(halls[0].keys.line, "tat_us", 0)  # a full bucket, so that a burst is among it
    mints_us = await surge(halls, people=600, seconds=1.5)
    assert windows_exceeded(mints_us, RATE_PER_SECOND, BURST) == []
    assert 3 * BURST < len(mints_us) < 600  # it binds, and does not merely refuse
    assert (await halls[0].look()).admitted == len(mints_us)


async def test_a_door_without_a_token_bucket_would_be_noticed(
    store: RedisStore, redis_server: RedisServer, make_store, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, *NO_BUCKET, "claim")
    halls = await several(store, redis_server, make_store, rate_per_second=RATE_PER_SECOND, burst=BURST)
    redis_server.client.hset(halls[0].keys.line, "tat_us", 0)
    mints_us = await surge(halls, people=600, seconds=1.5)
    assert windows_exceeded(mints_us, RATE_PER_SECOND, BURST) != []


@pytest.mark.promise("A1")
async def test_an_odd_rate_never_gains_by_rounding(store: RedisStore, redis_server: RedisServer) -> None:
    """3000 a second are 333.3 µs apart: an interval that is rounded down at each claim would add up."""
    hall = await Hall(store).open(rate_per_second=3000, burst=3000)
    guests = await hall.join_all(range(1, 61))
    await hall.call()
    seconds, microseconds = redis_server.client.time()
    before_us = seconds * 1_000_000 + microseconds + 500_000  # half of the bucket is spent already
    redis_server.client.hset(hall.keys.line, "tat_us", before_us)
    for guest in guests:
        assert (await hall.claim(guest)).problem == ""
    spent_us = int(redis_server.client.hget(hall.keys.line, "tat_us")) - before_us
    assert spent_us >= len(guests) * 1_000_000 / 3000


@pytest.mark.promise("A1", "A5")
async def test_idle_time_is_not_stored_beyond_the_burst(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open(rate_per_second=5, burst=3)
    guests = await hall.join_all(range(1, 51))
    await hall.call()
    redis_server.client.hset(hall.keys.line, "tat_us", 0)  # nobody came for half a century
    claims = await hall.claim_all(guests)
    assert sum(not claim.problem for claim in claims) == 3


async def test_the_door_says_when_to_come_back(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open(rate_per_second=4, burst=1)
    one, two = await hall.join(1), await hall.join(2)
    await hall.call()
    redis_server.client.hset(hall.keys.line, "tat_us", 0)
    assert (await hall.claim(one)).problem == ""
    refused = await hall.claim(two)
    assert refused.problem == "door-busy" and 0 < refused.retry_seconds <= 0.25


@pytest.mark.promise("A5")
async def test_a_clock_that_jumped_back_shuts_the_door_for_a_second_at_most(
    store: RedisStore, redis_server: RedisServer
) -> None:
    hall = await Hall(store).open(rate_per_second=10, burst=1)
    guest = await hall.join(1)
    await hall.call()
    seconds, _ = redis_server.client.time()
    redis_server.client.hset(hall.keys.line, "tat_us", (seconds + 3600) * 1_000_000)
    refused = await hall.claim(guest)
    assert refused.problem == "door-busy" and refused.retry_seconds <= 1.0


async def test_a_new_event_lets_nobody_in_ahead_of_its_bucket(store: RedisStore) -> None:
    hall = await Hall(store).open(rate_per_second=10, burst=1)
    guest = await hall.join(1)
    await hall.call()
    assert (await hall.claim(guest)).problem == "door-busy"


@pytest.mark.promise("A4")
async def test_a_repeated_claim_is_the_same_session_and_costs_nothing(
    store: RedisStore, redis_server: RedisServer
) -> None:
    hall = await Hall(store).open(rate_per_second=1, burst=1, capacity=1)
    guest, other = await hall.join(1), await hall.join(2)
    await hall.call()
    redis_server.client.hset(hall.keys.line, "tat_us", 0)
    first = await hall.claim(guest)
    tat = redis_server.client.hget(hall.keys.line, "tat_us")
    again = await hall.claim_all([guest] * 200)
    assert first.problem == "" and not first.repeated
    assert set(again) == {Claimed("", first.session_started_us, repeated=True)}
    assert redis_server.client.hget(hall.keys.line, "tat_us") == tat
    assert (await hall.look()).admitted == 1
    assert (await hall.claim(other)).problem == "door-busy"


@pytest.mark.promise("B4", "D3")
async def test_two_hundred_first_claims_of_one_ticket_make_one_session(store: RedisStore) -> None:
    hall = await Hall(store).open()
    guest = await hall.join(1)
    await hall.call()
    claims = await hall.claim_all([guest] * 200)
    assert [claim.problem for claim in claims] == [""] * 200
    assert len({claim.session_started_us for claim in claims}) == 1
    assert sum(not claim.repeated for claim in claims) == 1
    assert (await hall.look()).admitted == 1


@pytest.mark.promise("A2")
async def test_capacity_bounds_the_sessions_at_once(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open(capacity=20)
    guests = await hall.join_all(range(1, 101))
    await hall.call()
    waiting, sessions = list(guests), list[Session]()
    while waiting:
        claims = await hall.claim_all(waiting)
        inside = [guest for guest, claim in zip(waiting, claims, strict=True) if not claim.problem]
        starts_us = [claim.session_started_us for claim in claims if not claim.problem]
        assert 1 <= len(inside) <= 20
        assert {claim.problem for claim in claims} <= {"", "door-busy"}
        assert (await hall.look()).sessions <= 20
        await hall.report("completed", *inside)
        seconds, microseconds = redis_server.client.time()
        end_us = seconds * 1_000_000 + microseconds
        sessions += [Session(g.number, s, end_us) for g, s in zip(inside, starts_us, strict=True)]
        waiting = [guest for guest in waiting if guest not in inside]
    assert most_at_once(sessions) == 20


@pytest.mark.promise("A2")
@pytest.mark.parametrize("looks", [False, True], ids=["", "a-look-at-the-empty-redis"])
async def test_sessions_that_redis_lost_count_until_they_must_have_ended(
    store: RedisStore, redis_server: RedisServer, looks: bool
) -> None:
    hall = await Hall(store).open(capacity=3)
    guests = await hall.join_all(range(1, 6))
    await hall.call()
    assert [claimed.problem for claimed in await hall.claim_all(guests[:2])] == ["", ""]
    record = (await hall.look()).record
    assert record is not None
    redis_server.client.flushall()
    if looks:
        await hall.look()
    await hall.put(record)
    await hall.call()
    redis_server.client.hset(hall.keys.line, "tat_us", 0)
    assert hall.seen.sessions == 2
    assert [claimed.problem for claimed in await hall.claim_all(guests[2:])] == ["", "door-busy", "door-busy"]
    redis_server.client.hincrby(hall.keys.line, "lost_at_us", -record.event.session_seconds * 1_000_000)
    assert (await hall.look()).sessions == 1
    assert [claimed.problem for claimed in await hall.claim_all(guests[3:])] == ["", ""]


async def test_a_door_without_capacity_would_be_noticed(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, "active >= capacity", "false", "claim")
    hall = await Hall(store).open(capacity=20)
    guests = await hall.join_all(range(1, 101))
    await hall.call()
    claims = await hall.claim_all(guests)
    starts_us = [claim.session_started_us for claim in claims if not claim.problem]
    assert most_at_once(Session(i, start, start + 900_000_000) for i, start in enumerate(starts_us)) > 20


@pytest.mark.parametrize("how", ["left", "completed", "revoked", "lapsed"])
async def test_a_seat_that_becomes_free_is_given_again(store: RedisStore, redis_server: RedisServer, how: str) -> None:
    hall = await Hall(store).open(capacity=1)
    one, two = await hall.join(1), await hall.join(2)
    await hall.admit(one)
    refused = await hall.claim(two)
    assert refused.problem == "door-busy" and refused.retry_seconds == 1.0
    if how == "lapsed":
        hall.lapse(redis_server, one)
    else:
        await hall.report(how, one)
    assert (await hall.claim(two)).problem == ""


async def test_a_session_ends_by_the_servers_own_clock(store: RedisStore) -> None:
    hall = await Hall(store).open(session_seconds=1, capacity=1)
    one, two = await hall.join(1), await hall.join(2)
    first = await hall.admit(one)

    async def admitted() -> Claimed | None:
        claimed = await hall.claim(two)
        return claimed if not claimed.problem else None

    second = await eventually(admitted)
    assert second.session_started_us - first.session_started_us >= 1_000_000
    assert (await hall.state(one)).value == "lapsed"
    assert (await hall.claim(one)).problem == "session-lapsed"


@pytest.mark.promise("B4")
async def test_another_browsers_place_may_enter_once_the_first_has_lapsed_and_then_holds_the_line(
    store: RedisStore, redis_server: RedisServer
) -> None:
    hall = await Hall(store).open()
    first, second = await hall.join(7, browser=1), await hall.join(7, browser=2)
    await hall.admit(first)
    assert (await hall.claim(second)).problem == "identity-in-line"
    hall.lapse(redis_server, first)
    assert (await hall.claim(second)).problem == ""
    assert (await hall.claim(first)).problem == "identity-in-line"
    await hall.report("completed", second)
    third = await hall.join(7, browser=3)
    await hall.call()
    assert (await hall.claim(third)).problem == "identity-in-line"


async def crowd_at_the_door(store: RedisStore, *, cap: int) -> tuple[list[Place], float]:
    """300 people, called `cap` at a time, claim in a random order; the order of admission, and the slowest round."""
    shuffle = random.Random(6).shuffle
    hall = await Hall(store).open(rate_per_second=2000, burst=100)
    outside: list[Guest] = await hall.join_all(range(1, 301))
    admitted: list[tuple[int, int, Place]] = []
    slowest = 0.0
    deadline = time.monotonic() + 10
    while outside and time.monotonic() < deadline:
        began = time.monotonic()
        await hall.call(cap - hall.seen.unclaimed)
        shuffle(outside)
        claims = await hall.claim_all(outside)
        for order, (guest, claim) in enumerate(zip(outside, claims, strict=True)):
            if not claim.problem:
                admitted.append((claim.session_started_us, order, hall.place(guest)))
        outside = [guest for guest, claim in zip(outside, claims, strict=True) if claim.problem]
        slowest = max(slowest, time.monotonic() - began)
    assert not outside
    return [place for *_, place in sorted(admitted)], slowest


@pytest.mark.promise("B6")
async def test_first_come_is_first_served_within_the_people_called(store: RedisStore) -> None:
    admitted, slowest_seconds = await crowd_at_the_door(store, cap=20)
    assert worst_overtaking(admitted) <= 20 + 2000 * slowest_seconds
    assert worst_overtaking(admitted) < 150  # else this run was too slow to show anything


async def test_a_door_open_to_the_uncalled_would_be_noticed(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, "(place > line.serving and 'not-called')", "nil", "claim")
    admitted, _ = await crowd_at_the_door(store, cap=20)
    assert worst_overtaking(admitted) >= 150


async def tell_to_wait(make_store, server: RedisServer) -> tuple[Hall, Hall, list[Guest]]:
    """One seat, which is free again; two people at two gateways who were told to wait while it was taken."""
    here, there = Hall(make_store(server.url)), Hall(make_store(server.url))
    await here.open(capacity=1, rate_per_second=100_000, burst=100)
    server.client.hset(here.keys.line, "tat_us", 0)
    guests = await here.join_all(range(1, 4))
    await here.call()
    await there.look()
    assert (await here.claim(guests[0])).problem == ""
    assert (await there.claim(guests[2])).problem == "door-busy"
    assert (await here.claim(guests[1])).problem == "door-busy"
    await here.report("completed", guests[0])
    return here, there, guests


@pytest.mark.promise("B6")
async def test_the_earliest_who_waits_goes_first_at_whatever_gateway(make_store, redis_server: RedisServer) -> None:
    here, there, guests = await tell_to_wait(make_store, redis_server)
    assert (await there.claim(guests[2])).problem == "door-busy"
    assert (await here.claim(guests[1])).problem == ""
    await here.report("completed", guests[1])
    assert (await there.claim(guests[2])).problem == ""


async def test_who_waits_and_goes_away_holds_nobody_up(make_store, redis_server: RedisServer) -> None:
    _, there, guests = await tell_to_wait(make_store, redis_server)
    await asyncio.sleep(0.25)
    assert (await there.claim(guests[2])).problem == ""


async def test_a_door_without_an_order_would_be_noticed(
    make_store, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, "place <= (line.door or '')", "true", "claim")
    with pytest.raises(AssertionError):
        await test_the_earliest_who_waits_goes_first_at_whatever_gateway(make_store, redis_server)
