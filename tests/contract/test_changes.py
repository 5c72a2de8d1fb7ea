"""Changes of an event: one after the other, each in the log, none lost between two operators."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from admission.core.changes import at_rate, closed, with_message, with_settings
from admission.core.errors import ConfigurationError
from admission.core.event import Event
from admission.core.record import EventRecord
from admission.data_dir import RecordFiles
from admission.store.change import change_event
from admission.store.redis import RedisStore
from antrean.commands.events import put_settings
from tests.contract.hall import Hall
from tests.samples import SEAL, TITLES, make_event, make_record
from tests.servers import RedisServer

DAY = timedelta(days=1)


def cheaper(record: EventRecord, _: datetime) -> EventRecord:
    return with_settings(record, capacity=record.event.capacity - 1)


async def test_a_change_is_told_with_who_when_what_and_why(store: RedisStore) -> None:
    hall = await Hall(store).open(capacity=100)
    before = hall.seen.now_us
    stands = await change_event(store, hall.slug, cheaper, verb="capacity", by="Sri", why="the site is slow")
    assert stands == (await hall.look()).record
    ((version, change),) = await store.changes(hall.slug, 10)
    assert (version, change.verb, change.by, change.why) == (2, "capacity", "Sri", "the site is slow")
    assert change.fields == {"capacity": (100, 99)}
    assert before <= change.at.timestamp() * 1_000_000 <= hall.seen.now_us


@pytest.mark.promise("B10")
async def test_changes_at_the_same_time_all_count(store: RedisStore) -> None:
    hall = await Hall(store).open(capacity=100)
    people = [change_event(store, hall.slug, cheaper, verb="capacity", by=str(n)) for n in range(3)]
    await asyncio.gather(*people)
    record = (await hall.look()).record
    assert record is not None
    assert (record.version, record.event.capacity) == (4, 97)
    log = await store.changes(hall.slug, 10)
    assert [version for version, _ in log] == [4, 3, 2]
    assert {change.by for _, change in log} == {"0", "1", "2"}
    assert [version for version, _ in await store.changes(hall.slug, 1)] == [4]


async def test_what_changes_nothing_makes_no_version(store: RedisStore) -> None:
    hall = await Hall(store).open()
    stands = await change_event(store, hall.slug, lambda record, _: with_message(record, {}), verb="message", by="Sri")
    assert (stands.version, await store.changes(hall.slug, 10)) == (1, [])


async def test_an_event_that_is_not_there_is_told(store: RedisStore) -> None:
    with pytest.raises(ConfigurationError, match="no such event"):
        await change_event(store, "nowhere", cheaper, verb="capacity", by="Sri")


async def test_a_record_that_is_put_back_brings_its_last_change(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open(capacity=100)
    stands = await change_event(store, hall.slug, cheaper, verb="capacity", by="Sri")
    redis_server.client.flushall()
    await store.put_event(stands)
    await store.put_event(stands)
    assert await store.changes(hall.slug, 10) == [(2, stands.change)]


async def test_a_record_that_somebody_else_wrote_is_not_taken(store: RedisStore, redis_server: RedisServer) -> None:
    hall = await Hall(store).open(capacity=100)
    forged = make_record(9, capacity=1_000_000)
    redis_server.client.hset(hall.keys.event, mapping={"version": 9, "record": forged.model_dump_json()})
    for verb in (store.snapshot(hall.slug), change_event(store, hall.slug, cheaper, verb="capacity", by="Sri")):
        with pytest.raises(ConfigurationError, match="secrets"):
            await verb


DRAW = {"order": "draw", "draw_source": {"kind": "witness", "says": "the notary"}, "group_by": "province"}


async def test_a_file_that_names_no_rate_and_capacity_leaves_them(store: RedisStore, tmp_path: Path) -> None:
    files, plain = (
        RecordFiles(tmp_path, SEAL),
        {"slug": "prakerja", "origin": "https://daftar.example/", "texts": TITLES},
    )
    await put_settings(store, files, Event.model_validate(plain), b"w" * 32, "Sri")
    slower = await change_event(store, "prakerja", lambda record, _: at_rate(record, 2.0, None), verb="rate", by="Sri")
    again = await put_settings(store, files, Event.model_validate(plain), b"w" * 32, "Sri")
    assert again.event == slower.event and (again.event.rate_per_second, again.event.burst) == (2.0, 2)


async def test_a_file_opens_nothing_that_was_closed(store: RedisStore, tmp_path: Path) -> None:
    files, now = RecordFiles(tmp_path, SEAL), datetime.now(UTC)
    planned = make_event(opens_at=now - DAY, closes_at=now + DAY)
    await put_settings(store, files, planned, b"w" * 32, "Sri")
    ended = await change_event(store, planned.slug, closed, verb="close", by="Sri")
    with pytest.raises(ConfigurationError, match="has closed; leave closes_at out of the file"):
        await put_settings(store, files, planned, b"w" * 32, "Sri")
    assert (await store.snapshot(planned.slug)).record == ended


async def test_a_file_takes_no_group_away_that_people_may_have_chosen(store: RedisStore, tmp_path: Path) -> None:
    files = RecordFiles(tmp_path, SEAL)
    texts = {code: text | {"choice": "Sesi"} for code, text in TITLES.items()}
    names = {"id": "Sesi", "en": "Session"}

    def event(*groups: str) -> Event:
        return make_event(group_by="choice", groups=dict.fromkeys(groups, names), texts=texts)

    await put_settings(store, files, event("pagi", "siang"), b"w" * 32, "Sri")
    await put_settings(store, files, event("pagi", "malam"), b"w" * 32, "Sri")
    await Hall(store).join(1, group="pagi")
    await put_settings(store, files, event("pagi", "malam", "siang"), b"w" * 32, "Sri")
    with pytest.raises(ConfigurationError, match="may have chosen the groups malam, pagi; leave them"):
        await put_settings(store, files, event("siang"), b"w" * 32, "Sri")


async def test_a_file_that_says_what_stands_changes_nothing_and_another_order_is_refused(
    store: RedisStore, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    schedule = {"prequeue_at": now - DAY, "opens_at": now + DAY, "closes_at": now + 2 * DAY}
    event = make_event(**DRAW, **schedule, waves=[{"opens_at": now + 9 * DAY}])
    files = RecordFiles(tmp_path, SEAL)
    made = await put_settings(store, files, event, b"w" * 32, "Sri")
    await Hall(store).join(1)
    assert await put_settings(store, files, event, b"w" * 32, "Sri") == made
    with pytest.raises(ConfigurationError, match="order cannot change") as refused:
        await put_settings(store, files, make_event(**schedule), b"w" * 32, "Sri")
    assert len(refused.value.problems) == 3, "order, draw_source and group_by"
    assert (await store.snapshot(event.slug)).record == made
