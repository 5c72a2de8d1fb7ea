"""Calls that travel together: order, size, and nobody left waiting."""

from __future__ import annotations

import asyncio

import pytest

from admission.core.errors import StoreUnavailable
from admission.store.batch import Batcher
from admission.store.protocol import BATCH_LIMIT


class Line:
    """Doubles what it is asked, one batch at a time, once its gate is open."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.sizes: list[int] = []
        self.error: Exception | None = None
        self.running = 0

    async def send(self, items: list[int]) -> list[int]:
        self.sizes.append(len(items))
        self.running += 1
        assert self.running == 1
        await self.gate.wait()
        self.running -= 1
        if self.error:
            raise self.error
        return [item * 2 for item in items]


async def started(batcher: Batcher[int, int], count: int) -> list[asyncio.Future[int]]:
    answers = [batcher.ask(item) for item in range(count)]
    await asyncio.sleep(0)
    return answers


async def test_what_arrives_during_a_call_goes_in_the_next_and_each_gets_its_own_answer() -> None:
    line = Line()
    tasks = await started(Batcher(line.send), 300)
    line.gate.set()
    assert await asyncio.gather(*tasks) == [item * 2 for item in range(300)]
    assert sum(line.sizes) == 300 and max(line.sizes) <= BATCH_LIMIT


async def test_a_batcher_works_again_after_a_pause() -> None:
    line = Line()
    line.gate.set()
    batcher = Batcher(line.send)
    assert [await batcher.ask(1), await batcher.ask(2)] == [2, 4]


@pytest.mark.parametrize("error", [StoreUnavailable("away"), ValueError("a reply that cannot be read")])
async def test_a_failed_call_is_told_to_all_who_wait_and_to_nobody_later(error: Exception) -> None:
    line = Line()
    line.error = error
    batcher = Batcher(line.send)
    tasks = await started(batcher, 1000)
    line.gate.set()
    assert {type(answer) for answer in await asyncio.gather(*tasks, return_exceptions=True)} == {type(error)}
    assert len(line.sizes) == 1
    line.error = None
    assert await batcher.ask(4) == 8


async def test_too_many_waiting_are_told_so_at_once() -> None:
    line = Line()
    batcher = Batcher(line.send)
    tasks = await started(batcher, 10_000)
    early = [task for task in tasks if task.done()]
    assert early and all(isinstance(task.exception(), StoreUnavailable) for task in early)
    line.gate.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert len([answer for answer in answers if isinstance(answer, int)]) == 10_000 - len(early)


async def test_who_goes_away_takes_nobody_along() -> None:
    line = Line()
    tasks = await started(Batcher(line.send), 10)
    tasks[3].cancel()
    line.gate.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [answer for answer in answers if isinstance(answer, int)] == [i * 2 for i in range(10) if i != 3]
