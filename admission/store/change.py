"""Changing an event: the one way in which a version of a record becomes the next."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from admission.core.changes import next_version
from admission.core.errors import ConfigurationError
from admission.core.record import EventRecord
from admission.store.protocol import Store

Edit = Callable[[EventRecord, datetime], EventRecord]
_TRIES = 5  # whoever comes second begins again from what the first one made; five at once is no operator's day


async def change_event(store: Store, slug: str, edit: Edit, *, verb: str, by: str, why: str = "") -> EventRecord:
    """Make what `edit` makes of the record that stands the next version, and note it in the event's log.

    Args:
        edit: of the record that stands and the time on Redis' clock; asked again when another change came first.

    Returns: the version that stands; the same one when nothing is different.

    Raises:
        ConfigurationError: for an event that Redis does not hold, and whatever `edit` refuses.
        StoreUnavailable: the change may have been made, or not.
    """
    for _ in range(_TRIES):
        snapshot = await store.snapshot(slug)
        if snapshot.record is None:
            raise ConfigurationError([f"{slug}: no such event; create it with `antrean event create FILE`"])
        now = datetime.fromtimestamp(snapshot.now_us / 1_000_000, UTC)
        edited = edit(snapshot.record, now)
        if edited == snapshot.record:
            return snapshot.record
        changed = next_version(snapshot.record, edited, now, verb, by, why)
        if await store.put_event(changed) == changed:
            return changed
    raise ConfigurationError([f"{slug}: others change it all the time; look at its log and try again"])
