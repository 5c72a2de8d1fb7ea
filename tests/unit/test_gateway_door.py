"""The door: whoever was called earlier enters earlier, nobody waits in vain, and no answer is lost."""

from __future__ import annotations

import asyncio
import random

import pytest

from admission.core.errors import StoreUnavailable
from admission.core.line import Place
from admission.store.protocol import Claimed, Holder
from gateway import door as door_module
from gateway.door import BUSY, Door
from tests.eventually import eventually

TRIED_AGAIN = 30  # claims: several rounds of those who wait


def holder(rank: int) -> Holder:
    return Holder(rank.to_bytes(12, "big"), bytes(6), Place(7, rank), 7, rank)


class Seats:
    """A claim with so many seats free; `admitted` holds ranks in the order in which they got one."""

    def __init__(self, free: int = 0) -> None:
        self.free = free
        self.asked = 0
        self.admitted: list[int] = []
        self.failure: Exception | None = None

    async def claim(self, who: Holder) -> Claimed:
        self.asked += 1
        await asyncio.sleep(0)
        if self.failure:
            raise self.failure
        if self.free <= 0:
            return Claimed(BUSY, retry_seconds=0.01)
        self.free -= 1
        self.admitted.append(who.number)
        return Claimed("", session_started_us=len(self.admitted))


async def waiting(door: Door, seats: Seats, ranks: list[int]) -> list[asyncio.Task[Claimed]]:
    """Let these claim, and return when the door was busy for all of them and has been tried again."""
    before = seats.asked
    tasks = [asyncio.create_task(door.enter(holder(rank))) for rank in ranks]
    await eventually(lambda: seats.asked >= before + len(ranks) + TRIED_AGAIN)
    return tasks


async def test_an_open_door_is_passed_at_once() -> None:
    seats = Seats(free=1)
    claimed = await Door(seats.claim).enter(holder(1))
    assert (claimed.problem, seats.asked) == ("", 1)


async def test_at_a_busy_door_the_earlier_places_enter_first() -> None:
    seats = Seats()
    door = Door(seats.claim)
    ranks = list(range(1, 61))
    random.shuffle(ranks)
    tasks = await waiting(door, seats, ranks)
    seats.free = len(ranks)
    await asyncio.gather(*tasks)
    assert seats.admitted == sorted(ranks)


async def test_who_comes_later_with_an_earlier_place_goes_before() -> None:
    seats = Seats()
    door = Door(seats.claim)
    late = await waiting(door, seats, [50, 60])
    early = await waiting(door, seats, [7])
    seats.free = 1
    await asyncio.gather(*early)
    assert seats.admitted == [7]
    seats.free = 2
    await asyncio.gather(*late)


async def test_a_door_that_stays_busy_sends_people_away_with_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_module, "_HOLD_SECONDS", 0.05)
    seats = Seats()
    door = Door(seats.claim)
    claimed = await door.enter(holder(1))
    assert (claimed.problem, claimed.retry_seconds) == (BUSY, 1.0)
    seats.free = 1
    assert (await door.enter(holder(2))).problem == ""
    assert seats.admitted == [2]


async def test_a_failure_of_ours_reaches_the_ones_it_is_for() -> None:
    seats = Seats()
    door = Door(seats.claim)
    tasks = await waiting(door, seats, [1, 2])
    seats.failure = RuntimeError("ours")
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [RuntimeError, RuntimeError]


async def test_who_claims_while_the_store_is_away_enters_when_it_is_back_the_earlier_places_first() -> None:
    seats = Seats(free=20)
    seats.failure = StoreUnavailable("away")
    door = Door(seats.claim)
    ranks = list(range(1, 21))
    random.shuffle(ranks)
    tasks = [asyncio.create_task(door.enter(holder(rank))) for rank in ranks]
    await eventually(lambda: door.waiting == len(ranks) and seats.asked > len(ranks))
    seats.failure = None
    answers = await asyncio.gather(*tasks)
    assert {answer.problem for answer in answers} == {""}
    assert seats.admitted == sorted(ranks)


async def test_a_store_that_stays_away_is_told_at_the_end_of_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_module, "_HOLD_SECONDS", 0.5)
    seats = Seats(free=1)
    seats.failure = StoreUnavailable("away")
    door = Door(seats.claim)
    with pytest.raises(StoreUnavailable, match="away"):
        await door.enter(holder(1))
    seats.failure = None
    assert (await door.enter(holder(2))).problem == ""
    assert seats.admitted == [2]
