"""A life of the data is an epoch: numbers are never issued twice, and old places stay ahead (B1, B2)."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple

import pytest

from admission.core.errors import StoreUnavailable
from admission.core.line import Place
from admission.store.redis import RedisStore
from admission.store.restore import Restorer
from loadtests.judges import duplicates, steps_back, windows_exceeded
from tests.contract.hall import Guest, Hall
from tests.contract.planted import plant
from tests.servers import FLAVOURS, RedisServer

NO_EPOCH = (
    "line.epoch = string.format('%013.0f-%s', math.max(math.floor(now_us / 1000), newest_ms + 1),",
    "line.epoch = string.format('%.0s0000000000000-none%.0s', '',",
)
MUTATING = ("put_event", "join", "claim", "advance", "leave", "report", "rebind")


def restart(server: RedisServer) -> None:
    server.kill()
    server.start()


def lose_everything(server: RedisServer) -> None:
    server.client.flushall()


def restore_an_older_copy(server: RedisServer) -> None:
    """The copy was made by `save_a_copy`; what came after it is lost."""
    server.kill()
    shutil.copy(server.folder / "older.rdb", server.folder / "dump.rdb")
    server.start()


def save_a_copy(server: RedisServer) -> None:
    server.client.save()
    shutil.copy(server.folder / "dump.rdb", server.folder / "older.rdb")


FAULTS = {
    "restart with data": (True, restart),
    "restart without data": (False, restart),
    "FLUSHALL": (False, lose_everything),
    "older copy": (False, restore_an_older_copy),
}


@pytest.fixture(params=FLAVOURS)
def flavour(request: pytest.FixtureRequest) -> str:
    return request.param


async def three_lives(hall: Hall, server: RedisServer, fault: Callable[[RedisServer], None]) -> list[list[Guest]]:
    """Twenty people join in each of three lives; half of the first life's people are in the copy."""
    lives = []
    for life in range(3):
        guests = await hall.join_all(range(life * 20 + 1, life * 20 + 11))
        if life == 0:
            save_a_copy(server)
        guests += await hall.join_all(range(life * 20 + 11, life * 20 + 21))
        record = (await hall.look()).record
        lives.append(guests)
        if life < 2:
            await asyncio.to_thread(fault, server)  # meanwhile the store notices that its connections ended
            await hall.store.put_event(record)  # as a gateway does that finds its event gone
            await hall.look()
    return lives


@pytest.mark.promise("B2")
@pytest.mark.parametrize("fault", FAULTS)
async def test_no_number_is_issued_twice_through_faults(make_server, make_store, flavour: str, fault: str) -> None:
    aof, strike = FAULTS[fault]
    server = make_server(flavour, aof=aof)
    hall = await Hall(make_store(server.url)).open()
    lives = await three_lives(hall, server, strike)
    everybody = [guest for guests in lives for guest in guests]
    assert duplicates(guest.number for guest in everybody) == []
    assert len({guest.joined.epoch for guest in everybody}) == 3
    places = [hall.place(guest) for guest in everybody]
    assert steps_back(places) == [] and duplicates(places) == []
    assert steps_back([guest.joined.epoch for guest in everybody]) == []
    assert [segment.size for segment in hall.seen.line.segments] == [20, 20, 20]


@pytest.mark.parametrize("fault", FAULTS)
async def test_numbers_without_epochs_would_be_noticed(
    make_server, make_store, flavour: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, *NO_EPOCH, *MUTATING)
    aof, strike = FAULTS[fault]
    server = make_server(flavour, aof=aof)
    hall = await Hall(make_store(server.url)).open()
    lives = await three_lives(hall, server, strike)
    assert duplicates(guest.number for guests in lives for guest in guests) != []


async def test_a_restart_with_data_keeps_people_marks_and_sessions(make_server, make_store, flavour: str) -> None:
    server = make_server(flavour, aof=True)
    hall = await Hall(make_store(server.url)).open()
    inside, called, waiting = [await hall.join(person) for person in (1, 2, 3)]
    await hall.call(2)
    first = await hall.claim(inside)
    await asyncio.to_thread(restart, server)
    again = await hall.claim(inside)
    assert again.repeated and again.session_started_us == first.session_started_us
    assert [(await hall.state(guest)).value for guest in (inside, called, waiting)] == ["admitted", "called", "waiting"]
    assert (await hall.join(2)).number == called.number
    newcomer = await hall.join(4)
    await hall.look()
    assert newcomer.joined.number == 1 and hall.place(newcomer) == Place(1, 1)
    assert hall.seen.line.ahead(hall.place(newcomer)) == 1


