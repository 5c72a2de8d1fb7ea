"""Giving events back to a Redis that lost them, with its data or to an older copy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from admission.core.record import EventRecord
from admission.store.protocol import Snapshot, Store

_LOOK_AGAIN_SECONDS = 0.2


class Restorer:
    """Puts the records that one process holds back into a store that has less.

    With a record goes what its process saw of the line, which Redis takes in whenever it comes. A process that saw
    nothing of the line, in its memory or its data folder, waits for one that did, for the event's `learning_seconds`.

    Weakness: when nobody who saw the line reaches Redis in that time, it begins anew: then tickets alone bring places
    back, and who shows one later than the next `learning_seconds` may be overtaken.

    Args:
        monotonic: seconds; only differences count.
    """

    def __init__(self, store: Store, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._monotonic = monotonic
        self._missed_at: dict[str, float] = {}

    async def restore(self, held: EventRecord, snapshot: Snapshot) -> bool:
        """Put a record back where a store has less of it or of the line, at once or when others have had their time.

        Returns: whether it had less: what to make of the snapshot is for the next look to tell.

        Raises:
            StoreUnavailable: when the store is away.
        """
        slug = held.event.slug
        stands = snapshot.record
        if not (held.outdates(stands) or (snapshot.outdated and stands and stands.pepper == held.pepper)):
            self._missed_at.pop(slug, None)
            return False
        missed_at = self._missed_at.setdefault(slug, self._monotonic())
        waited_seconds = self._monotonic() - missed_at
        if stands or self._store.seen(slug) or waited_seconds >= held.event.learning_seconds:
            await self._store.put_event(held)
        return True

    async def restored(self, held: EventRecord) -> Snapshot:
        """The store's snapshot once it has no less than a record, which may take the event's `learning_seconds`.

        Raises:
            StoreUnavailable: when the store is away.
        """
        while True:
            snapshot = await self._store.snapshot(held.event.slug)
            if not await self.restore(held, snapshot):
                return snapshot
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
