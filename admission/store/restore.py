"""Giving events back to a Redis that lost them, with its data or to an older copy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from admission.core.record import EventRecord
from admission.store.protocol import Snapshot, Store

# Longer than whoever saw the line needs to come back to a Redis that is there again.
PATIENCE_SECONDS = 3.0
_LOOK_AGAIN_SECONDS = 0.2


class Restorer:
    """Puts the records that one process holds back into a store that has less.

    With a record goes what its process saw of the line; Redis folds it in, whoever comes first. Who comes late may find
    others behind whom the lost places now are, so a process that saw no line, such as one that has just started, lets
    others go first.

    Weakness: when nobody who saw the line reaches Redis in that time, it begins anew, and goes on with people in it.

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
        if snapshot.line.segments or self._monotonic() - missed_at >= PATIENCE_SECONDS:
            await self._store.put_event(held)
        return True

    async def restored(self, held: EventRecord) -> Snapshot:
        """The store's snapshot once it has no less than a record, which may take PATIENCE_SECONDS.

        Raises:
            StoreUnavailable: when the store is away.
        """
        while True:
            snapshot = await self._store.snapshot(held.event.slug)
            if not await self.restore(held, snapshot):
                return snapshot
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
