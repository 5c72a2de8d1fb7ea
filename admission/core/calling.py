"""How many people to call next: the worker's decision, pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

# People called who have not claimed yet, in seconds of rate. Enough that a free seat always has somebody at the
# door between two polls of the front; more would let late answers overtake, fewer would leave the origin idle.
UNCLAIMED_SECONDS = 3.0
NO_SEATS = "no-seats"


@dataclass(frozen=True, slots=True)
class Sample:
    """What the worker sensed.

    Args:
        open: the event is open, so people may be called.
        rate_per_second: the configured rate, above 0.
        waiting: people behind the mark.
        unclaimed: people called who neither claimed nor left, and whose grace has not ended.
        seats_left: free seats of the quota; None: no quota.
    """

    open: bool
    rate_per_second: float
    waiting: int
    unclaimed: int
    seats_left: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """How many people to call now, and why so many: the reason is a stable slug, never empty."""

    people: int
    reason: str


def decide(sample: Sample) -> Decision:
    """Call until 3 s of rate are called and unclaimed; never past the tail of the line, nor more than there are seats.

    Whoever is called may count on a seat of the whole quota: its last ones are not offered twice.

    The worker may be wrong, or three of them may decide at once: the mark only takes the highest target, and the
    token bucket in the claim holds the rate.

    Weakness: everybody called counts as alive until the grace ends, so silent people at the front hold seats of
    the 3 s for that long.
    """
    if not sample.open:
        return Decision(0, "not-open")
    if sample.waiting == 0:
        return Decision(0, "nobody-waits")
    room = max(1, ceil(UNCLAIMED_SECONDS * sample.rate_per_second)) - sample.unclaimed
    if room <= 0:
        return Decision(0, "enough-unclaimed")
    if sample.seats_left is not None and room > sample.seats_left - sample.unclaimed:
        offered = max(0, sample.seats_left - sample.unclaimed)
        return Decision(min(offered, sample.waiting), "last-seats" if offered else NO_SEATS)
    if room >= sample.waiting:
        return Decision(sample.waiting, "whole-line")
    return Decision(room, "fill-unclaimed")
