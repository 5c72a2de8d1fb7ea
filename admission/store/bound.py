"""A bound on waiting that does not blame others for a late event loop."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

_LATE_SECONDS = 0.02  # later than that a timer says more of the loop than of what is waited for
_MOST_TIMES = 4  # as long as asked for at most, so that an end comes even in a loop that is late for ever


class Bound:
    """`asyncio.timeout`, plus the time that the event loop lost: an answer may have come that it had not read.

    A loop that is busy for longer than the bound runs the timer before it looks at its sockets, and a healthy server
    would count as silent.

    Args:
        seconds: from entering; four times as long at most.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"  # noqa: S101
        self._task, self._cancelling = task, task.cancelling()
        self._loop = asyncio.get_running_loop()
        self._expired = False
        self._due = self._loop.time() + self._seconds
        self._last = self._due + (_MOST_TIMES - 1) * self._seconds
        self._timer = self._loop.call_at(self._due, self._expire)
        return self

    def _expire(self) -> None:
        now = self._loop.time()
        late_seconds = now - self._due
        if late_seconds > _LATE_SECONDS and now < self._last:
            self._due = min(self._last, now + min(late_seconds, self._seconds))
            self._timer = self._loop.call_at(self._due, self._expire)
            return
        self._expired = True
        self._task.cancel()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raises TimeoutError when the time was over."""
        self._timer.cancel()
        if self._expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error
