"""The freeze: who is in the line is in the draw, who comes later queues behind, and it happens once (B1, B9, B10)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from admission.core.applicant import ApplicantState
from admission.core.draw import Draw, DrawSource
from admission.core.event import Order
from admission.core.line import DRAW, NOWHERE, Place
from admission.core.record import EventRecord
from admission.store.protocol import Holder
from admission.store.redis import RedisStore
from antrean.draw import commitment_of
from tests.conftest import ServerMaker, StoreMaker
from tests.contract.hall import Guest, Hall
from tests.eventually import eventually
from tests.samples import make_record

SEED = bytes(32)
SOURCE = DrawSource(kind="witness", says="the notary's word at noon")


def record(version: int, opens_in_seconds: float, draw: Draw | None = None, **fields: Any) -> EventRecord:
    """An event with a draw, whose freeze is ten seconds before its opening."""
    opens_at = datetime.now(UTC) + timedelta(seconds=opens_in_seconds)
    drawn = {"order": Order.DRAW, "draw_source": SOURCE, "prequeue_at": opens_at - timedelta(days=1)}
    made = make_record(version, opens_at=opens_at, freeze_seconds=10, **drawn, **fields)
    return made.model_copy(update={"draw": draw or Draw(commitment=commitment_of(SEED).hex(), sealed_seed="sealed")})


def drawn(size: int) -> Draw:
    """The draw with everything known."""
    facts = {"root": "00" * 32, "size": size, "value": "7", "value_by": "notary", "seed": SEED.hex()}
    return Draw(commitment=commitment_of(SEED).hex(), sealed_seed="sealed", **facts)


def holder(hall: Hall, guest: Guest, place: Place) -> Holder:
    """A guest whose place the line does not tell."""
    session = guest.entry.session
    return Holder(session, guest.entry.check, place, *guest.number)


async def frozen(store: RedisStore) -> tuple[Hall, list[Guest]]:
    """Five people in the pre-queue, then the freeze."""
    hall = Hall(store)
    await hall.put(record(1, 3600))
    guests = await hall.join_all(range(1, 6))
    await hall.put(record(2, 5))
    return hall, guests


@pytest.mark.promise("B9")
async def test_whoever_comes_after_the_freeze_has_a_number_behind_the_draw(store: RedisStore) -> None:
    hall, guests = await frozen(store)
    late = await hall.join_all(range(6, 9))
    await hall.look()
    assert [(each.drawn, each.size) for each in hall.seen.line.segments] == [(5, 5), (0, 3)]
    assert {guest.joined.epoch for guest in late}.isdisjoint(guest.joined.epoch for guest in guests)
    assert hall.place(late[0]) == hall.at(2, 1)
    again = await hall.join(1)
    assert again.number == guests[0].number and again.joined.known


async def test_the_freeze_needs_nobody_and_comes_with_the_first_call_after_its_time(store: RedisStore) -> None:
    hall = Hall(store)
    await hall.put(record(1, 11))
    await hall.join(1)

    async def is_frozen() -> bool:
        await hall.advance(hall.seen.line.mark_after(0))
        return (await hall.look()).line.frozen

    await eventually(is_frozen, within_seconds=10)
    assert [segment.size for segment in hall.seen.line.segments] == [1, 0]


@pytest.mark.promise("B10")
async def test_a_postponement_after_the_freeze_never_freezes_again(store: RedisStore) -> None:
    hall, _ = await frozen(store)
    await hall.put(record(3, 86_400))
    await hall.join(6)
    await hall.put(record(4, 5))
    await hall.join(7)
    await hall.look()
    assert [(each.drawn, each.size) for each in hall.seen.line.segments] == [(5, 5), (0, 2)]


@pytest.mark.promise("B9")
async def test_two_lives_of_the_data_are_drawn_together(make_server: ServerMaker, make_store: StoreMaker) -> None:
    server = make_server("redis")
    hall = Hall(make_store(server.url))
    await hall.put(record(1, 3600))
    await hall.join_all(range(1, 4))
    await hall.look()
    server.empty()
    await hall.put(record(2, 3600))
    await hall.join_all(range(4, 6))
    await hall.look()
    await hall.put(record(3, 5))
    late = await hall.join(9)
    await hall.look()
    assert [(each.drawn, each.size) for each in hall.seen.line.segments] == [(3, 3), (2, 2), (0, 1)]
    assert hall.place(late) == hall.at(3, 1)
    server.empty()
    await hall.put(record(4, 5))
    await hall.look()
    assert [(each.drawn, each.size) for each in hall.seen.line.segments][:2] == [(3, 3), (2, 2)]


@pytest.mark.promise("B9")
async def test_nobody_is_called_or_admitted_before_the_value_is_known(store: RedisStore) -> None:
    hall, guests = await frozen(store)
    await hall.put(record(3, -60))
    for _ in range(3):
        await hall.advance(hall.seen.line.mark_after(0))
    claimed = await store.claim(hall.slug, [holder(hall, guests[0], Place(DRAW, 1))])
    assert claimed[0].problem == "event-not-open"
    await hall.put(record(4, -60, drawn(5)))
    await hall.call()
    assert (await store.claim(hall.slug, [holder(hall, guests[0], Place(DRAW, 1))]))[0].problem == ""


async def test_a_place_left_before_its_draw_is_left(store: RedisStore) -> None:
    hall, guests = await frozen(store)
    assert await store.leave(hall.slug, holder(hall, guests[0], NOWHERE)) == ""
    await hall.put(record(3, -60, drawn(5)))
    await hall.call()
    assert (await store.claim(hall.slug, [holder(hall, guests[0], Place(DRAW, 3))]))[0].problem == "left"
    again = await hall.join(1)
    assert again.joined.epoch != guests[0].joined.epoch


async def test_a_place_without_identity_that_was_left_before_its_draw_is_left(store: RedisStore) -> None:
    hall = Hall(store)
    await hall.put(record(1, 3600, identity=False))
    guest = await hall.join()
    await hall.look()
    of_number = Holder(b"s" * 12, bytes(6), NOWHERE, *guest.number)
    assert await store.leave(hall.slug, of_number) == ""
    called = Holder(of_number.session, of_number.check, Place(DRAW, 1), *guest.number)
    assert (await store.look(hall.slug, [called]))[0].left


@pytest.mark.promise("B5")
async def test_after_the_grace_of_a_drawn_place_its_tag_may_join_again(store: RedisStore) -> None:
    """In a drawn segment a number does not tell its place: whoever knows the place notes that its grace has ended."""
    hall, guests = await frozen(store)
    await hall.put(record(3, -60, drawn(5), grace_seconds=5))
    await hall.call(3)
    first = holder(hall, guests[0], Place(DRAW, 3))
    assert not await store.expire(hall.slug, first), "its grace goes on"

    async def over() -> bool:
        await hall.advance(hall.seen.line.serving)
        return (await hall.look()).line.expired >= Place(DRAW, 3)

    await eventually(over, within_seconds=15)
    assert (await hall.join(1)).number == guests[0].number, "nobody has told the index yet"
    assert await store.expire(hall.slug, first) and not await store.expire(hall.slug, first)
    again = await hall.join(1)
    assert again.number != guests[0].number and not again.joined.known
    await hall.look()
    assert await hall.state(again) is ApplicantState.WAITING


@pytest.mark.promise("B9")
async def test_one_nik_has_one_entry_however_many_browsers_joined(store: RedisStore) -> None:
    """Who leaves the first place must not enter with the best of the others."""
    hall = Hall(store)
    await hall.put(record(1, 3600))
    first, second = await hall.join(1, browser=1), await hall.join(1, browser=2)
    await hall.join_all(range(2, 5))
    await hall.put(record(2, 5))
    await hall.put(record(3, -60, drawn(5)))
    await hall.call(5)
    held, other = holder(hall, first, Place(DRAW, 4)), holder(hall, second, Place(DRAW, 1))
    (refused,) = await store.claim(hall.slug, [other])
    assert refused.problem == "identity-in-line"
    assert await store.leave(hall.slug, held) == ""
    (refused,) = await store.claim(hall.slug, [other])
    assert refused.problem == "identity-in-line"
    again = await hall.join(1)
    await hall.call(1)
    assert (await hall.claim(again)).problem == "", "behind the draw they may join like anybody"
