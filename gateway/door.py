"""The door of an event: claims that find it busy, or Redis away, wait here a moment, in the order of their places.

Sent away at once, people would come back at random, and chance would decide who goes first: in a full line some would
be overtaken by a thousand. Here the earliest place asks first, as soon as there may be room.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count

from admission.core.errors import StoreUnavailable
from admission.core.line import Place
from admission.store.protocol import Claimed, Holder

BUSY = "door-busy"
# Longer than the 3 s of rate that are called and unclaimed take to enter, also at the fuller one of two doors, which
# has half of the rate for more than half of the people: where the rate binds, nobody is sent away and overtaken.
_HOLD_SECONDS = 7.0
_TOGETHER = 8  # ask at once; when all of them enter, the next ones follow without a pause
_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.002, 0.05
_COME_BACK = Claimed(BUSY, retry_seconds=1.0)
_AWAY = Claimed(BUSY, retry_seconds=0.2)  # of a store that gives no answer; a failover takes seconds

Claim = Callable[[Holder], Awaitable[Claimed]]


@dataclass(order=True, slots=True)
class _Waiting:
    place: Place
    arrival: int
    holder: Holder = field(compare=False)
    answer: asyncio.Future[Claimed] = field(compare=False)


class Door:
    """Lets the called in by place, as far as this process sees them; rate and capacity are judged in the claim.

    Weakness: each gateway has a line of its own at the door. Between them the store lets the earliest of those go first
    that asked within 0.2 s; for a moment after each entry it knows only the next one of the same gateway.

    Args:
        claim: asks the store once.
    """

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._line: list[_Waiting] = []
        self._arrivals = count()
        self._opening: asyncio.Task[None] | None = None
        self._failure = ""  # why the store gave no answer, when it was asked last

    @property
    def waiting(self) -> int:
        """How many wait for an answer."""
        return sum(not each.answer.done() for each in self._line)

    async def enter(self, holder: Holder) -> Claimed:
        """The answer to a claim: `door-busy` only after a wait of 7 s.

        Raises:
            StoreUnavailable: when the store still gave no answer at the end of that wait.
        """
        claimed = await self._ask(holder)  # also behind others: the store notes who asked in time
        if claimed.problem != BUSY:
            return claimed
        answer: asyncio.Future[Claimed] = asyncio.get_running_loop().create_future()
        heappush(self._line, _Waiting(holder.place, next(self._arrivals), holder, answer))
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
        try:
            return await asyncio.wait_for(answer, _HOLD_SECONDS)
        except TimeoutError:
            if self._failure:
                raise StoreUnavailable(self._failure) from None
            return _COME_BACK

    async def _ask(self, holder: Holder) -> Claimed:
        """The store's answer; as of a busy door while it gives none, since a claim that is sent twice counts once."""
        try:
            claimed = await self._claim(holder)
        except StoreUnavailable as error:
            self._failure = error.reason
            return _AWAY
        self._failure = ""
        return claimed

    async def _open(self) -> None:
        try:
            while first := self._first():
                answers = await asyncio.gather(*(self._ask(each.holder) for each in first), return_exceptions=True)
                pause_seconds = 0.0
                for waiting, answer in zip(first, answers, strict=True):
                    if isinstance(answer, Claimed) and answer.problem == BUSY:
                        heappush(self._line, waiting)
                        pause_seconds = pause_seconds or answer.retry_seconds
                    else:
                        _tell(waiting.answer, answer)
                if pause_seconds:
                    # Never in step with another gateway, which would find the room first every time.
                    longest = pause_seconds if self._failure else min(pause_seconds, _LONGEST_PAUSE_SECONDS)
                    await asyncio.sleep(max(_SHORTEST_PAUSE_SECONDS, longest * random.uniform(0.5, 1.0)))  # noqa: S311
        finally:
            self._opening = None

    def _first(self) -> list[_Waiting]:
        """The earliest places that still wait for an answer, taken from the line."""
        first: list[_Waiting] = []
        while self._line and len(first) < _TOGETHER:
            waiting = heappop(self._line)
            if not waiting.answer.done():
                first.append(waiting)
        return first


def _tell(waiter: asyncio.Future[Claimed], answer: Claimed | BaseException) -> None:
    if waiter.done():
        return
    if isinstance(answer, Claimed):
        waiter.set_result(answer)
    else:
        waiter.set_exception(answer)
