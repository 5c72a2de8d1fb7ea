"""Leaving, and the origin's word: each counts once, whatever is repeated or late (A4, A11)."""

from __future__ import annotations

import asyncio

import pytest

from admission.store.redis import RedisStore
from loadtests.judges import steps_back
from tests.contract.hall import Hall
from tests.contract.planted import plant
from tests.servers import RedisServer


async def test_leaving_is_done_once_and_may_be_repeated(store: RedisStore) -> None:
    hall = await Hall(store).open()
    guest = await hall.join(1)
    assert (await hall.state(guest)).value == "waiting"
    assert [await hall.leave(guest) for _ in range(3)] == ["", "", ""]
    await hall.call()
    assert (await hall.state(guest)).value == "left"


@pytest.mark.promise("A2", "A11")
async def test_a_seat_is_held_until_the_site_tells_of_the_end_also_by_who_leaves(store: RedisStore) -> None:
    hall = await Hall(store).open(capacity=1, quota=1)
    guest, other = await hall.join(1), await hall.join(2)
    await hall.admit(guest)
    assert await hall.leave(guest) == ""
    assert (await hall.state(guest)).value == "left"
    assert [(await hall.claim(each)).problem for each in (guest, other)] == ["left", "door-busy"]
    assert ((await hall.look()).sessions, hall.seen.reserved) == (1, 1)
    assert await hall.report("completed", guest) == ["completed"]  # the site had let them in
    assert ((await hall.look()).completed, hall.seen.reserved) == (1, 0)
    assert (await hall.claim(other)).problem == "event-full"


async def test_who_leaves_while_inside_and_joins_again_takes_no_second_seat(store: RedisStore) -> None:
    hall = await Hall(store).open(quota=2)
    guest, other = await hall.join(1), await hall.join(2)
    await hall.admit(guest)
    await hall.leave(guest)
    again = await hall.join(1)
    assert again.number != guest.number
    await hall.admit(again)
    await hall.admit(other)
    assert ((await hall.look()).sessions, hall.seen.reserved) == (2, 2)


async def test_the_sites_word_that_somebody_left_frees_the_seat(store: RedisStore) -> None:
    hall = await Hall(store).open()
    for person, kind in enumerate(("left", "revoked"), start=1):
        guest = await hall.join(person)
        await hall.admit(guest)
        await hall.leave(guest)
        assert await hall.report(kind, guest) == ["repeated"]  # they left already, which is not told anew
        assert ((await hall.look()).sessions, hall.seen.reserved) == (0, 0)


async def test_leaving_without_identity_before_and_after_the_claim(store: RedisStore) -> None:
    hall = await Hall(store).open(identity=False)
    early, late, other = [await hall.join() for _ in range(3)]
    await hall.look()
    await hall.leave(early)
    await hall.admit(late)
    await hall.admit(other)
    await hall.leave(late)
    assert [(await hall.state(guest)).value for guest in (early, late, other)] == ["left", "left", "admitted"]
    assert (await hall.look()).sessions == 2


async def test_a_strangers_place_that_is_given_up_ends_nobody_elses_session(store: RedisStore) -> None:
    hall = await Hall(store).open()
    owner, stranger = await hall.join(7, browser=1), await hall.join(7, browser=2)
    await hall.admit(owner)
    assert await hall.leave(stranger) == ""
    assert (await hall.look()).sessions == 1
    assert (await hall.state(owner)).value == "admitted"
    assert (await hall.state(stranger)).value == "left"


async def test_nothing_is_left_to_give_up_after_completion(store: RedisStore) -> None:
    hall = await Hall(store).open()
    guest = await hall.join(1)
    await hall.admit(guest)
    await hall.report("completed", guest)
    assert await hall.leave(guest) == "completed"
    assert (await hall.state(guest)).value == "completed"


async def completions(store: RedisStore, times: int) -> tuple[list[str], int]:
    """One person's completion, reported many times over, apart and in one call: the results, and the total."""
    hall = await Hall(store).open()
    guest = await hall.join(1)
    await hall.admit(guest)
    apart = await asyncio.gather(*(hall.report("completed", guest) for _ in range(times)))
    together = await hall.report("completed", *[guest] * times)
    return [result for results in (*apart, together) for result in results], (await hall.look()).completed


@pytest.mark.promise("A4", "B4")
async def test_a_completion_counts_once_however_often_it_is_reported(store: RedisStore) -> None:
    results, completed = await completions(store, 50)
    assert sorted(results) == ["completed"] + ["repeated"] * 99
    assert completed == 1


async def test_a_completion_that_counts_twice_would_be_noticed(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, "if has(row, COMPLETED) then return 'repeated' end", "", "report")
    _, completed = await completions(store, 50)
    assert completed > 1


async def test_a_completion_after_the_session_lapsed_is_late_and_counts(
    store: RedisStore, redis_server: RedisServer
) -> None:
    hall = await Hall(store).open()
    guest = await hall.join(1)
    await hall.admit(guest)
    hall.lapse(redis_server, guest)
    assert await hall.report("completed", guest) == ["late"]
    assert await hall.report("completed", guest) == ["repeated"]
    assert (await hall.look()).completed == 1
    assert (await hall.state(guest)).value == "completed"


async def test_a_late_completion_ends_the_place_that_was_taken_since(
    store: RedisStore, redis_server: RedisServer
) -> None:
    """One completion a person: whoever joined again after a lapse has nothing more to wait for."""
    hall = await Hall(store).open()
    first = await hall.join(1)
    await hall.admit(first)
    hall.lapse(redis_server, first)
    second = await hall.join(1)
    await hall.call()
    assert await hall.report("completed", first) == ["late"]
    assert (await hall.claim(second)).problem == "completed"


async def test_a_completion_of_a_session_that_redis_lost_counts_once(store: RedisStore) -> None:
    hall = await Hall(store).open()
    lost = b"of last life"
    assert await store.report(hall.slug, [("completed", lost), ("completed", lost)]) == ["late", "repeated"]
    assert (await hall.look()).completed == 1


@pytest.mark.parametrize("kind", ["left", "revoked"])
async def test_an_end_reported_twice_is_repeated_and_one_of_nobody_is_unknown(store: RedisStore, kind: str) -> None:
    hall = await Hall(store).open()
    inside, outside = await hall.join(1), await hall.join(2)
    await hall.admit(inside)
    assert await hall.report(kind, inside, inside, outside) == [kind, "repeated", "unknown"]
    assert await store.report(hall.slug, [(kind, b"nobody here.")]) == ["unknown"]
    assert (await hall.state(outside)).value == "called"
    assert (await hall.look()).sessions == 0


async def test_results_come_in_the_order_of_the_reports(store: RedisStore) -> None:
    hall = await Hall(store).open()
    guests = await hall.join_all(range(1, 101))
    await hall.call()
    await hall.claim_all(guests[::2])
    results = await hall.report("left", *guests)
    assert results == ["left", "unknown"] * 50
    assert await store.report(hall.slug, []) == []


async def test_totals_only_grow(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open()
    guests = await hall.join_all(range(1, 31))
    await hall.call()
    totals = [(0, 0)]
    for index, guest in enumerate(guests):
        await hall.claim(guest)
        await (hall.leave(guest) if index % 3 == 0 else hall.report("completed", guest))
        totals.append(((await hall.look()).admitted, hall.seen.completed))
    assert steps_back([admitted for admitted, _ in totals]) == []
    assert steps_back([completed for _, completed in totals]) == []
    assert totals[-1] == (30, 20)
