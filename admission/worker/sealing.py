"""Sealing a draw: once the line is frozen, its entries are listed and their root goes into the record, once."""

from __future__ import annotations

import asyncio
import secrets
import time

import structlog

from admission.core.entries import SALT_KEY_BYTES, EntryList, top_of
from admission.core.event import Event
from admission.core.identity import session_of
from admission.core.line import FIRST_COME, Line
from admission.core.record import EventRecord
from admission.store.protocol import BUCKETS, BUCKETS_AT_ONCE, Store
from antrean.draw import root_of

_TOLD_EVERY_SECONDS = 5.0

log = structlog.get_logger()


def awaits_sealing(record: EventRecord, line: Line) -> bool:
    """Whether the line is frozen and its entries are not listed yet."""
    return record.draw is not None and record.draw.root is None and any(s.order != FIRST_COME for s in line.segments)


class Sealer:
    """Lists the entries of one event's draw beside the ticks of the worker.

    Several workers may do it at once: the record takes the first root, and only that list is kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def seal(self, record: EventRecord, line: Line) -> EventRecord:
        """The record with the root.

        Raises:
            StoreUnavailable: nothing is sealed; it may be tried again.
        """
        began, slug, draw = time.monotonic(), record.event.slug, record.draw
        if draw is None:
            raise ValueError("the event has no draw")
        entries = await self._list(record.event, line)
        salt_key = secrets.token_bytes(SALT_KEY_BYTES)
        pieces: dict[str, bytes] = {}
        tops: list[bytes] = []
        for index, piece in enumerate(entries.pieces()):
            pieces[str(index)] = piece
            tops.append(top_of(salt_key, index, piece))
            await asyncio.sleep(0)  # other events have their ticks
        root = root_of(tops).hex()
        await self._store.keep_entries(slug, root, {**pieces, "salt_key": salt_key, "tops": b"".join(tops)})
        sealed = draw.model_copy(update={"root": root, "size": entries.size})
        stands = await self._store.put_event(record.model_copy(update={"version": record.version + 1, "draw": sealed}))
        if stands.draw is None or stands.draw.root != root:
            await self._store.drop_entries(slug, root)  # another worker was first, or the event was changed meanwhile
            return stands
        log.info("sealed", slug=slug, entries=entries.size, root=root, seconds=round(time.monotonic() - began, 1))
        return stands

    async def _list(self, event: Event, line: Line) -> EntryList:
        entries = EntryList(sum(size for head, size in line.sizes() if line.segments[head].order != FIRST_COME))
        if not event.identity:
            await self._number(event, line, entries)
        told_at = time.monotonic()
        for first in range(0, BUCKETS, BUCKETS_AT_ONCE):
            for session, row in await self._store.rows_of(event.slug, first):
                entry = line.entry(line.segments[row.segment].epoch, row.number)
                if entry is not None:
                    entries.put(entry, bytes(len(session)) if row.left else session)
            if time.monotonic() - told_at > _TOLD_EVERY_SECONDS:
                told_at = time.monotonic()
                log.info("sealing", slug=event.slug, done_ratio=round(first / BUCKETS, 2))
        return entries

    async def _number(self, event: Event, line: Line, entries: EntryList) -> None:
        """Without identity a session follows from the number."""
        for segment in line.segments:
            for number in range(1, segment.size + 1):
                if (entry := line.entry(segment.epoch, number)) is None:
                    break
                entries.put(entry, session_of(event.slug, b"", segment.epoch, number))
                if not number % 1000:
                    await asyncio.sleep(0)
