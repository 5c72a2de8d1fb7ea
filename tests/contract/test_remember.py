"""Tickets and journals bring back what Redis lost: places, rows, marks and sessions (B1, B4, B5, B12, C4)."""

from __future__ import annotations

import pytest

from admission.core.applicant import ApplicantState
from admission.core.line import START
from admission.store.protocol import ADMITTED, COMPLETED, LEFT, Proof
from admission.store.redis import RedisStore
from tests.contract.hall import Guest, Hall
from tests.contract.planted import plant
from tests.samples import make_record
from tests.servers import RedisServer


async def learning(store: RedisStore, **fields: int) -> Hall:
    """A new event with a learning window."""
    hall = Hall(store)
    await store.put_event(make_record(learning_seconds=60, **fields), new=True)
    await hall.look()
    return hall


async def lose(hall: Hall, server: RedisServer) -> None:
    """Redis loses everything, and gets the record back from somebody who saw nothing of the line."""
    record = hall.seen.record
    assert record is not None
    server.client.flushall()
    hall.store = RedisStore(hall.store._redis, hall.store._seal)
    await Hall(hall.store).put(record)
    await hall.look()


async def show(hall: Hall, *guests: Guest) -> None:
    """Tickets are shown, as by polls."""
    await hall.store.remember(hall.slug, [hall.proof(guest) for guest in guests])
    await hall.look()


async def admitted(hall: Hall, guest: Guest) -> Proof:
    """Admit somebody; returns what a journal keeps of it."""
    claimed = await hall.admit(guest)
    return hall.proof(guest, ADMITTED, claimed.session_started_us)


def ended(hall: Hall, guest: Guest, flags: int) -> Proof:
    """What a journal keeps of a report."""
    return Proof(guest.entry.session, bytes(6), "", START._replace(rank=-1), 0, 0, flags, hall.seen.now_us)


