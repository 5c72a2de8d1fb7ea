"""What draws need of a worker beside its ticks: their entries sealed once, their entry lists kept in two places."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import structlog

from admission.core.errors import StoreUnavailable
from admission.core.line import Line
from admission.core.record import EventRecord
from admission.data_dir import EntryFiles
from admission.store.protocol import Store
from admission.worker.copies import Copies
from admission.worker.sealing import Sealer, awaits_sealing

TURN_SECONDS = 15.0  # after which another worker goes on for one that ended; renewed every third of it
LOOK_SECONDS = 60.0  # between two looks at an entry list; a new epoch, which may have lost it, is looked at at once
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0  # after failures in a row: 1, 2, 4, … seconds

log = structlog.get_logger()


@dataclass
class _Watch:
    """One event: what is being done for it, when to look again, and how often in a row it failed."""

    task: asyncio.Task[None] | None = None
    look_at: float = 0.0
    failures: int = 0
    epoch: int = 0


class Draws:
    """Does for each event with a draw what has to be done, one thing at a time, and after a failure later and later."""

    def __init__(self, store: Store, files: EntryFiles) -> None:
        self._store = store
        self._copies = Copies(store, files)
        self._sealer = Sealer(store, self._copies)
        self._name = secrets.token_hex(8)
        self._watches: dict[str, _Watch] = {}

    def see_to(self, record: EventRecord, line: Line) -> None:
        """Begin what an event needs, unless something is under way or it is too early; costs a tick nothing."""
        sealing = awaits_sealing(record, line)
        if not sealing and (record.draw is None or record.draw.root is None):
            return
        watch = self._watches.setdefault(record.event.slug, _Watch())
        if watch.epoch != line.epoch:
            watch.epoch, watch.look_at = line.epoch, 0.0
        if watch.task is None and time.monotonic() >= watch.look_at:
            watch.task = asyncio.create_task(self._do(watch, record, line, sealing=sealing))

    async def close(self) -> None:
        """End what is under way; another worker, or the next start, does it."""
        tasks = [watch.task for watch in self._watches.values() if watch.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _do(self, watch: _Watch, record: EventRecord, line: Line, *, sealing: bool) -> None:
        pause_seconds = min(FIRST_PAUSE_SECONDS * 2**watch.failures, LONGEST_PAUSE_SECONDS)
        try:
            pause_seconds = await (self._seal(record, line) if sealing else self._agree(record))
            watch.failures = 0
        except Exception as error:  # Redis is away, or our own mistake: neither may end the ticks
            watch.failures += 1
            told = {"slug": record.event.slug, "sealing": sealing, "pause_seconds": pause_seconds}
            log.warning("draw-delayed", error=type(error).__name__, reason=str(error), **told)
        finally:
            watch.task = None
            if watch.epoch == line.epoch:  # else another one began meanwhile, and is looked at at once
                watch.look_at = time.monotonic() + pause_seconds

    async def _seal(self, record: EventRecord, line: Line) -> float:
        """Seal, if it is our turn; returns the seconds until the next look."""
        return await self._in_turn(record.event.slug, partial(self._sealer.seal, record, line))

    async def _agree(self, record: EventRecord) -> float:
        """Let Redis and the data folder hold the same list; returns the seconds until the next look."""
        slug, draw = record.event.slug, record.draw
        if draw is None or draw.root is None:
            return LOOK_SECONDS
        if await self._copies.lost_in_redis(slug, draw.root):
            return await self._in_turn(slug, partial(self._copies.put_back, slug, draw.root))
        await self._copies.fetch(slug, draw)
        return LOOK_SECONDS

    async def _in_turn(self, slug: str, work: Callable[[], Awaitable[None]]) -> float:
        """Do what takes long, unless another worker is at it; returns the seconds until the next look."""
        if not await self._store.take_turn(slug, self._name, TURN_SECONDS):
            return TURN_SECONDS / 3
        renewal = asyncio.create_task(self._renew(slug))
        try:
            await work()
        finally:
            renewal.cancel()
        return 0.0

    async def _renew(self, slug: str) -> None:
        while True:
            await asyncio.sleep(TURN_SECONDS / 3)
            with suppress(StoreUnavailable):
                await self._store.take_turn(slug, self._name, TURN_SECONDS)
