"""Heartbeats, the site's word that somebody is there: they keep what is there, and give nothing twice (A2, A11)."""

from __future__ import annotations

import pytest

from admission.store.redis import RedisStore
from tests.contract.hall import Guest, Hall
from tests.contract.planted import plant
from tests.servers import RedisServer

SESSION_SECONDS = 60
MOST = SESSION_SECONDS - 5  # of a session, so that a slow machine does not end it
GROUP = "31"


async def hall_of(store: RedisStore, **fields: object) -> Hall:
    return await Hall(store).open(session_seconds=SESSION_SECONDS, settle_seconds=SESSION_SECONDS, **fields)


async def lose_everything(hall: Hall, server: RedisServer) -> None:
    """Redis loses its data, and a process that saw the line puts it back."""
    record = (await hall.look()).record
    assert record is not None
    server.client.flushall()
    await hall.put(record)
    await hall.call()
    server.client.hset(hall.keys.line, "tat_us", 0)


def end_the_time_of_lost_sessions(hall: Hall, server: RedisServer) -> None:
    server.client.hincrby(hall.keys.line, "lost_at_us", -2 * SESSION_SECONDS * 1_000_000)


async def problems(hall: Hall, *guests: Guest) -> list[str]:
    return [(await hall.claim(guest)).problem for guest in guests]


async def three_sessions_long(store: RedisStore, server: RedisServer, *, renews: bool) -> list[str]:
    """What the next one is told while somebody stays for three sessions, of whom the site tells or not."""
    hall = await hall_of(store, capacity=1)
    busy, other = await hall.join(1), await hall.join(2)
    await hall.admit(busy)
    told = []
    for _ in range(3):
        hall.age(server, busy, MOST)
        if renews:
            await hall.report("heartbeat", busy)
        told += await problems(hall, other)
    return told


@pytest.mark.promise("A2")
async def test_heartbeats_keep_a_session_and_its_place_on_the_site(
    store: RedisStore, redis_server: RedisServer
) -> None:
    assert await three_sessions_long(store, redis_server, renews=True) == ["door-busy"] * 3


async def test_without_heartbeats_a_session_ends_as_before(store: RedisStore, redis_server: RedisServer) -> None:
    assert await three_sessions_long(store, redis_server, renews=False) == ["door-busy", "", ""]


async def test_a_heartbeat_that_moves_nothing_would_be_noticed(
    store: RedisStore, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, "reserve(KEYS[3], session, held, now_us)", "", "report")
    assert await three_sessions_long(store, redis_server, renews=True) != ["door-busy"] * 3


