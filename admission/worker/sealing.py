"""Sealing a draw: once the line is frozen, its entries are listed and their root goes into the record, once."""

from __future__ import annotations

import asyncio
import secrets
import time
from datetime import datetime

import stamina
import structlog

from admission.core.entries import NOBODY, SALT_KEY_BYTES, EntryList
from admission.core.errors import StoreUnavailable
from admission.core.event import Event
from admission.core.identity import session_of
from admission.core.line import Line
from admission.core.record import EventRecord
from admission.store.change import change_event
from admission.store.protocol import BUCKETS, BUCKETS_AT_ONCE, LEFT, Store
from admission.worker.copies import Copies, tops_of
from antrean.draw import root_of

_TOLD_EVERY_SECONDS = 5.0
_TRIES = 8  # with growing pauses: ten seconds, longer than a failover

log = structlog.get_logger()


def awaits_sealing(record: EventRecord, line: Line) -> bool:
    """Whether the line is frozen and its entries are not listed yet."""
    return record.draw is not None and record.draw.root is None and line.frozen


class Sealer:
    """Lists the entries of one event's draw beside the ticks of the worker.

    Several workers may do it at once: the record takes the first root, and only that list is kept.
    """

    def __init__(self, store: Store, copies: Copies) -> None:
        self._store = store
        self._copies = copies

    async def seal(self, record: EventRecord, line: Line) -> None:
        """List the entries of a frozen line and put their root into the record, unless another one stands there then.

        Raises:
            StoreUnavailable: it may be sealed or not; another try finds out.
            ConfigurationError: Redis has lost the event.
        """
        began, slug = time.monotonic(), record.event.slug
        entries = await self._list(record.event, line)
        salt_key = secrets.token_bytes(SALT_KEY_BYTES)
        tops = await tops_of(salt_key, entries.pieces())
        root = root_of(tops).hex()
        await self._put(slug, root, salt_key, entries, tops)
        if not await self._stands(slug, root, entries.size):
            await self._copies.drop(slug, root)
            return
        log.info("sealed", slug=slug, entries=entries.size, root=root, seconds=round(time.monotonic() - began, 1))
        await self._copies.keep(slug, root, salt_key, entries.pieces())

    async def _stands(self, slug: str, root: str, size: int) -> bool:
        """Put a root into the record, unless one is there; whether it is the one that stands then."""

        def edit(record: EventRecord, _: datetime) -> EventRecord:
            if record.draw is None or record.draw.root is not None:
                return record
            sealed = record.draw.model_copy(update={"root": root, "size": size})
            return record.model_copy(update={"draw": sealed})

        if (await self._store.snapshot(slug)).line.drawn_people != size:
            return False  # a life of the data was lost before anybody saw it, and the freeze with it
        stands = await change_event(self._store, slug, edit, verb="seal", by="worker")
        return stands.draw is not None and stands.draw.root == root

    @stamina.retry(on=StoreUnavailable, attempts=_TRIES, timeout=None)
    async def _put(self, slug: str, root: str, salt_key: bytes, entries: EntryList, tops: list[bytes]) -> None:
        await self._copies.put(slug, root, salt_key, entries.pieces(), tops)

    @stamina.retry(on=StoreUnavailable, attempts=_TRIES, timeout=None)
    async def _rows(self, slug: str, first: int) -> list[tuple[bytes, int, int, int]]:
        """Read a part of the index: one call that took too long must not begin the whole list again."""
        return await self._store.rows_of(slug, first)

    async def _list(self, event: Event, line: Line) -> EntryList:
        entries = EntryList(line.drawn_people)
        if not event.identity:
            await self._number(event, line, entries)
        # What Line.entry says, in the one step that millions of rows afford.
        before = {segment.epoch: (line.entry(segment.epoch, 1) or 1) - 1 for segment in line.segments}
        drawn = {segment.epoch: segment.drawn for segment in line.segments}
        told_at = time.monotonic()
        for first in range(0, BUCKETS, BUCKETS_AT_ONCE):
            for session, flags, epoch, number in await self._rows(event.slug, first):
                if number <= drawn.get(epoch, 0):
                    entries.put(before[epoch] + number, NOBODY if flags & LEFT else session)
            if time.monotonic() - told_at > _TOLD_EVERY_SECONDS:
                told_at = time.monotonic()
                log.info("sealing", slug=event.slug, done_ratio=round(first / BUCKETS, 2))
        return entries

    async def _number(self, event: Event, line: Line, entries: EntryList) -> None:
        """Without identity a session follows from the number."""
        for segment in line.segments:
            for number in range(1, segment.drawn + 1):
                entry = line.entry(segment.epoch, number)
                if entry is not None:
                    entries.put(entry, session_of(event.slug, b"", segment.epoch, number))
                if not number % 1000:
                    await asyncio.sleep(0)
