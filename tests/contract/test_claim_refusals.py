"""Claims that are refused, each for its own reason, and what stays open all the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from admission.store.protocol import Claimed
from admission.store.redis import RedisStore
from tests.contract.hall import Hall
from tests.servers import RedisServer


async def test_quota_counts_the_completed_and_reserves_for_those_inside(store: RedisStore) -> None:
    hall = await Hall(store).open(quota=3)
    guests = await hall.join_all(range(1, 11))
    await hall.call()
    claims = await hall.claim_all(guests)
    inside = [guest for guest, claim in zip(guests, claims, strict=True) if not claim.problem]
    outside = [guest for guest in guests if guest not in inside]
    assert len(inside) == 3 and {claim.problem for claim in claims} == {"", "door-busy"}
    assert await hall.report("completed", *inside[:2]) == ["completed"] * 2
    assert (await hall.claim(outside[0])).problem == "door-busy"
    await hall.report("left", inside[2])  # gives its reserved seat back
    assert (await hall.claim(outside[0])).problem == ""
    await hall.report("completed", outside[0])
    assert (await hall.claim(outside[1])).problem == "event-full"
    assert (await hall.look()).completed == 3


async def test_a_quota_of_nothing_admits_nobody(store: RedisStore) -> None:
    hall = await Hall(store).open(quota=0)
    guest = await hall.join(1)
    await hall.call()
    assert (await hall.claim(guest)).problem == "event-full"


async def test_not_called_is_refused_until_the_mark_arrives(store: RedisStore) -> None:
    hall = await Hall(store).open()
    one, two = await hall.join(1), await hall.join(2)
    await hall.look()
    assert (await hall.claim(one)).problem == "not-called"
    await hall.call(1)
    assert [claim.problem for claim in await hall.claim_all([one, two])] == ["", "not-called"]


@pytest.mark.promise("B8")
async def test_after_the_grace_a_claim_is_refused_though_the_mark_moved_on(
    store: RedisStore, redis_server: RedisServer
) -> None:
    hall = await Hall(store).open()
    late = await hall.join(1)
    await hall.call()
    await hall.expire(redis_server)
    fresh = await hall.join(2)
    await hall.call()
    assert (await hall.claim(late)).problem == "grace-over"
    assert (await hall.state(late)).value == "expired"
    assert (await hall.claim(fresh)).problem == ""


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("schedule", "problem"),
    [
        ({"paused": True}, "event-paused"),
        ({"opens_at": HOUR}, "event-not-open"),
        ({"closes_at": -HOUR}, "event-closed"),
        ({"opens_at": -HOUR, "closes_at": HOUR}, ""),
        ({"closes_at": -HOUR, "paused": True, "quota": 0}, "event-closed"),
    ],
)
async def test_the_schedule_is_judged_at_the_door(store: RedisStore, schedule: dict, problem: str) -> None:
    now = datetime.now(UTC)
    fields = {name: now + at if isinstance(at, timedelta) else at for name, at in schedule.items()}
    hall = await Hall(store).open(**fields)
    guest = await hall.join(1)
    await hall.call()
    assert (await hall.claim(guest)).problem == problem


async def test_a_session_that_began_goes_on_while_the_event_is_paused(store: RedisStore) -> None:
    hall = await Hall(store).open()
    guest = await hall.join(1)
    first = await hall.admit(guest)
    await hall.open(version=2, paused=True)
    assert await hall.claim(guest) == Claimed("", first.session_started_us, repeated=True)


@pytest.mark.parametrize(("ending", "problem"), [("left", "left"), ("revoked", "left"), ("completed", "completed")])
async def test_an_ended_place_is_never_admitted_again(store: RedisStore, ending: str, problem: str) -> None:
    hall = await Hall(store).open()
    guest = await hall.join(1)
    await hall.admit(guest)
    if ending == "left":
        await hall.leave(guest)
    else:
        await hall.report(ending, guest)
    assert (await hall.claim(guest)).problem == problem
    assert (await hall.look()).admitted == 1


async def test_somebody_who_left_while_waiting_is_not_admitted_when_called(store: RedisStore) -> None:
    for identity, person in ((True, 1), (False, 0)):
        hall = await Hall(store, f"identity-{identity}".lower()).open(identity=identity)
        guest = await hall.join(person)
        await hall.look()
        assert await hall.leave(guest) == ""
        await hall.call()
        assert (await hall.claim(guest)).problem == "left"