async def test_a_pass_after_a_heartbeat_lasts_from_that_on(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await hall_of(store)
    guest = await hall.join(1)
    first = await hall.admit(guest)
    await hall.report("heartbeat", guest)
    again = await hall.claim(guest)
    assert again.repeated and again.session_started_us > first.session_started_us
    assert (await hall.trace(guest)).session_started_us == again.session_started_us
    assert (await hall.look()).admitted == 1


async def test_a_session_that_lapsed_is_late_and_its_place_stays_somebody_elses(
    store: RedisStore, redis_server: RedisServer
) -> None:
    hall = await hall_of(store, capacity=1)
    gone, other = await hall.join(1), await hall.join(2)
    await hall.admit(gone)
    hall.lapse(redis_server, gone)
    assert await problems(hall, other) == [""]
    assert await hall.report("heartbeat", gone, gone) == ["late", "late"]
    assert (await hall.look()).sessions == 1
    assert (await hall.state(gone)).value == "lapsed"


async def test_who_left_the_queue_while_inside_is_kept_as_long_as_the_site_has_them(
    store: RedisStore, redis_server: RedisServer
) -> None:
    hall = await hall_of(store, capacity=1)
    guest, other = await hall.join(1), await hall.join(2)
    await hall.admit(guest)
    await hall.leave(guest)
    hall.age(redis_server, guest, MOST)
    assert await hall.report("heartbeat", guest) == ["heartbeat"]
    hall.age(redis_server, guest, MOST)
    assert await problems(hall, other) == ["door-busy"]
    hall.lapse(redis_server, guest)
    assert await hall.report("heartbeat", guest) == ["repeated"]
    assert await problems(hall, other) == [""]


@pytest.mark.parametrize("ending", ["completed", "left", "revoked"])
async def test_after_the_sites_word_of_an_end_a_heartbeat_is_repeated_and_takes_nothing(
    store: RedisStore, ending: str
) -> None:
    hall = await hall_of(store, quota=5)
    guest = await hall.join(1)
    await hall.admit(guest)
    assert await hall.report(ending, guest) == [ending]
    assert await hall.report("heartbeat", guest) == ["repeated"]
    assert ((await hall.look()).sessions, hall.seen.reserved) == (0, 0)


async def test_heartbeats_of_who_completed_change_nothing_for_who_is_there(store: RedisStore) -> None:
    hall = await hall_of(store, quota=2)
    done, other = await hall.join(1), await hall.join(2)
    await hall.admit(done)
    await hall.admit(other)
    await hall.report("completed", done)
    assert await hall.report("heartbeat", done, other, done) == ["repeated", "heartbeat", "repeated"]
    assert ((await hall.look()).completed, hall.seen.reserved, hall.seen.sessions) == (1, 1, 1)


async def test_a_heartbeat_of_nobody_is_unknown(store: RedisStore) -> None:
    hall = await hall_of(store)
    waiting, called = await hall.join(1), await hall.join(2)
    await hall.call(1)
    assert await hall.report("heartbeat", waiting, called) == ["unknown", "unknown"]
    assert await store.report(hall.slug, [("heartbeat", b"nobody here.")]) == ["unknown"]
    assert ((await hall.look()).sessions, hall.seen.reserved) == (0, 0)


@pytest.mark.promise("A11")
async def test_a_heartbeat_neither_frees_nor_doubles_a_seat_of_a_quota(
    store: RedisStore, redis_server: RedisServer
) -> None:
    hall = await hall_of(store, quota=2, group_by="province", group_quotas={GROUP: 1})
    guest, other, third = await hall.join(1, group=GROUP), await hall.join(2, group=GROUP), await hall.join(3)
    await hall.admit(guest)
    assert await hall.report("heartbeat", guest, guest, guest) == ["heartbeat"] * 3
    assert ((await hall.look()).reserved, hall.seen.groups[GROUP].reserved) == (1, 1)
    assert await problems(hall, other, third) == ["group-full", ""]
    hall.age(redis_server, guest, MOST)
    await hall.report("heartbeat", guest)
    hall.age(redis_server, guest, SESSION_SECONDS)  # lapsed, and its seat waits for word of a completion
    assert await hall.report("heartbeat", guest) == ["late"]
    await hall.call()
    assert ((await hall.look()).reserved, hall.seen.groups[GROUP].reserved) == (2, 1)
    assert await hall.report("completed", guest) == ["late"]
    assert ((await hall.look()).completed, hall.seen.reserved) == (1, 1)
    assert hall.seen.groups[GROUP][:2] == (1, 0)


async def after_a_loss(store: RedisStore, server: RedisServer) -> list[str]:
    """What newcomers are told once lost sessions must have ended, while of two people one is still there."""
    hall = await hall_of(store, capacity=2)
    guests = await hall.join_all(range(1, 5))
    await hall.call()
    assert await problems(hall, *guests[:2]) == ["", ""]
    await lose_everything(hall, server)
    await hall.report("heartbeat", guests[0], guests[0])
    assert await problems(hall, guests[2]) == ["door-busy"]
    end_the_time_of_lost_sessions(hall, server)
    return await problems(hall, *guests[2:])


@pytest.mark.promise("A2")
async def test_after_a_loss_of_redis_who_is_still_there_counts_on_when_lost_sessions_have_ended(
    store: RedisStore, redis_server: RedisServer
) -> None:
    assert await after_a_loss(store, redis_server) == ["", "door-busy"]


async def test_people_who_are_there_uncounted_after_a_loss_would_be_noticed(
    store: RedisStore, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, "and missing('lost_sessions', '', session_us) > 0", "and false", "report")
    assert await after_a_loss(store, redis_server) == ["", ""]


async def test_when_lost_sessions_have_ended_the_site_brings_none_back(
    store: RedisStore, redis_server: RedisServer
) -> None:
    hall = await hall_of(store, capacity=2)
    guest = await hall.join(1)
    await hall.admit(guest)
    await lose_everything(hall, redis_server)
    end_the_time_of_lost_sessions(hall, redis_server)
    assert await hall.report("heartbeat", guest) == ["unknown"]
    assert (await hall.look()).sessions == 0


async def test_a_session_that_comes_back_is_no_longer_among_the_lost(
    store: RedisStore, redis_server: RedisServer
) -> None:
    hall = await hall_of(store, capacity=5)
    guests = await hall.join_all(range(1, 3))
    await hall.call()
    await hall.claim_all(guests)
    await lose_everything(hall, redis_server)
    assert await hall.report("heartbeat", guests[0], guests[0]) == ["heartbeat", "heartbeat"]
    assert (await hall.look()).sessions == 2


@pytest.mark.promise("A2")
async def test_an_older_copy_that_has_the_place_but_not_the_claim_does_not_hide_who_is_there(
    store: RedisStore, redis_server: RedisServer
) -> None:
    hall = await hall_of(store, capacity=1)
    guest, other = await hall.join(1), await hall.join(2)
    await hall.call()
    client = redis_server.client
    copied = {key: client.dump(key) for key in client.scan_iter()}
    assert await problems(hall, guest) == [""]
    await hall.look()
    client.flushall()
    for key, value in copied.items():
        client.restore(key, 0, value)
    client.hset(hall.keys.line, "life", "another")
    await hall.call()
    assert await hall.report("heartbeat", guest) == ["heartbeat"]
    end_the_time_of_lost_sessions(hall, redis_server)
    client.hset(hall.keys.line, "tat_us", 0)
    assert await problems(hall, other) == ["door-busy"]


@pytest.mark.promise("A11")
@pytest.mark.parametrize("ending", ["completed", "left"])
async def test_a_session_that_came_back_by_a_heartbeat_has_one_seat_also_once_its_group_is_known_again(
    store: RedisStore, redis_server: RedisServer, ending: str
) -> None:
    hall = await hall_of(store, quota=9, group_by="province", group_quotas={GROUP: 5})
    early, late = await hall.join(1, group=GROUP), await hall.join(2, group=GROUP)
    await hall.call()
    assert await problems(hall, early, late) == ["", ""]
    await lose_everything(hall, redis_server)
    end_the_time_of_lost_sessions(hall, redis_server)
    before = (await hall.look()).reserved
    redis_server.client.hincrby(hall.keys.line, "lost_at_us", 2 * SESSION_SECONDS * 1_000_000)
    assert await hall.report("heartbeat", early, late) == ["heartbeat", "heartbeat"]
    assert await problems(hall, early) == [""]  # asks for a pass again, which names the group
    assert not (await hall.join(2, browser=2, group=GROUP)).joined.known  # is in line again, and inside
    assert await hall.report("heartbeat", early, late) == ["heartbeat", "heartbeat"]
    end_the_time_of_lost_sessions(hall, redis_server)
    assert await hall.report("heartbeat", early, late) == ["heartbeat", "heartbeat"]
    assert ((await hall.look()).sessions, hall.seen.reserved - before) == (2, 2)
    assert hall.seen.groups[GROUP].reserved == 1
    await hall.report(ending, early, late)
    assert ((await hall.look()).sessions, hall.seen.reserved - before) == (0, 0)
