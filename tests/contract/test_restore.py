"""Giving an event back to a Redis that lost its data: what somebody saw of the line goes with it (B10)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from admission.core.errors import StoreUnavailable
from admission.data_dir import RecordFiles
from admission.store.connection import Connection
from admission.store.redis import RedisStore
from admission.store.restore import Restorer
from antrean.commands.events import put_settings
from tests.contract.hall import Hall
from tests.samples import SEAL, make_event, make_record
from tests.servers import RedisServer

PATIENCE_SECONDS = 3
RECORD = make_record(learning_seconds=PATIENCE_SECONDS)


class Clock:
    """Monotonic seconds that a test moves on."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
async def newcomer(redis_server: RedisServer) -> AsyncIterator[RedisStore]:
    """The store of a process that has just started: it has the record from its data folder, and saw no line."""
    store = RedisStore(Connection(redis_server.url, timeout_seconds=5), SEAL)
    yield store
    await store.close()


async def restored(store: RedisStore, restorer: Restorer) -> bool:
    """A look of one process, and what it made of it: whether anything had to be put back."""
    return await restorer.restore(RECORD, await store.snapshot(RECORD.event.slug))


@pytest.mark.promise("B10")
async def test_who_saw_no_line_lets_others_put_it_back(
    store: RedisStore, newcomer: RedisStore, redis_server: RedisServer
) -> None:
    clock = Clock()
    hall = Hall(store)
    await store.put_event(RECORD, new=True)
    guests = await hall.join_all(range(1, 6))
    await hall.call(2)
    redis_server.client.flushall()
    late = Restorer(newcomer, monotonic=clock)
    assert await restored(newcomer, late)
    clock.seconds += PATIENCE_SECONDS / 2
    assert await restored(newcomer, late)
    assert redis_server.client.dbsize() == 0
    assert await restored(store, Restorer(store))
    assert not await restored(newcomer, late)
    seen = await newcomer.snapshot(hall.slug)
    assert [segment.size for segment in seen.line.segments] == [5, 0]
    assert seen.line.position(seen.line.serving) == 2
    assert seen.line.place(*guests[4].number) is not None


async def test_where_nobody_saw_the_line_the_event_is_put_back_all_the_same(
    newcomer: RedisStore, redis_server: RedisServer
) -> None:
    clock = Clock()
    restorer = Restorer(newcomer, monotonic=clock)
    assert await restored(newcomer, restorer)
    clock.seconds += PATIENCE_SECONDS
    assert await restored(newcomer, restorer)
    assert not await restored(newcomer, restorer)
    redis_server.client.flushall()  # another loss is another wait, for whoever saw no more of the line meanwhile
    fresh = Restorer(newcomer, monotonic=clock)
    assert await restored(newcomer, fresh)


@pytest.mark.promise("B10")
async def test_an_older_record_is_mended_at_once(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open()
    newer = make_record(version=2)
    assert await Restorer(store).restore(newer, await hall.look())
    assert (await hall.look()).record == newer


@pytest.mark.promise("B10")
async def test_nobody_begins_a_line_in_an_empty_redis_without_the_record(
    store: RedisStore, newcomer: RedisStore, redis_server: RedisServer
) -> None:
    hall = await Hall(store).open()
    guest = await hall.join(1)
    await hall.look()
    redis_server.client.flushall()
    with pytest.raises(StoreUnavailable, match="NOEVENT"):
        await Hall(newcomer).join(2)
    assert redis_server.client.dbsize() == 0
    await hall.put(RECORD)
    assert hall.seen.line.place(*guest.number) is not None


@pytest.mark.promise("B10")
async def test_a_file_that_is_put_meanwhile_waits_for_who_saw_the_line(
    store: RedisStore, newcomer: RedisStore, redis_server: RedisServer, tmp_path: Path
) -> None:
    files, event = RecordFiles(tmp_path, SEAL), make_event(learning_seconds=PATIENCE_SECONDS)
    made = await put_settings(store, files, event, b"w" * 32, "Sri")
    hall = Hall(store)
    guest = await hall.join(1)
    await hall.look()
    redis_server.client.flushall()

    async def by_who_saw_it() -> None:
        await asyncio.sleep(PATIENCE_SECONDS / 3)
        await store.put_event(made)

    stands, _ = await asyncio.gather(put_settings(newcomer, files, event, b"w" * 32, "Sri"), by_who_saw_it())
    assert stands == made
    assert (await hall.look()).line.place(*guest.number) is not None
