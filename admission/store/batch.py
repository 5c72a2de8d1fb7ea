"""Calls that travel together: what arrives while a call is in flight goes in the next one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from admission.core.errors import StoreUnavailable
from admission.store.protocol import BATCH_LIMIT

In = TypeVar("In")
Out = TypeVar("Out")

_PENDING_LIMIT = 8192  # about a second of joins at the peak; what waits longer is told to come back


class Batcher(Generic[In, Out]):
    """Sends single calls in batches, one batch at a time, so that the cost per call falls as the surge grows.

    Args:
        send: takes 1 to BATCH_LIMIT items, returns an answer for each, in order.
    """

    def __init__(self, send: Callable[[list[In]], Awaitable[list[Out]]]) -> None:
        self._send = send
        self._pending: deque[tuple[In, asyncio.Future[Out]]] = deque()
        self._running: asyncio.Task[None] | None = None

    def ask(self, item: In) -> asyncio.Future[Out]:
        """The answer to one item, to be awaited; it never raises at once, so that many may be asked for in one go.

        Cancelled before its batch is sent, the item is not sent at all.
        It ends with StoreUnavailable when too many wait already, or when the call failed; then nothing is known of
        its effect.
        """
        answer: asyncio.Future[Out] = asyncio.get_running_loop().create_future()
        if len(self._pending) >= _PENDING_LIMIT:
            answer.set_exception(StoreUnavailable("too many calls wait for the store"))
            return answer
        self._pending.append((item, answer))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return answer

    async def _run(self) -> None:
        try:
            while self._pending:
                count = min(BATCH_LIMIT, len(self._pending))
                taken = (self._pending.popleft() for _ in range(count))
                # Whoever was cancelled has left: what they asked for would be done for nobody.
                if batch := [each for each in taken if not each[1].done()]:
                    await self._one_batch(batch)
        finally:
            self._running = None

    async def _one_batch(self, batch: list[tuple[In, asyncio.Future[Out]]]) -> None:
        try:
            answers = await self._send([item for item, _ in batch])
        except Exception as error:  # whatever it was, nobody may wait for ever
            # What waits behind a call that failed would, at a silent Redis, only wait longer for the same answer.
            for _, waiter in (*batch, *self._pending):
                if not waiter.done():
                    waiter.set_exception(error)
            self._pending.clear()
            return
        for (_, waiter), answer in zip(batch, answers, strict=True):
            if not waiter.done():
                waiter.set_result(answer)
