"""The snapshot tells the truth about one instant, and writes nothing."""

from __future__ import annotations

from admission.core.line import START, Segment, began_at
from admission.store.redis import RedisStore
from tests.contract.hall import Hall
from tests.samples import make_record
from tests.servers import RedisServer


async def test_an_event_that_nobody_put_is_an_empty_line_without_a_record(store: RedisStore) -> None:
    seen = await Hall(store).look()
    assert seen.record is None
    assert (seen.line.size, seen.line.epoch, seen.open_ms, seen.sessions, seen.unclaimed) == (0, 0, 0, 0, 0)


async def test_a_snapshot_holds_the_record_the_line_and_the_totals(store: RedisStore) -> None:
    hall = await Hall(store).open()
    guests = await hall.join_all(range(1, 11))
    await hall.call(5)
    await hall.claim_all(guests[:3])
    assert await hall.report("left", guests[0]) == ["left"]
    await hall.report("completed", guests[1])
    seen = await hall.look()
    assert seen.record == make_record()
    assert seen.line.segments == (Segment(guests[0].joined.epoch, 10),)
    assert (seen.line.serving, seen.line.expired, seen.line.waiting) == (hall.at(1, 5), START, 5)
    assert (seen.sessions, seen.admitted, seen.completed) == (1, 3, 1)


async def test_an_epoch_is_as_old_as_it_says(store: RedisStore, redis_server: RedisServer) -> None:
    seconds, _ = redis_server.client.time()
    hall = await Hall(store).open()
    assert abs(began_at(hall.seen.line.epoch).timestamp() - seconds) < 10


async def test_a_snapshot_tells_the_servers_time(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open()
    before, seen, after = redis_server.client.time(), await hall.look(), redis_server.client.time()
    assert before[0] * 1_000_000 + before[1] <= seen.now_us <= after[0] * 1_000_000 + after[1]


async def test_unclaimed_are_those_called_who_neither_claimed_nor_left_nor_expired(
    store: RedisStore, redis_server: RedisServer
) -> None:
    hall = await Hall(store).open()
    guests = await hall.join_all(range(1, 21))
    await hall.call(12)
    assert (await hall.look()).unclaimed == 12
    await hall.claim_all(guests[:4])
    await hall.leave(guests[5])
    await hall.leave(guests[19])  # not called yet: takes nothing away
    assert (await hall.look()).unclaimed == 7
    await hall.expire(redis_server)
    await hall.call(3)
    assert (await hall.look()).unclaimed == 3


async def test_unclaimed_is_counted_across_segments(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open()
    before = await hall.join_all(range(1, 6))
    redis_server.client.hset(hall.keys.line, "life", "another")
    after = await hall.join_all(range(6, 11))
    await hall.call(8)
    await hall.claim_all([*before[:2], *after[:2]])
    assert [segment.size for segment in (await hall.look()).line.segments] == [5, 5]
    assert hall.seen.unclaimed == 4


async def test_a_changed_record_is_told_to_every_store(
    store: RedisStore, redis_server: RedisServer, make_store
) -> None:
    hall, other = await Hall(store).open(), Hall(make_store(redis_server.url))
    await other.look()
    await hall.open(version=2, paused=True)
    seen = await other.look()
    assert seen.record is not None and seen.record.version == 2 and seen.record.event.paused


async def test_a_record_that_redis_lost_is_told_as_lost(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open()
    redis_server.client.flushall()
    assert (await hall.look()).record is None


async def test_looks_and_snapshots_write_nothing(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open()
    guest = await hall.join(1)
    await hall.admit(guest)
    before = redis_server.client.info("persistence")["rdb_changes_since_last_save"]
    await hall.look()
    await hall.trace(guest)
    await store.find(hall.slug, guest.entry.session)
    await store.events()
    assert redis_server.client.info("persistence")["rdb_changes_since_last_save"] == before


async def test_a_trace_tells_each_state(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open()
    guests = await hall.join_all(range(1, 8))
    waiting, called, admitted, lapsed, left, completed, expired = guests
    # Called in another order than they joined in, so the mark is moved to each in turn.
    await hall.call(6)
    await hall.claim_all([admitted, lapsed, left, completed])
    hall.lapse(redis_server, lapsed)
    await hall.leave(left)
    await hall.report("completed", completed)
    told = [(await hall.state(each)).value for each in guests[:6]]
    assert told == ["called", "called", "admitted", "lapsed", "left", "completed"]
    assert (await hall.state(expired)).value == "waiting"
    await hall.call()
    await hall.expire(redis_server)
    assert (await hall.state(expired)).value == "expired"
    assert (await hall.state(admitted)).value == "admitted"
    trace = await hall.trace(admitted)
    assert trace.session_started_us == (await hall.claim(admitted)).session_started_us
    assert waiting is guests[0] and called is guests[1]
