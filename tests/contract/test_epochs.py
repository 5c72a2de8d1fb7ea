"""A life of the data is an epoch: numbers are never issued twice, and old places stay ahead (B1, B2)."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pytest

from admission.core.line import Place
from admission.store.protocol import Found
from admission.store.redis import RedisStore
from admission.store.restore import Restorer
from loadtests.judges import duplicates, steps_back, windows_exceeded
from tests.contract.hall import Guest, Hall
from tests.contract.planted import plant
from tests.eventually import eventually
from tests.servers import FLAVOURS, RedisServer

NO_EPOCH = ("math.max(now, tonumber(newest) + 1)", "1")
MUTATING = ("put_event", "join", "claim", "advance", "leave", "report", "rebind", "attend", "remember")


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
    assert newcomer.joined.number == 1 and hall.place(newcomer) == hall.at(2, 1)
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
        *(hall.advance(hall.at(1, 10)) for hall in halls * 5),
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
    assert (after.line.serving, after.admitted, after.completed) == (hall.at(1, 6), 2, 1)
    assert after.line.segments[0] == before.line.segments[0]
    assert [hall.place(guest) for guest in guests] == [hall.at(1, rank) for rank in range(1, 11)]
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
        assert (seen.line.serving, seen.line.ahead(hall.place(guests[9]))) == (hall.at(1, 6), ahead)
    await hall.put(before.record)
    late = await hall.join(11)
    await hall.look()
    assert [segment.size for segment in hall.seen.line.segments] == [10, 1]
    assert steps_back([hall.place(guest) for guest in (*guests, late)]) == []
    assert hall.seen.line.serving == hall.at(1, 6)


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
    assert [stranger.place(guest) for guest in guests] == [hall.at(1, rank) for rank in range(1, 6)]
    assert stranger.place(newcomer) == stranger.at(2, 1)


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
    "advance": lambda hall, guest: hall.advance(hall.at(1, 1)),
    "rebind": lambda hall, guest: hall.store.rebind(
        hall.slug, guest.entry.session, Found(*guest.number, ""), b"sixsix"
    ),
    "attend": lambda hall, guest: hall.store.attend(hall.slug, "gateway", 0),
    "remember": lambda hall, guest: hall.store.remember(hall.slug, [hall.proof(guest)]),
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
    assert [segment.size for segment in seen.line.segments] == [10, 5, 1]
    assert story.places() == before and steps_back(story.places(late)) == []
    assert (seen.line.serving, seen.admitted, seen.sessions) == (story.better.at(1, 2), 2, 2)
    assert (await story.worse.look()).line == seen.line
    assert not seen.outdated


@pytest.mark.promise("B1", "B10")
async def test_a_lost_epoch_comes_in_before_those_who_joined_meanwhile(story: Story) -> None:
    """Others began the line while who saw more of it was cut off: nobody's place changes by what they bring back."""
    await story.worse.put(story.worse.seen.record)
    meanwhile = await story.worse.join_all(range(21, 24))
    seen = await story.better.look()
    await Restorer(story.better.store).restore(seen.record, seen)
    late = await story.better.join(16)
    seen = await story.better.look()
    assert [segment.size for segment in seen.line.segments] == [10, 5, 4]
    places = [story.better.place(guest) for guest in (*story.guests, *meanwhile, late)]
    assert steps_back(places) == [] and duplicates(places) == []
    assert not seen.outdated and (seen.line.serving, seen.sessions) == (story.better.at(1, 2), 2)
    assert [(await story.worse.join(person)).number for person in range(21, 24)] == [one.number for one in meanwhile]


@pytest.mark.promise("B2")
async def test_two_who_began_the_line_apart_gave_no_number_twice(story: Story) -> None:
    """An older copy under the same process, and two callers that know of different lives."""
    await story.worse.put(story.worse.seen.record)
    apart = await story.worse.join_all(range(21, 26))
    story_of_the_other = await story.better.join_all(range(31, 36))
    await story.better.look()
    everybody = [*story.guests, *apart, *story_of_the_other]
    assert duplicates(guest.number for guest in everybody) == []
    assert duplicates(story.better.place(guest) for guest in everybody) == []


@pytest.mark.promise("B1", "B2")
@pytest.mark.parametrize("what", ["size", "open_ms", "admitted"])
async def test_what_goes_back_under_the_same_process_is_another_life(
    store: RedisStore, redis_server: RedisServer, what: str
) -> None:
    """A copy that somebody restores by hand changes neither run id nor replication id: what was seen tells."""
    hall = await Hall(store).open()
    guests = await hall.join_all(range(1, 6))
    await hall.call(4)
    await hall.claim_all(guests[:2])
    await hall.look()
    redis_server.client.hincrby(hall.keys.line, what, -1)
    late = await hall.join(9)
    await hall.look()
    assert late.joined.epoch > guests[0].joined.epoch
    assert (hall.seen.line.segments[0].size, hall.seen.line.serving, hall.seen.admitted) == (5, hall.at(1, 4), 2)


@pytest.mark.promise("B2")
async def test_a_master_that_was_the_replica_of_its_replica_is_another_life(make_server, make_store) -> None:
    """The same process, an older copy: its replication id is another one."""
    master, replica = make_server("redis"), make_server("redis")
    hall = await Hall(make_store(master.url)).open()
    await hall.join_all(range(1, 6))
    await replicate(replica, master)
    replica.client.replicaof("NO", "ONE")  # falls behind from now on
    lost = await hall.join_all(range(6, 11))
    await replicate(master, replica)
    master.client.replicaof("NO", "ONE")
    anew = await Hall(make_store(master.url)).join(20)
    assert anew.joined.epoch > lost[0].joined.epoch
    await hall.look()
    assert [segment.size for segment in hall.seen.line.segments] in ([5, 1], [10, 1])


async def replicate(replica: RedisServer, master: RedisServer) -> None:
    """Make one server the replica of another, and wait until it has its data."""
    master.client.config_set("repl-diskless-sync-delay", 0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    master.client.config_set("port", port)
    replica.client.replicaof("127.0.0.1", port)

    async def same() -> bool:
        info = replica.client.info("replication")
        return info.get("master_link_status") == "up" and replica.client.dbsize() == master.client.dbsize()

    await eventually(same, within_seconds=20)
