"""Quotas, in total and by group: a seat is taken at the claim, settled at completion, and never given twice (A11)."""

from __future__ import annotations

from typing import Any

import pytest

from admission.core.applicant import ApplicantState
from admission.core.changes import with_settings
from admission.core.quota import Taken
from admission.store.change import change_event
from admission.store.redis import RedisStore
from tests.contract.hall import Guest, Hall
from tests.contract.planted import plant
from tests.servers import RedisServer

JAKARTA, BANTEN = "31", "36"


async def hall_with(store: RedisStore, **groups: int) -> Hall:
    """An event with quotas of groups: `g31=2`."""
    quotas = {name[1:]: people for name, people in groups.items()}
    return await Hall(store).open(group_by="province", group_quotas=quotas)


async def people(hall: Hall, count: int, group: str, first: int = 1) -> list[Guest]:
    return [await hall.join(first + i, group=group) for i in range(count)]


async def problems(hall: Hall, guests: list[Guest]) -> list[str]:
    return [(await hall.claim(guest)).problem for guest in guests]


async def set_quota(hall: Hall, **fields: Any) -> None:
    await change_event(
        hall.store, hall.slug, lambda record, _: with_settings(record, **fields), verb="quota", by="test"
    )
    await hall.look()


@pytest.mark.promise("A11")
async def test_a_group_that_is_full_holds_up_nobody_else(store: RedisStore) -> None:
    hall = await hall_with(store, g31=2)
    jakarta = await people(hall, 4, JAKARTA)
    banten = await people(hall, 3, BANTEN, first=10)
    await hall.call()
    assert await problems(hall, jakarta) == ["", "", "group-full", "group-full"]
    assert await problems(hall, banten) == [""] * 3
    assert (await hall.look()).groups == {
        JAKARTA: Taken(reserved=2),
        BANTEN: Taken(reserved=3),
    }


@pytest.mark.promise("A11")
async def test_a_seat_is_settled_once_whatever_is_reported_again(store: RedisStore) -> None:
    hall = await hall_with(store, g31=2)
    first, second, third = await people(hall, 3, JAKARTA)
    await hall.call()
    assert await problems(hall, [first, second, third]) == ["", "", "group-full"]
    for expected in ("completed", "repeated", "repeated"):
        assert await hall.report("completed", first) == [expected]
        assert (await hall.look()).groups[JAKARTA][:2] == (1, 1)
        assert (hall.seen.completed, hall.seen.reserved) == (1, 1)
    assert await hall.report("revoked", second) == ["revoked"]
    assert (await hall.look()).groups[JAKARTA][:2] == (1, 0)
    assert await problems(hall, [third]) == [""]


@pytest.mark.promise("A11")
async def test_a_seat_comes_back_only_when_no_word_of_it_can_be_on_its_way(
    store: RedisStore, redis_server: RedisServer
) -> None:
    hall = await Hall(store).open(quota=1)
    first, second = await hall.join(1), await hall.join(2)
    await hall.admit(first)
    hall.lapse(redis_server, first)
    await hall.advance()
    assert await problems(hall, [second]) == ["door-busy"]
    hall.lapse(redis_server, first, settled=True)
    await hall.advance()
    assert await problems(hall, [second]) == [""]
    assert (await hall.look()).reserved == 1
    assert await hall.report("completed", first) == ["late"]  # more than the quota: it counts, and an alert tells
    assert (await hall.look()).completed == 1
    assert await hall.report("completed", second) == ["completed"]
    assert (await hall.look()).completed == 2


@pytest.mark.promise("B10")
async def test_who_found_the_group_full_keeps_the_place_and_silent_people_expire(
    store: RedisStore, redis_server: RedisServer
) -> None:
    hall = await hall_with(store, g31=1)
    taker, early, late, silent = await people(hall, 4, JAKARTA)
    (banten,) = await people(hall, 1, BANTEN, first=10)
    await hall.admit(taker)
    for guest in (early, late):
        assert await store.pass_over(hall.slug, hall.holder(guest))
    await hall.expire(redis_server)
    assert await problems(hall, [early, silent, banten]) == ["group-full", "group-full", "grace-over"]
    assert await hall.state(early) is ApplicantState.CALLED
    assert [await hall.state(guest) for guest in (silent, banten)] == [ApplicantState.EXPIRED] * 2
    again = await hall.join(2, group=JAKARTA)
    assert (again.number, again.joined.known) == (early.number, True)
    await set_quota(hall, group_quotas={JAKARTA: 2})
    assert await problems(hall, [silent, early, late]) == ["grace-over", "", "group-full"]


async def test_who_came_and_found_the_group_full_is_not_waited_for(store: RedisStore) -> None:
    hall = await hall_with(store, g31=0)
    first, second = await people(hall, 2, JAKARTA)
    await hall.call()
    assert hall.seen.unclaimed == 2
    assert await store.pass_over(hall.slug, hall.holder(first))
    assert not await store.pass_over(hall.slug, hall.holder(first))
    assert (await hall.look()).unclaimed == 1
    assert await hall.state(first) is ApplicantState.CALLED
    assert (await hall.trace(first)).kept
    await set_quota(hall, group_quotas={JAKARTA: 2})
    assert await problems(hall, [first, second]) == ["", ""]
    assert not await store.pass_over(hall.slug, hall.holder(first))
    assert await hall.leave(first) == ""
    assert await hall.state(first) is ApplicantState.LEFT


@pytest.mark.promise("A11")
@pytest.mark.parametrize("looks", [False, True], ids=["", "a-look-at-the-empty-redis"])
async def test_seats_of_sessions_that_redis_lost_stay_taken(
    store: RedisStore, redis_server: RedisServer, looks: bool
) -> None:
    hall = await hall_with(store, g31=2)
    await set_quota(hall, quota=3)
    guests = await people(hall, 3, JAKARTA)
    await hall.call()
    assert await problems(hall, guests) == ["", "", "group-full"]
    assert await hall.report("completed", guests[0]) == ["completed"]
    await hall.look()
    record = hall.seen.record
    assert record is not None
    redis_server.client.flushall()
    if looks:
        assert (await hall.look()).record is None
    await hall.put(record)
    await hall.call()
    assert (hall.seen.completed, hall.seen.reserved, hall.seen.groups[JAKARTA][:2]) == (1, 1, (1, 1))
    newcomers = [await hall.join(20, group=JAKARTA), await hall.join(21), await hall.join(22)]
    await hall.call()
    assert await problems(hall, newcomers) == ["group-full", "", "door-busy"]


@pytest.mark.parametrize("shared_server", ["redis"], indirect=True)
async def test_a_seat_that_is_not_reserved_would_be_given_twice(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, "completed + reserved + missing('lost', group, seat_us) >= quota", "completed >= quota", "claim")
    hall = await hall_with(store, g31=1)
    guests = await people(hall, 2, JAKARTA)
    await hall.call()
    assert await problems(hall, guests) == ["", ""]
    await hall.report("completed", *guests)
    assert (await hall.look()).groups[JAKARTA].completed == 2
