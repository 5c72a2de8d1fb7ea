"""The journals of a gateway's events: written as answers leave, given back to a Redis that lost what they hold."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import structlog

from admission.core.errors import StoreUnavailable
from admission.core.record import EventRecord
from admission.journal import Journal
from admission.store.protocol import BATCH_LIMIT, Proof, Store

_PAUSE_SECONDS = 0.5  # after a call that failed: Redis has just lost its data, and may go away again

log = structlog.get_logger()


class Journals:
    """One journal an event, in the data folder; the line goes on without a disk too, and says so once a failure."""

    def __init__(self, data_dir: Path, store: Store) -> None:
        self._data_dir = data_dir
        self._store = store
        self._journals: dict[str, Journal] = {}
        self._fails = False
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def _journal(self, record: EventRecord) -> Journal:
        slug = record.event.slug
        if slug not in self._journals:
            self._journals[slug] = Journal(self._data_dir, record)
        return self._journals[slug]

    def add(self, record: EventRecord, proofs: Iterable[Proof]) -> None:
        """Write down what is about to be acknowledged."""
        try:
            self._journal(record).add(proofs)
            self._fails = False
        except OSError as error:
            if not self._fails:
                log.error("journal-not-written", slug=record.event.slug, reason=str(error))
            self._fails = True

    def give_back(self, record: EventRecord) -> None:
        """Begin to give everything back, from the newest again where that was under way: more was lost meanwhile."""
        if under_way := self._tasks.get(record.event.slug):
            under_way.cancel()
        self._tasks[record.event.slug] = asyncio.create_task(self._give_back(record))

    async def _give_back(self, record: EventRecord) -> None:
        began, slug, entries = time.monotonic(), record.event.slug, 0
        portions = self._journal(record).newest_first()
        try:
            while portion := await asyncio.to_thread(_next, portions):
                for start in range(0, len(portion), BATCH_LIMIT):
                    await self._remember(slug, portion[start : start + BATCH_LIMIT])
                entries += len(portion)
        except OSError as error:
            log.error("journal-not-read", slug=slug, reason=str(error))
        if entries:
            log.info("journal-given-back", slug=slug, entries=entries, seconds=round(time.monotonic() - began, 1))

    async def _remember(self, slug: str, proofs: list[Proof]) -> None:
        while True:
            try:
                await self._store.remember(slug, proofs)
                return
            except StoreUnavailable:
                await asyncio.sleep(_PAUSE_SECONDS)

    async def close(self) -> None:
        """End what is under way, and close all files."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for journal in self._journals.values():
            journal.close()


def _next(portions: Iterator[list[Proof]]) -> list[Proof]:
    """The next portion that has entries; none at the end."""
    return next((portion for portion in portions if portion), [])