@pytest.mark.promise("B2")
async def test_hundreds_of_calls_after_a_restart_open_exactly_one_epoch(make_server, make_store, flavour: str) -> None:
    server = make_server(flavour, aof=True)
    halls = [await Hall(make_store(server.url)).open(identity=False) for _ in range(3)]
    guests = await halls[0].join_all([0] * 30)
    await asyncio.gather(*(hall.look() for hall in halls))
    await asyncio.to_thread(restart, server)
    answers = await asyncio.gather(
        *(hall.join() for hall in halls * 60),
        *(hall.store.advance(hall.slug, Place(0, 10)) for hall in halls * 5),
    )
    joined = [answer for answer in answers if isinstance(answer, Guest)]
    assert len({guest.joined.epoch for guest in joined}) == 1
    assert duplicates(guest.number for guest in (*guests, *joined)) == []
    assert [segment.size for segment in (await halls[0].look()).line.segments] == [30, 180]


async def test_the_mark_and_the_totals_survive_the_loss_of_all_data(
    store: RedisStore, redis_server: RedisServer
) -> None:
    hall = await Hall(store).open()
    guests = await hall.join_all(range(1, 11))
    await hall.call(6)
    await hall.claim_all(guests[:2])
    await hall.report("completed", guests[0])
    before = await hall.look()
    redis_server.client.flushall()
    await hall.put(before.record)
    after = hall.seen
    assert (after.line.serving, after.admitted, after.completed) == (Place(0, 6), 2, 1)
    assert after.line.segments[0] == before.line.segments[0]
    assert [hall.place(guest) for guest in guests] == [Place(0, rank) for rank in range(1, 11)]
    assert (await hall.claim(guests[5])).problem in ("", "door-busy")
    assert (await hall.claim(guests[6])).problem == "not-called"


@pytest.mark.parametrize("loss", ["everything", "the newest part"])
async def test_a_look_at_what_redis_lost_makes_a_store_forget_nothing(
    store: RedisStore, redis_server: RedisServer, loss: str
) -> None:
    """Gateways look a few times a second, so some look comes before the first call that opens the new epoch."""
    hall = await Hall(store).open()
    guests = await hall.join_all(range(1, 6))
    older = {name: redis_server.client.dump(name) for name in redis_server.client.scan_iter()}
    guests += await hall.join_all(range(6, 11))
    await hall.call(6)
    before, ahead = await hall.look(), hall.seen.line.ahead(hall.place(guests[9]))
    redis_server.client.flushall()
    if loss == "the newest part":
        for name, value in older.items():
            redis_server.client.restore(name, 0, value)
        redis_server.client.hset(hall.keys.line, "life", "another")
    for _ in range(3):
        seen = await hall.look()
        assert (seen.line.serving, seen.line.ahead(hall.place(guests[9]))) == (Place(0, 6), ahead)
    await hall.put(before.record)
    late = await hall.join(11)
    await hall.look()
    assert [segment.size for segment in hall.seen.line.segments] == [10, 1]
    assert steps_back([hall.place(guest) for guest in (*guests, late)]) == []
    assert hall.seen.line.serving == Place(0, 6)


async def test_a_ticket_of_a_lost_life_admits_with_the_same_session(
    store: RedisStore, redis_server: RedisServer
) -> None:
    hall = await Hall(store).open()
    guest = await hall.join(1)
    await hall.admit(guest)
    session = hall.holder(guest).session
    redis_server.client.flushall()
    await hall.put(hall.seen.record)
    assert (await hall.claim(guest)).problem == ""
    assert hall.holder(guest).session == session
    assert redis_server.client.zrange(hall.keys.sessions, 0, -1) == [session]


async def test_people_whom_the_snapshot_had_not_seen_yet_keep_their_order(
    store: RedisStore, redis_server: RedisServer
) -> None:
    """Ten were in the last snapshot, five joined after it: their places were acknowledged and stay ahead."""
    hall = await Hall(store).open()
    early = await hall.join_all(range(1, 11))
    record = (await hall.look()).record
    unseen = await hall.join_all(range(11, 16))
    redis_server.client.flushall()
    await hall.put(record)
    late = await hall.join_all(range(16, 21))
    await hall.look()
    places = [hall.place(guest) for guest in (*early, *unseen, *late)]
    assert steps_back(places) == [] and duplicates(places) == []
    await hall.call()
    assert [claim.problem for claim in await hall.claim_all([*early, *unseen, *late])] == [""] * 20


async def test_a_store_that_never_saw_the_line_continues_it_when_the_data_is_there(
    make_server, make_store, flavour: str
) -> None:
    server = make_server(flavour, aof=True)
    hall = await Hall(make_store(server.url)).open()
    guests = await hall.join_all(range(1, 6))
    await asyncio.to_thread(restart, server)
    stranger = Hall(make_store(server.url))
    newcomer = await stranger.join(6)
    await stranger.look()
    assert [stranger.place(guest) for guest in guests] == [Place(0, rank) for rank in range(1, 6)]
    assert stranger.place(newcomer) == Place(1, 1)


