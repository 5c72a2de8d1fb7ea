"""How much the demo site can bear: a small, honest model of a site that gets slow and then fails.

There are `slots` places to work in. A page holds one for as long as its work takes. When all are held, the
next ones wait in the order they came, so that the wait grows with the number before them:

    wait of the n-th in the queue = n / slots * seconds of work        (n = 1 … slots)

When as many wait as are served, everybody further is refused at once. The work is waiting for another
system's answer, as the real site waited for the population register, and no CPU: a small machine can play a
large site.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Overloaded(Exception):
    """As many wait as are served: this one is refused."""


class Capacity:
    """Serves so many at once, lets as many again wait, refuses the rest, and counts.

    Args:
        slots: how many are served at once, at least 1; `resize` changes it.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.active = 0
        self.peak = 0
        self.served = 0
        self.failed = 0
        self._free = asyncio.Semaphore(slots)

    @asynccontextmanager
    async def work(self, seconds: float) -> AsyncIterator[None]:
        """Hold a slot through this much work and the body of the block.

        Raises: Overloaded at once when twice `slots` are inside already.
        """
        if self.active >= 2 * self.slots:
            self.failed += 1
            raise Overloaded
        self.active += 1
        self.peak = max(self.peak, self.active)
        try:
            async with self._free:
                await asyncio.sleep(seconds)
                yield
            self.served += 1
        finally:
            self.active -= 1

    async def idle(self) -> None:
        """Return once nobody who is inside now is left."""
        for _ in range(self.slots):
            await self._free.acquire()
        for _ in range(self.slots):
            self._free.release()

    async def resize(self, slots: int) -> None:
        """Serve this many at once, at least 1; fewer as soon as those who are served now are done."""
        fewer, more = max(0, self.slots - slots), max(0, slots - self.slots)
        self.slots = slots
        for _ in range(more):
            self._free.release()
        await asyncio.gather(*(self._free.acquire() for _ in range(fewer)))

    def load(self) -> dict[str, int]:
        """Now inside (served or waiting), most ever inside, finished, refused: counts of this process."""
        return {
            "capacity": self.slots,
            "active": self.active,
            "peak": self.peak,
            "served": self.served,
            "failed": self.failed,
        }
