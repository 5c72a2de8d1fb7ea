"""Seats of the quotas as one event's snapshot tells them, and what people may hope for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from admission.core.event import Event
from admission.core.quota import Chance, Hope, hope, worse
from admission.store.protocol import Snapshot


class Seats(msgspec.Struct):
    """What is left of the quota that somebody counts in, and their chance; None of somebody who does not wait."""

    left: int
    chance: Chance | None


def group_full(event: Event, snapshot: Snapshot, group: str) -> bool:
    """Whether a group has no free seat."""
    quota = event.group_quotas.get(group)
    return quota is not None and not snapshot.taken(group).left(quota)


def hope_of(event: Event, snapshot: Snapshot, group: str) -> Hope:
    """What people of a group may hope for, who need a seat of the whole quota and of their group's.

    Where people were passed over because their group was full, nobody is sure: a seat for them comes before.
    """
    found = _hope_of(event, snapshot, group)
    return replace(found, sure=0) if snapshot.passed_over else found


def _hope_of(event: Event, snapshot: Snapshot, group: str) -> Hope:
    unclaimed = snapshot.unclaimed
    served = snapshot.line.position(snapshot.line.serving) - unclaimed
    everybody, own = snapshot.taken(), snapshot.taken(group)
    total = hope(everybody.left(event.quota), unclaimed, served, sum(everybody[:2]))
    quota = event.group_quotas.get(group)
    return total if quota is None else worse(total, hope(own.left(quota), unclaimed, served, sum(own[:2])))


def seats_left(event: Event, snapshot: Snapshot | None) -> dict[str, Any] | None:
    """Free seats as the status document tells them, and the groups that have none; None without any quota."""
    if snapshot is None or (event.quota is None and not event.group_quotas):
        return None
    full = [group for group in sorted(event.group_quotas) if group_full(event, snapshot, group)]
    return {"left": snapshot.taken().left(event.quota), "full_groups": full}