async def test_a_line_older_than_what_a_caller_saw_is_another_life(
    store: RedisStore, redis_server: RedisServer
) -> None:
    """A copy that comes back under the same server, as by a replica's promotion: only the caller knows better."""
    hall = await Hall(store).open()
    copy = redis_server.client.hgetall(hall.keys.line)
    redis_server.client.hset(hall.keys.line, "life", "another")
    guests = await hall.join_all(range(1, 6))
    await hall.look()
    redis_server.client.hset(hall.keys.line, mapping=copy)
    late = await hall.join(6)
    await hall.look()
    assert late.joined.epoch > guests[0].joined.epoch
    assert steps_back([hall.place(guest) for guest in (*guests, late)]) == []


@pytest.mark.promise("A1")
async def test_each_life_allows_one_more_burst_and_no_more(store: RedisStore, redis_server: RedisServer) -> None:
    rate_per_second, burst = 100, 10
    hall = await Hall(store).open(rate_per_second=rate_per_second, burst=burst)
    guests = await hall.join_all(range(1, 101))
    await hall.call()
    mints_us, lives_us = list[int](), list[int]()

    async def admit_some() -> None:
        claims = await hall.claim_all(guests)
        mints_us.extend(claim.session_started_us for claim in claims if not claim.problem and not claim.repeated)

    redis_server.client.hset(hall.keys.line, "tat_us", 0)
    await admit_some()
    for _ in range(20):
        record = hall.seen.record
        redis_server.client.flushall()
        await hall.put(record)
        lives_us.append(hall.seen.now_us)
        await admit_some()
    assert windows_exceeded(mints_us, rate_per_second, burst, lives_us) == []
    # Sooner or later the bucket of the present life has filled: twenty deaths in a moment give nobody a free ride.
    assert len(mints_us) == burst


Verb = Callable[[Hall, Guest], Awaitable[object]]
VERBS: dict[str, Verb] = {
    "join": lambda hall, guest: hall.join(9),
    "claim": lambda hall, guest: hall.claim(guest),
    "leave": lambda hall, guest: hall.leave(guest),
    "report": lambda hall, guest: hall.report("completed", guest),
    "advance": lambda hall, guest: hall.store.advance(hall.slug, Place(0, 1)),
    "rebind": lambda hall, guest: hall.store.rebind(hall.slug, guest.entry.session, 1, b"sixsix"),
    "put_event": lambda hall, guest: hall.put(hall.seen.record),
}


@pytest.mark.parametrize("verb", VERBS)
async def test_every_mutating_verb_opens_the_new_epoch(store: RedisStore, redis_server: RedisServer, verb: str) -> None:
    hall = await Hall(store).open()
    guest = await hall.join(1)
    before = (await hall.look()).line.epoch
    redis_server.client.hset(hall.keys.line, "life", "another")
    await VERBS[verb](hall, guest)
    line = (await hall.look()).line
    assert line.epoch > before and [segment.size for segment in line.segments][:1] == [1]


class Story(NamedTuple):
    """Two processes lost Redis; one had seen five people, the other five more, two of them inside, and five of a second
    life."""

    better: Hall
    worse: Hall
    guests: list[Guest]

    def places(self, *others: Guest) -> list[Place]:
        return [self.better.place(guest) for guest in (*self.guests, *others)]


@pytest.fixture
async def story(make_store: Callable[[str], RedisStore], redis_server: RedisServer) -> Story:
    better, worse = Hall(make_store(redis_server.url)), Hall(make_store(redis_server.url))
    guests = await (await better.open()).join_all(range(1, 6))
    await worse.look()
    guests += await better.join_all(range(6, 11))
    await better.call(2)
    assert [claimed.problem for claimed in await better.claim_all(guests[:2])] == ["", ""]
    redis_server.client.hset(better.keys.line, "life", "another")
    guests += await better.join_all(range(11, 16))
    await better.look()
    redis_server.client.flushall()
    return Story(better, worse, guests)


