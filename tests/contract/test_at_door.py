"""The workers hear how many wait at the doors of all gateways."""

from __future__ import annotations

from admission.store.protocol import DOOR_SECONDS
from admission.store.redis import RedisStore
from tests.contract.hall import Hall


async def heard(hall: Hall, later_seconds: float = 0.0) -> int:
    """What is heard now, or would be some time later."""
    now_us = (await hall.look()).now_us
    return await hall.store.at_door(hall.slug, now_us + int(later_seconds * 1_000_000))


async def test_the_last_word_of_each_gateway_counts(store: RedisStore) -> None:
    hall = await Hall(store).open()
    assert await heard(hall) == 0
    for who, people in (("one", 5), ("two", 7), ("one", 3)):
        await store.attend(hall.slug, who, people)
    assert await heard(hall) == 10
    await store.attend(hall.slug, "two", 0)
    assert await heard(hall) == 3


async def test_who_has_fallen_silent_counts_no_more(store: RedisStore) -> None:
    hall = await Hall(store).open()
    await store.attend(hall.slug, "one", 5)
    assert await heard(hall, DOOR_SECONDS - 0.5) == 5
    assert await heard(hall, DOOR_SECONDS + 0.5) == 0
