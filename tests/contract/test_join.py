"""Joining: numbers in order, one place a browser, and nothing told to a stranger (B2, B4, B5)."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from admission.core.errors import StoreUnavailable
from admission.core.line import Place
from admission.store.protocol import Found
from admission.store.redis import RedisStore
from loadtests.judges import Session, duplicates, overlapping, steps_back
from tests.contract.hall import Guest, Hall
from tests.contract.planted import plant
from tests.samples import make_entry, make_record
from tests.servers import RedisServer


async def test_numbers_count_from_one_in_the_order_of_joining(store: RedisStore) -> None:
    hall = await Hall(store).open()
    guests = [await hall.join(person) for person in range(1, 6)]
    assert [guest.joined.number for guest in guests] == [1, 2, 3, 4, 5]
    assert not any(guest.joined.known for guest in guests)


async def test_joins_that_ride_together_keep_their_order(store: RedisStore) -> None:
    hall = await Hall(store).open()
    guests = await hall.join_all(range(1, 401))
    assert [guest.joined.number for guest in guests] == list(range(1, 401))


async def test_joining_tells_the_servers_time(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open()
    seconds, microseconds = redis_server.client.time()
    joined = (await hall.join(1)).joined
    assert 0 <= joined.at_ms - (seconds * 1000 + microseconds // 1000) < 10_000


async def test_without_identity_every_join_is_a_new_place(store: RedisStore) -> None:
    hall = await Hall(store).open(identity=False)
    guests = await hall.join_all([0] * 200)
    assert duplicates(guest.number for guest in guests) == []
    assert sorted(guest.joined.number for guest in guests) == list(range(1, 201))


@pytest.mark.promise("B4")
async def test_two_hundred_joins_of_one_browser_are_one_place(store: RedisStore) -> None:
    hall = await Hall(store).open()
    guests = await hall.join_all([7] * 200)
    assert {guest.number for guest in guests} == {guests[0].number}
    assert (await hall.look()).line.size == 1


@pytest.mark.promise("B4")
async def test_two_hundred_joins_through_several_gateways_are_one_place(
    store: RedisStore, redis_server: RedisServer, make_store
) -> None:
    first = await Hall(store).open()
    halls = [first, *(Hall(make_store(redis_server.url)) for _ in range(3))]
    guests = await asyncio.gather(*(halls[i % 4].join(7) for i in range(200)))
    assert {guest.number for guest in guests} == {guests[0].number}


async def test_a_place_for_every_join_of_one_browser_would_be_noticed(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, "if mine then", "if false then", "join")
    hall = await Hall(store).open()
    guests = await hall.join_all([7] * 200)
    assert len({guest.number for guest in guests}) > 1


async def one_person_in_many_browsers(store: RedisStore) -> tuple[list[Guest], list[Session]]:
    """200 joins of one NIK from as many browsers, then 200 claims; the guests, and the sessions that began."""
    hall = await Hall(store).open()
    guests = list(await asyncio.gather(*(hall.join(7, browser) for browser in range(1, 201))))
    await hall.call()
    claims = await hall.claim_all(guests)
    begun = zip(guests, claims, strict=True)
    sessions = {
        # Each is its own session here, though their id is the same: the judge must see two admissions as two.
        Session("person 7", claim.session_started_us, claim.session_started_us + 900_000_000 + guest.joined.number)
        for guest, claim in begun
        if not claim.problem
    }
    refusals = {claim.problem for claim in claims if claim.problem}
    assert refusals <= {"identity-in-line"}
    return guests, sorted(sessions)


@pytest.mark.promise("B4", "D12")
async def test_one_nik_from_many_browsers_has_as_many_numbers_and_one_session(store: RedisStore) -> None:
    guests, sessions = await one_person_in_many_browsers(store)
    assert duplicates(guest.number for guest in guests) == []
    assert steps_back([guest.joined.number for guest in guests]) == []
    assert {(guest.joined.epoch, guest.joined.known) for guest in guests} == {(guests[0].joined.epoch, False)}
    assert len(sessions) == 1


async def test_a_session_for_every_browser_would_be_noticed(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, "(not ended(row, started) or string.sub(place, 1, 16) == DRAW) then", "false then", "claim")
    _, sessions = await one_person_in_many_browsers(store)
    assert overlapping(sessions) != []


async def test_the_first_browser_keeps_its_place_when_others_ask_with_its_nik(store: RedisStore) -> None:
    hall = await Hall(store).open()
    first = await hall.join(7, browser=1)
    stranger = await hall.join(7, browser=2)
    again = await hall.join(7, browser=1)
    assert again.number == first.number and again.joined.known
    assert stranger.number != first.number and not stranger.joined.known


async def test_a_place_stays_in_the_group_of_its_join_until_it_is_left(store: RedisStore) -> None:
    hall = await Hall(store).open()
    first, again = await hall.join(7, group="31"), await hall.join(7, group="long-group-1")
    assert (again.number, again.joined.known, again.joined.group) == (first.number, True, "31")
    assert await store.find(hall.slug, first.entry.session) == (*first.number, "31")
    await hall.look()
    await hall.leave(first)
    later = await hall.join(7, group="long-group-1")
    assert (later.joined.known, later.joined.group) == (False, "long-group-1")
    assert await store.find(hall.slug, later.entry.session) == (*later.number, "long-group-1")


async def test_without_identity_the_group_is_that_of_the_join(store: RedisStore) -> None:
    hall = await Hall(store).open(identity=False)
    assert (await hall.join(group="long-group-1")).joined.group == "long-group-1"


async def test_a_join_without_a_browser_key_never_finds_a_place_again(store: RedisStore) -> None:
    hall = await Hall(store).open()
    first, second = await hall.join(7, browser=0), await hall.join(7, browser=0)
    assert first.number != second.number and not second.joined.known


@pytest.mark.promise("B5")
@pytest.mark.parametrize("ending", ["left", "lapsed", "expired", "revoked"])
async def test_after_an_end_joining_again_is_a_new_number_that_the_index_then_holds(
    store: RedisStore, redis_server: RedisServer, ending: str
) -> None:
    hall = await Hall(store).open()
    first = await hall.join(7)
    await hall.call()
    if ending in ("lapsed", "revoked"):
        await hall.admit(first)
    if ending == "lapsed":
        hall.lapse(redis_server, first)
    elif ending == "left":
        assert await hall.leave(first) == ""
    elif ending == "revoked":
        assert await hall.report("revoked", first) == ["revoked"]
    else:
        await hall.expire(redis_server)
    second, third = await hall.join(7), await hall.join(7)
    assert second.number != first.number and not second.joined.known
    assert third.number == second.number and third.joined.known
    assert await store.find(hall.slug, second.entry.session) == (*second.number, "")


@pytest.mark.promise("B5")
@pytest.mark.parametrize("living", ["waiting", "called", "admitted", "completed"])
async def test_while_a_place_lives_joining_again_is_the_same_place(store: RedisStore, living: str) -> None:
    hall = await Hall(store).open()
    first = await hall.join(7)
    if living != "waiting":
        await hall.call()
    if living in ("admitted", "completed"):
        await hall.admit(first)
    if living == "completed":
        await hall.report("completed", first)
    assert (await hall.state(first)).value == living
    again = await hall.join(7)
    assert again.number == first.number and again.joined.known


@pytest.mark.promise("B5")
async def test_a_recovered_place_is_found_from_the_new_browser_only(store: RedisStore) -> None:
    hall = await Hall(store).open()
    first = await hall.join(7, browser=1)
    other = await hall.join(7, browser=2)
    assert await store.rebind(hall.slug, first.entry.session, Found(*first.number, ""), other.entry.check)
    assert (await hall.join(7, browser=2)).number == first.number
    assert (await hall.join(7, browser=1)).number != first.number


async def test_a_place_that_the_index_no_longer_holds_is_not_recovered(store: RedisStore) -> None:
    hall = await Hall(store).open()
    first = await hall.join(7, browser=1)
    await hall.look()
    await hall.leave(first)
    second = await hall.join(7, browser=2)
    assert not await store.rebind(hall.slug, first.entry.session, Found(*first.number, ""), first.entry.check)
    assert not await store.rebind(hall.slug, b"nobody here.", Found(*first.number, ""), first.entry.check)
    assert (await hall.join(7, browser=2)).number == second.number


async def test_nothing_is_found_of_somebody_who_never_joined(store: RedisStore) -> None:
    hall = await Hall(store).open()
    assert await store.find(hall.slug, b"nobody here.") is None


async def test_an_event_that_nobody_put_takes_no_joins(store: RedisStore, redis_server: RedisServer) -> None:
    with pytest.raises(StoreUnavailable, match="NOEVENT"):
        await Hall(store, "unknown").join(1)
    assert await store.events() == ()


async def test_events_share_no_line(store: RedisStore) -> None:
    one, two = await Hall(store, "one").open(), await Hall(store, "two").open()
    assert (await one.join(1)).joined.number == (await two.join(1)).joined.number == 1
    assert await store.events() == ("one", "two")


async def test_the_highest_version_of_a_record_stands(store: RedisStore) -> None:
    hall = Hall(store)
    second = make_record(2, rate_per_second=20_000, burst=1)
    assert await hall.put(second) == second
    assert await hall.put(make_record(1)) == second
    assert await hall.put(make_record(2)) == second
    assert hall.seen.record == second
    third = make_record(3)
    assert await hall.put(third) == third
    assert hall.seen.record == third


@pytest.mark.promise("B5", "B12")
async def test_a_second_browser_of_a_nik_that_brings_its_ticket_finds_its_own_number_again(store: RedisStore) -> None:
    hall = await Hall(store).open()
    owner, second = await hall.join(7, browser=1), await hall.join(7, browser=2)
    again = msgspec.structs.replace(second.entry, held=Place(*second.number))
    (joined,) = await store.join(hall.slug, [again])
    assert (joined.epoch, joined.number, joined.known) == (*second.number, True)
    assert (await hall.join(7, browser=1)).number == owner.number


async def test_somebody_of_whom_only_the_site_told_joins_like_a_newcomer(store: RedisStore) -> None:
    """Their completion was reported after a loss: the index holds no place of theirs."""
    hall = await Hall(store).open()
    stranger = make_entry(7)
    assert await store.report(hall.slug, [("completed", stranger.session)]) == ["late"]
    (joined,) = await store.join(hall.slug, [stranger])
    assert (joined.number, joined.known) == (1, False)
