"""How the site is, as its own answers tell: counted here, told to the gateway once a second.

Where the event has a control law, the waiting room lets in fewer people while the site is in trouble. A word that is
lost is no loss: the next one tells what is new.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Iterator

from antrean.connectors.link import GatewayAway, GatewayLink, GatewayRefusal

# Seconds between two words.
TELL_SECONDS = 1.0

# Seconds without an answer after which a request counts as an error.
HANGS_SECONDS = 10.0

# Latencies that are kept between two words; of more answers the first ones stand for all.
_LATENCIES_MAX = 10_000

log = logging.getLogger("antrean.connectors")


class Vitals:
    """Counts answers, errors and latencies, and tells them.

    An answer of 500 or more, or 429, is an error, and so is an exception; other refusals are the applicant's.

    Args:
        link: to the gateway, with the origin key.
        event: slug.
    """

    def __init__(self, link: GatewayLink, event: str) -> None:
        self._link = link
        self._path = f"/v1/events/{event}/reports"
        self._answers = self._errors = 0
        self._latencies: list[float] = []
        self._open: dict[object, float] = {}
        self._task: asyncio.Task[None] | None = None

    def count(self, status: int, seconds: float) -> None:
        """Count one answer."""
        self._answers += 1
        self._errors += status >= 500 or status == 429
        if len(self._latencies) < _LATENCIES_MAX:
            self._latencies.append(seconds)

    @contextlib.contextmanager
    def timed(self) -> Iterator[list[int]]:
        """Count the answer of the block, which puts its status into the list; without one it is not counted.

        What takes longer than ten seconds is an error as soon as it does: a site that hangs answers nothing.
        """
        asked, status = object(), list[int]()
        began = self._open[asked] = time.perf_counter()
        try:
            yield status
        finally:
            if self._open.pop(asked, None) is not None and status:
                self.count(status[0], time.perf_counter() - began)

    def start(self) -> None:
        """Begin to tell; returns at once."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """End; what was not told stays untold."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        told = True
        while True:
            await asyncio.sleep(TELL_SECONDS)
            try:
                await asyncio.to_thread(self._link.post, self._path, {"reports": [], "health": self._word()})
                told = True
            except (GatewayAway, GatewayRefusal) as refused:
                if told:  # once for each time it does not work
                    log.warning("the gateway does not hear how the site is: %s", refused)
                told = False

    def _word(self) -> dict[str, float | None]:
        """What came since the last word, and what has not come for too long."""
        now = time.perf_counter()
        for asked in [asked for asked, began in self._open.items() if now - began > HANGS_SECONDS]:
            self.count(504, now - self._open.pop(asked))
        latencies = sorted(self._latencies)
        word = {
            "answers": self._answers,
            "errors": self._errors,
            "latency_seconds": latencies[math.ceil(0.95 * len(latencies)) - 1] if latencies else None,
        }
        self._answers = self._errors = 0
        self._latencies = []
        return word