@pytest.mark.promise("B10")
@pytest.mark.parametrize("first", ["looks", "joins"])
async def test_who_saw_less_may_put_the_line_back_first(story: Story, first: str) -> None:
    """Whatever each of them does next: nobody has joined in between, so all is as it was."""
    before = story.places()
    await story.worse.put(story.worse.seen.record)
    assert [segment.size for segment in story.worse.seen.line.segments] == [5, 0]
    if first == "looks":
        seen = await story.better.look()
        assert seen.outdated and story.places() == before
        assert await Restorer(story.better.store).restore(seen.record, seen)
    late = await story.better.join(16)
    seen = await story.better.look()
    assert [segment.size for segment in seen.line.segments] == [10, 5, 0, 1]
    assert story.places() == before and steps_back(story.places(late)) == []
    assert (seen.line.serving, seen.admitted, seen.sessions) == (Place(0, 2), 2, 2)
    assert (await story.worse.look()).line == seen.line
    assert not seen.outdated


@pytest.mark.promise("B10")
async def test_a_lost_epoch_comes_in_behind_who_joined_meanwhile(story: Story) -> None:
    """Rows name segments by position, so those who came first stay where they are; everybody else keeps a place."""
    await story.worse.put(story.worse.seen.record)
    meanwhile = await story.worse.join_all(range(21, 24))
    seen = await story.better.look()
    await Restorer(story.better.store).restore(seen.record, seen)
    late = await story.better.join(16)
    seen = await story.better.look()
    assert [segment.size for segment in seen.line.segments] == [10, 3, 5, 1]
    places = [story.better.place(guest) for guest in (*story.guests[:10], *meanwhile, *story.guests[10:], late)]
    assert steps_back(places) == [] and duplicates(places) == []
    assert not seen.outdated and (seen.line.serving, seen.sessions) == (Place(0, 2), 2)
    assert [(await story.worse.join(person)).number for person in range(21, 24)] == [one.number for one in meanwhile]


async def test_a_mark_in_a_lost_epoch_calls_nobody_who_joined_meanwhile(make_store, redis_server: RedisServer) -> None:
    better, worse = Hall(make_store(redis_server.url)), Hall(make_store(redis_server.url))
    await (await better.open()).join(1)
    await worse.look()
    redis_server.client.hset(better.keys.line, "life", "another")
    await better.join_all(range(2, 7))
    assert await better.call() == Place(1, 5)
    redis_server.client.flushall()
    await worse.put(worse.seen.record)
    meanwhile = await worse.join_all(range(11, 14))
    assert (await better.put(better.seen.record)).version == 1
    assert [segment.size for segment in better.seen.line.segments] == [1, 3, 5, 0]
    assert better.seen.line.serving == Place(1, 0) and not better.seen.outdated
    await worse.look()
    assert {(await worse.claim(guest)).problem for guest in meanwhile} == {"not-called"}


async def places_hold_by_position(story: Story) -> None:
    """Three people joined where this process believes that its lost epoch stands."""
    await story.worse.put(story.worse.seen.record)
    meanwhile = await story.worse.join_all(range(21, 24))
    await story.worse.look()
    lost = story.guests[12]
    with suppress(StoreUnavailable):
        await story.better.leave(lost)
    await story.better.look()
    await story.better.look()
    await story.better.call()
    await story.worse.look()
    assert [(await story.worse.state(guest)).value for guest in meanwhile] == ["called"] * 3
    assert await story.better.leave(lost) == ""
    assert (await story.better.state(lost)).value == "left"
    found = await story.better.store.find(story.better.slug, story.worse.holder(meanwhile[1]).session)
    assert found is not None and (found.epoch, found.number) == meanwhile[1].number


@pytest.mark.promise("B10")
async def test_a_process_that_sees_places_at_old_positions_touches_none(story: Story) -> None:
    await places_hold_by_position(story)


async def test_a_place_at_an_old_position_would_be_noticed(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, "and NAMES_PLACES[VERB] then", "and false then", "leave")
    with pytest.raises(AssertionError):
        await places_hold_by_position(story)


async def test_lost_epochs_come_in_in_their_order_around_one_that_stands(
    make_store: Callable[[str], RedisStore], redis_server: RedisServer
) -> None:
    """Four epochs were seen; the first and the third stand, and nobody is in the third."""
    better, worse = Hall(make_store(redis_server.url)), Hall(make_store(redis_server.url))
    guests = await (await better.open()).join_all(range(1, 6))
    await worse.look()
    for first in (11, 21, 31):
        redis_server.client.hset(better.keys.line, "life", "another")
        guests += await better.join_all(range(first, first + 5))
    await better.look()
    before, epochs = [better.place(guest) for guest in guests], [each.epoch for each in better.seen.line.segments]
    redis_server.client.flushall()
    await worse.put(worse.seen.record)
    stands = json.dumps([[epochs[0], "first_come", 5], [epochs[2], "first_come", 0]])
    redis_server.client.hset(better.keys.line, "segments", stands)
    await better.put(better.seen.record)
    assert [each.epoch for each in better.seen.line.segments[:4]] == epochs
    assert [better.place(guest) for guest in guests] == before and not better.seen.outdated
