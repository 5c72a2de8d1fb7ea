"""What workers do for a draw: seal it once, try again later and later, keep its entry list in two places (B9)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from admission.core.entries import NOBODY, SALT_KEY_BYTES
from admission.core.line import FIRST_COME, NOWHERE, Segment
from admission.core.record import EventRecord
from admission.data_dir import EntryFiles
from admission.store.protocol import BUCKETS
from admission.store.redis import RedisStore
from admission.worker import draws as draws_module
from admission.worker.draws import Draws
from tests.conftest import ServerMaker, StoreMaker
from tests.contract.hall import Hall
from tests.contract.test_freeze import holder, record
from tests.eventually import eventually
from tests.servers import RedisServer

WorkerMaker = Callable[..., "Worker"]
PEOPLE = 1_200  # three pieces


class Worker:
    """What one worker process does for the draw, with a data folder of its own, a tick whenever it is asked."""

    def __init__(self, store: RedisStore, folder: Path) -> None:
        self.hall = Hall(store)
        self.files = EntryFiles(folder)
        self.draws = Draws(store, self.files)

    async def tick(self) -> EventRecord:
        """See to the event as it is now."""
        seen = await self.hall.look()
        assert seen.record is not None
        self.draws.see_to(seen.record, seen.line)
        return seen.record

    async def sealed(self) -> str:
        """Tick until the root stands and the list is here; returns the root."""

        async def done() -> str:
            draw = (await self.tick()).draw
            return draw.root if draw and draw.root and self.files.holds(self.hall.slug, draw.root) else ""

        return await eventually(done, within_seconds=30)


@pytest.fixture
async def make_worker(redis_server: RedisServer, make_store: StoreMaker, tmp_path: Path) -> AsyncIterator[WorkerMaker]:
    """Makes workers by the name of their folder, on one server unless told otherwise."""
    made: list[Worker] = []

    def make(name: str, server: RedisServer = redis_server) -> Worker:
        made.append(Worker(make_store(server.url), tmp_path / name))
        return made[-1]

    yield make
    for worker in made:
        await worker.draws.close()


async def freeze(hall: Hall) -> None:
    """An event whose people are in a frozen line."""
    await hall.put(record(1, 3600))
    await hall.join_all(range(1, PEOPLE + 1))
    await freeze_now(hall)


async def freeze_now(hall: Hall) -> None:
    """The end of a pre-queue."""
    await hall.put(record(2, 5))
    await hall.store.advance(hall.slug, hall.seen.line.mark_after(0))
    await hall.look()


async def list_of(worker: Worker, root: str) -> list[bytes | None]:
    """What Redis holds of a list."""
    return await worker.hall.store.entries(worker.hall.slug, root, ["0", "1", "2", "tops", "salt_key"])


async def test_of_two_workers_one_reads_the_index_and_both_have_the_list(
    make_worker: WorkerMaker, redis_server: RedisServer
) -> None:
    one, other = make_worker("one"), make_worker("other")
    await freeze(one.hall)
    redis_server.client.config_resetstat()
    roots = await asyncio.gather(one.sealed(), other.sealed())
    assert roots[0] == roots[1]
    reads = redis_server.client.info("commandstats")["cmdstat_hgetall"]["calls"]
    assert BUCKETS <= reads < 1.5 * BUCKETS
    assert one.files.read(one.hall.slug, roots[0]) == other.files.read(one.hall.slug, roots[0])
    await lasts(one, redis_server, roots[0])


@pytest.mark.promise("B9")
async def test_the_list_holds_each_session_at_its_number_and_nobody_at_a_place_given_up_or_taken_twice(
    make_worker: WorkerMaker, redis_server: RedisServer
) -> None:
    worker = make_worker("one")
    hall = worker.hall
    await hall.put(record(1, 3600))
    guests = await hall.join_all(range(1, 5))
    await hall.join(2, browser=2)
    await hall.look()
    assert await hall.store.leave(hall.slug, holder(hall, guests[2], NOWHERE)) == ""
    redis_server.client.hset(hall.keys.line, "life", "another")
    guests.append(await hall.join(6, group="31"))
    await freeze_now(hall)
    late = await hall.join(7)
    root = await worker.sealed()
    _, sessions = worker.files.read(hall.slug, root)
    listed = [sessions[at : at + 12] for at in range(0, len(sessions), 12)]
    one, two, _, four, six = (guest.entry.session for guest in guests)
    assert listed == [one, two, NOBODY, four, NOBODY, six]
    assert late.entry.session not in listed


async def lasts(worker: Worker, server: RedisServer, root: str) -> None:
    """The list in Redis ends only with the event."""

    async def without_end() -> bool:
        await worker.tick()
        return server.client.ttl(worker.hall.keys.entries(root)) == -1

    await eventually(without_end)


async def test_a_list_whose_root_never_stood_ends_by_itself(store: RedisStore, redis_server: RedisServer) -> None:
    await store.keep_entries("prakerja", "ab" * 32, [("0", b"piece")])
    assert 0 < redis_server.client.ttl(Hall(store).keys.entries("ab" * 32)) <= 3600
    assert not await store.settle_entries("prakerja", "ab" * 32), "it is not whole"


async def test_a_turn_is_one_workers_until_it_ends(store: RedisStore, redis_server: RedisServer) -> None:
    assert await store.take_turn("prakerja", "one", 60)
    assert not await store.take_turn("prakerja", "other", 60)
    assert await store.take_turn("prakerja", "one", 90)
    assert 60 < redis_server.client.ttl(Hall(store).keys.turn) <= 90
    redis_server.client.delete(Hall(store).keys.turn)
    assert await store.take_turn("prakerja", "other", 60)


async def test_after_a_failure_it_is_tried_again_later_and_later(
    make_server: ServerMaker, make_worker: WorkerMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draws_module, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(draws_module, "LONGEST_PAUSE_SECONDS", 0.05)
    server = make_server("redis")
    worker = make_worker("one", server)
    await freeze(worker.hall)
    seen, frozen = worker.hall.seen, worker.hall.seen.record
    assert frozen is not None
    server.kill()
    with capture_logs() as logs:

        async def failed_often() -> bool:
            worker.draws.see_to(frozen, seen.line)
            return len(logs) == 5

        await eventually(failed_often)
    assert [each["pause_seconds"] for each in logs] == [0.01, 0.02, 0.04, 0.05, 0.05]
    assert {(each["event"], each["error"]) for each in logs} == {("draw-delayed", "StoreUnavailable")}


async def test_a_change_that_comes_while_the_entries_are_listed_costs_nothing(
    make_worker: WorkerMaker, redis_server: RedisServer
) -> None:
    worker = make_worker("one")
    await freeze(worker.hall)
    redis_server.client.config_resetstat()
    await worker.tick()
    changed = await worker.hall.put(record(3, 8))
    root = await worker.sealed()
    stands = await worker.tick()
    assert stands.draw is not None and (stands.draw.root, stands.draw.size) == (root, PEOPLE)
    assert (stands.version, stands.event.opens_at) == (4, changed.event.opens_at)
    noted = await worker.hall.store.changes(worker.hall.slug, 1)
    assert [(version, change.verb, change.by) for version, change in noted] == [(4, "seal", "worker")]
    assert redis_server.client.info("commandstats")["cmdstat_hgetall"]["calls"] < 1.5 * BUCKETS


async def test_a_list_that_redis_lost_is_put_back_from_a_file(
    make_worker: WorkerMaker, redis_server: RedisServer
) -> None:
    worker = make_worker("one")
    await freeze(worker.hall)
    root = await worker.sealed()
    before, kept = await list_of(worker, root), await worker.tick()
    redis_server.client.flushall()
    await worker.hall.store.put_event(kept)

    async def is_back() -> bool:
        await worker.tick()
        return await list_of(worker, root) == before

    await eventually(is_back, within_seconds=10)
    await lasts(worker, redis_server, root)


async def test_an_epoch_that_begins_during_a_look_is_looked_at_when_that_ends(
    make_worker: WorkerMaker, redis_server: RedisServer
) -> None:
    one, other = make_worker("one"), make_worker("other")
    await freeze(one.hall)
    await lasts(one, redis_server, await one.sealed())
    record, line = await one.tick(), one.hall.seen.line
    await one.draws.close()
    later = replace(line, segments=(*line.segments, Segment("2764040000123-9f3ab2c1", FIRST_COME, 0)))
    redis_server.client.config_resetstat()
    other.draws.see_to(record, line)

    async def looked_again() -> bool:
        other.draws.see_to(record, later)
        stats = redis_server.client.info("commandstats")
        return "cmdstat_hexists" in stats and stats["cmdstat_hexists"]["calls"] == 2

    await eventually(looked_again)


async def test_a_file_that_is_not_what_it_was_is_set_aside_and_never_put_back(
    make_worker: WorkerMaker, redis_server: RedisServer, tmp_path: Path
) -> None:
    worker = make_worker("one")
    await freeze(worker.hall)
    root = await worker.sealed()
    salt_key, sessions = worker.files.read(worker.hall.slug, root)
    assert (len(salt_key), len(sessions)) == (SALT_KEY_BYTES, 12 * PEOPLE)
    worker.files.keep(worker.hall.slug, root, salt_key, [sessions[:-1], b"\x00"])
    kept = await worker.tick()
    redis_server.client.flushall()
    await worker.hall.store.put_event(kept)

    async def is_aside() -> bool:
        await worker.tick()
        return not worker.files.holds(worker.hall.slug, root)

    await eventually(is_aside, within_seconds=10)
    assert await list_of(worker, root) == [None] * 5
    assert len(list((tmp_path / "one" / "draws").glob("*.damaged"))) == 1