@pytest.mark.promise("B1", "B5", "B12", "C4")
async def test_a_ticket_that_is_shown_brings_the_place_back(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await learning(store)
    guests = await hall.join_all(range(1, 11))
    await lose(hall, redis_server)
    newcomer = await hall.join(50)
    await show(hall, *guests[3:6])
    assert [hall.seen.line.place(*guest.number) for guest in guests[3:6]] == [hall.at(1, n) for n in (4, 5, 6)]
    again = await hall.store.join(hall.slug, [guests[4].entry])
    assert (again[0].epoch, again[0].number, again[0].known) == (*guests[4].number, True)
    assert newcomer.number > guests[9].number


@pytest.mark.promise("B1", "B12")
async def test_an_earlier_place_of_a_tag_wins_over_one_that_was_taken_while_it_was_forgotten(
    store: RedisStore, redis_server: RedisServer
) -> None:
    hall = await learning(store)
    guest = await hall.join(1)
    await lose(hall, redis_server)
    stranger = await hall.join(1, browser=9)
    await show(hall, guest)
    await end_the_window(hall, redis_server)
    await hall.call()
    assert (await hall.claim(stranger)).problem == "identity-in-line"
    assert (await hall.claim(guest)).problem == ""


async def test_a_later_place_that_keeps_its_row_would_be_noticed(
    store: RedisStore, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(
        monkeypatch,
        "return forgotten and ticket < row.ticket",
        "return false and ticket < row.ticket",
        "remember",
        "claim",
    )
    with pytest.raises(AssertionError):
        await test_an_earlier_place_of_a_tag_wins_over_one_that_was_taken_while_it_was_forgotten(store, redis_server)


@pytest.mark.promise("B12")
async def test_in_one_life_a_second_number_of_a_nik_takes_nothing(store: RedisStore) -> None:
    """Whoever joined earlier under somebody else's NIK has no place once the true holder joined again."""
    hall = await Hall(store).open()
    owner, stranger = await hall.join(1, browser=1), await hall.join(1, browser=2)
    await hall.look()
    await hall.leave(owner)
    again = await hall.join(1, browser=1)
    await hall.call()
    await show(hall, stranger)
    assert (await hall.claim(stranger)).problem == "identity-in-line"
    assert (await hall.claim(again)).problem == ""


async def end_the_window(hall: Hall, server: RedisServer) -> None:
    server.client.hset(hall.keys.line, "learns_until_us", 1)
    await hall.look()


@pytest.mark.promise("B1", "B3")
async def test_newcomers_of_a_learning_window_are_told_no_place_and_are_not_called(
    store: RedisStore, redis_server: RedisServer
) -> None:
    hall = await learning(store)
    guests = await hall.join_all(range(1, 4))
    await end_the_window(hall, redis_server)
    await lose(hall, redis_server)
    newcomer = await hall.join(50)
    await show(hall, *guests)
    assert hall.seen.line.place(*newcomer.number) is None
    await hall.advance(newcomer_place(newcomer))
    await hall.look()
    assert hall.seen.line.position(hall.seen.line.serving) == 3
    assert (await hall.claim(newcomer)).problem == "not-called"
    await end_the_window(hall, redis_server)
    await hall.call()
    assert (await hall.claim(newcomer)).problem == ""


def newcomer_place(guest: Guest):
    return START._replace(segment=guest.joined.epoch, rank=guest.joined.number)


async def test_a_mark_among_newcomers_would_be_noticed(
    store: RedisStore, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, "if not learning() or each[1] < line.newcomers_from then", "if true then", "advance")
    with pytest.raises(AssertionError):
        await test_newcomers_of_a_learning_window_are_told_no_place_and_are_not_called(store, redis_server)


async def test_a_second_loss_within_the_window_keeps_the_first_newcomers_back(
    store: RedisStore, redis_server: RedisServer
) -> None:
    hall = await learning(store)
    await hall.join(1)
    await lose(hall, redis_server)
    first = await hall.join(50)
    await hall.look()
    redis_server.client.hset(hall.keys.line, "life", "another")
    second = await hall.join(51)
    await hall.look()
    assert hall.seen.line.newcomers_from == first.joined.epoch < second.joined.epoch


@pytest.mark.promise("A5")
async def test_a_clock_that_jumps_back_makes_no_window_longer(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await learning(store)
    await hall.join(1)
    await lose(hall, redis_server)
    newcomer = await hall.join(2)
    redis_server.client.hincrby(hall.keys.line, "learns_until_us", 3_600_000_000)  # as if the clock were an hour back
    await hall.call()
    assert (await hall.claim(newcomer)).problem == ""


@pytest.mark.promise("B1", "B8")
async def test_a_place_that_was_passed_while_nobody_knew_of_it_has_its_turn(
    store: RedisStore, redis_server: RedisServer
) -> None:
    """Its ticket comes late, when the mark and the graces have gone on: it is called, and no grace has run."""
    hall = await Hall(store).open(grace_seconds=5)
    early, late = await hall.join(1), await hall.join(2)
    await lose(hall, redis_server)
    await show(hall, early)
    newcomer = await hall.join(3)
    await hall.call()
    await hall.expire(redis_server)
    await show(hall, late)
    assert await hall.state(late) is ApplicantState.CALLED
    assert [(await hall.claim(guest)).problem for guest in (late, newcomer)] == ["", "grace-over"]


@pytest.mark.promise("B2")
async def test_a_ticket_of_the_present_epoch_that_redis_does_not_know_ends_that_epoch(
    store: RedisStore, redis_server: RedisServer
) -> None:
    """Only an older copy explains it, and who else has numbers of that epoch nobody knows."""
    hall = await Hall(store).open()
    guests = await hall.join_all(range(1, 6))
    redis_server.client.hset(hall.keys.line, "size", 3)
    stranger = Hall(RedisStore(hall.store._redis, hall.store._seal))
    await stranger.look()
    await stranger.store.remember(hall.slug, [hall.proof(guests[4])])
    late = await stranger.join(9)
    assert late.joined.epoch > guests[0].joined.epoch
    assert (await stranger.look()).line.segments[0].size == 5


@pytest.mark.promise("A2", "A11", "B4")
async def test_a_journal_brings_sessions_and_completions_back(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await learning(store, capacity=3)
    _, done, gone = guests = await hall.join_all(range(1, 4))
    journal = [await admitted(hall, guest) for guest in guests]
    assert await hall.report("completed", done) == ["completed"]
    assert await hall.report("revoked", gone) == ["revoked"]
    await hall.look()
    journal += [ended(hall, done, ADMITTED | COMPLETED), ended(hall, gone, ADMITTED | LEFT)]
    record, before = hall.seen.record, hall.seen
    redis_server.client.flushall()
    await hall.put(record)
    assert (hall.seen.sessions, hall.seen.completed) == (1, 1)
    await hall.store.remember(hall.slug, journal[::-1])
    after = await hall.look()
    assert (after.sessions, after.reserved, after.completed) == (1, 1, 1) == (before.sessions, before.reserved, 1)
    assert redis_server.client.zcard(hall.keys.sessions) == 1
    claims = [await hall.claim(guest) for guest in guests]
    assert [(each.problem, each.repeated) for each in claims] == [("", True), ("completed", False), ("left", False)]
    assert claims[0].session_started_us == journal[0].at_us


@pytest.mark.promise("A2")
@pytest.mark.parametrize("newest_first", [True, False])
async def test_who_left_the_queue_while_inside_keeps_the_seat_through_a_loss(
    store: RedisStore, redis_server: RedisServer, newest_first: bool
) -> None:
    hall = await learning(store)
    guest = await hall.join(1)
    journal = [await admitted(hall, guest), hall.proof(guest, LEFT)]
    assert await hall.leave(guest) == ""
    await lose(hall, redis_server)
    await hall.store.remember(hall.slug, journal[::-1] if newest_first else journal)
    assert (await hall.look()).sessions == 1
    await hall.store.remember(hall.slug, [hall.proof(guest)])
    assert (await hall.look()).sessions == 1
    assert await hall.report("left", guest) == ["repeated"]
    assert (await hall.look()).sessions == 0


@pytest.mark.promise("C4")
async def test_who_was_admitted_shows_where_the_mark_stood(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await learning(store)
    guests = await hall.join_all(range(1, 6))
    await hall.call(4)
    claimed = await hall.claim(guests[2])
    proof = hall.proof(guests[2], ADMITTED, claimed.session_started_us)
    await lose(hall, redis_server)
    await hall.store.remember(hall.slug, [proof])
    await show(hall, *guests)
    assert hall.seen.line.serving == hall.at(1, 3)
    assert [(await hall.state(guest)).value for guest in guests] == ["called"] * 2 + ["admitted"] + ["waiting"] * 2


async def test_what_is_given_back_twice_changes_nothing(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await learning(store, capacity=3)
    guests = await hall.join_all(range(1, 4))
    journal = [hall.proof(guest) for guest in guests] + [await admitted(hall, guests[0])]
    await lose(hall, redis_server)
    for _ in range(2):
        await hall.store.remember(hall.slug, journal[::-1])
        seen = await hall.look()
        assert (seen.line.size, seen.sessions, seen.reserved) == (3, 1, 1)


async def test_somebody_who_left_and_joined_again_keeps_the_second_place(
    store: RedisStore, redis_server: RedisServer
) -> None:
    hall = await learning(store)
    first = await hall.join(1)
    await hall.look()
    await hall.leave(first)
    second = await hall.join(1)
    journal = [hall.proof(first), hall.proof(first, LEFT), hall.proof(second)]
    for order in (journal, journal[::-1]):
        await lose(hall, redis_server)
        await hall.store.remember(hall.slug, order)
        (again,) = await hall.store.join(hall.slug, [second.entry])
        assert (again.epoch, again.number) == second.number


@pytest.mark.promise("B8", "B13")
async def test_who_asked_in_time_keeps_the_turn_at_a_full_site(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open(capacity=1, grace_seconds=5)
    inside, asked, silent = await hall.join_all(range(1, 4))
    await hall.admit(inside)
    assert (await hall.claim(asked)).problem == "door-busy"
    await hall.expire(redis_server)
    assert [await hall.state(guest) for guest in (asked, silent)] == [ApplicantState.CALLED, ApplicantState.EXPIRED]
    assert await hall.report("completed", inside) == ["completed"]
    assert [(await hall.claim(guest)).problem for guest in (asked, silent)] == ["", "grace-over"]


async def test_a_turn_that_is_lost_though_asked_in_time_would_be_noticed(
    store: RedisStore, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, "wait_us > 0 and KEPT or ADMITTED", "wait_us > 0 and 0 or ADMITTED", "claim")
    with pytest.raises(AssertionError):
        await test_who_asked_in_time_keeps_the_turn_at_a_full_site(store, redis_server)


@pytest.mark.promise("B8", "B13")
async def test_no_grace_runs_while_no_gateway_answers(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open(grace_seconds=5)
    await hall.join(1)
    await hall.call()
    before = hall.seen.open_ms
    redis_server.client.hincrby(hall.keys.line, "ticked_us", -1_500_000)
    redis_server.client.hincrby(hall.keys.line, "answered_us", -1_500_000)
    for _ in range(3):
        await hall.store.advance(hall.slug, START)
    assert (await hall.look()).open_ms == before
    await hall.advance()
    assert 1400 < (await hall.look()).open_ms - before <= 2000
