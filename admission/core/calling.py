"""How many people to call next: the worker's decision, pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

# People called lately who have not claimed yet, in seconds of what the origin takes. Enough that a free seat always has
# somebody at the door between two polls of the front; more would let late answers overtake, and stand at the door for
# longer than a gateway lets them; fewer would leave the origin idle.
UNCLAIMED_SECONDS = 3.0
# People who are expected to come, in the same seconds: as long as nearly everybody takes from the call to the door.
EXPECTED_SECONDS = 30.0
NO_SEATS = "no-seats"


@dataclass(frozen=True, slots=True)
class Sample:
    """What the worker sensed.

    Args:
        open: the event is open, so people may be called.
        takes_per_second: admissions that the origin has room for, by experience, at most the rate that is allowed; 0:
            it is to be left alone.
        waiting: people behind the mark.
        unclaimed: people called who neither claimed nor left, and whose grace has not ended.
        lately: those of them who were called so lately that they may be on their way.
        due: people to call now so that, by experience, as many come as may enter; see core.turnout.
        expected: people on their way, by experience; below `lately` where some stay away.
        ratio: the share of the called who come, above 0 to 1.
        seats_left: free seats of the quota; None: no quota.
        answered: gateways answer applicants; else nobody would learn of the call.
    """

    open: bool
    takes_per_second: float
    waiting: int
    unclaimed: int
    lately: int
    due: int = 0
    expected: float = 0.0
    ratio: float = 1.0
    seats_left: int | None = None
    answered: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """How many people to call now, and why so many: the reason is a stable slug, never empty."""

    people: int
    reason: str


def decide(sample: Sample) -> Decision:
    """Call until 3 s of what the origin takes are called lately and unclaimed, or as many as are due when not all come.

    Never past the tail of the line, nor more than there are seats: whoever is called may count on a seat of the whole
    quota, and its last ones are not offered twice. Never more than are expected to take 30 s.

    The worker may be wrong, or three of them may decide at once: the mark only takes the highest target, and the
    token bucket in the claim holds the rate.
    """
    if not sample.open:
        return Decision(0, "not-open")
    if not sample.answered:
        return Decision(0, "nobody-answers")
    if sample.takes_per_second == 0:
        return Decision(0, "origin-rests")
    if sample.waiting == 0:
        return Decision(0, "nobody-waits")
    stock = max(1, ceil(UNCLAIMED_SECONDS * sample.takes_per_second)) - sample.lately
    most = max(1, int((EXPECTED_SECONDS * sample.takes_per_second - sample.expected) / sample.ratio))
    room, reason = (stock, "fill-unclaimed") if stock >= sample.due else (min(sample.due, most), "for-no-shows")
    if room <= 0:
        return Decision(0, "enough-unclaimed")
    if sample.seats_left is not None and room > sample.seats_left - sample.unclaimed:
        offered = max(0, sample.seats_left - sample.unclaimed)
        return Decision(min(offered, sample.waiting), "last-seats" if offered else NO_SEATS)
    if room >= sample.waiting:
        return Decision(sample.waiting, "whole-line")
    return Decision(room, reason)
