"""What an applicant does next, and when something is tried again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from loadtests.lines import Step

Act = Callable[[float], Awaitable[None]]  # takes the moment for which it was planned

_BACKOFF_SECONDS = 0.2  # after the first failure, doubled by each further one
_REFUSALS_MAX = 5  # one after the other, for good reasons; more would be a circle
_LATER = frozenset({"event-not-open", "event-paused", "group-full", "not-called"})  # come back after a while
_LATER_SECONDS = 1.0
_FOR_GOOD = frozenset({"completed", "event-full", "event-closed"})


class Ended(Exception):
    """The way is over; the message is why, empty for somebody who completed or left."""


class Agenda:
    """Acts with due times in monotonic seconds; each act is on it once at most."""

    def __init__(self) -> None:
        self._due: dict[Act, float] = {}

    def __contains__(self, act: Act) -> bool:
        return act in self._due

    def plan(self, act: Act, seconds: float | None) -> None:
        """Do it so many seconds from now; None: not at all."""
        if seconds is not None:
            self._due[act] = time.monotonic() + seconds

    def only(self, act: Act, seconds: float = 0.0) -> None:
        """Drop everything else."""
        self._due.clear()
        self.plan(act, seconds)

    def postpone(self) -> None:
        """What is overdue is due now."""
        now = time.monotonic()
        self._due = {act: max(now, due) for act, due in self._due.items()}

    async def next(self) -> None:
        """Wait for what is due first, and do it."""
        act = min(self._due, key=self._due.__getitem__)
        meant_at = self._due.pop(act)
        await asyncio.sleep(max(0.0, meant_at - time.monotonic()))
        await act(meant_at)


class Patience:
    """Says when to try again after an answer that was not good, or none.

    Args:
        backoff_max_seconds: at most so long between tries while nothing is answered.
        chance: spreads people who try again.
    """

    def __init__(self, backoff_max_seconds: float, chance: random.Random) -> None:
        self._backoff_max_seconds = backoff_max_seconds
        self._chance = chance
        self._failures = self._refusals = 0

    def restore(self) -> None:
        """Something was answered well."""
        self._failures = self._refusals = 0

    def seconds(self, step: Step) -> float:
        """Seconds until the next try: what the answer says, spread over a second; else longer each time.

        Raises:
            Ended: after a refusal for good.
        """
        if 400 <= step.status < 500 and step.status not in (408, 429) and step.problem not in _LATER:
            self._refusals += 1
            if self._refusals >= _REFUSALS_MAX or step.problem in _FOR_GOOD:
                raise Ended(f"{step.op.value}: {step.problem or step.status}")
        if step.retry_seconds is not None:
            return step.retry_seconds + self._chance.random()
        if step.problem in _LATER:
            return _LATER_SECONDS
        self._failures += 1
        longest = min(self._backoff_max_seconds, _BACKOFF_SECONDS * 2.0 ** min(self._failures, 10))
        return longest * self._chance.uniform(0.5, 1.0)
