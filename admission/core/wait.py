"""How long the wait is, and how soon to ask again."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

from admission.core.event import BEFORE_OPENING, EventState

_PACE_MEMORY_SECONDS = 30.0  # long enough to smooth the steps of the mark, short enough to follow a new rate
_PACE_CALLS = 10.0  # but as many calls at least: between two calls of a slow event nothing moves, and all is well
_RANGE_LOW, _RANGE_HIGH = 0.8, 1.35  # people ahead who leave shorten the wait; slow sessions lengthen it more
_RANGE_HIGH_STEERED = 1.7  # a control law may lower the rate at any time
_HEADROOM_MAX, _HEADROOM_FINE = 100.0, 3.0
_EXACT_BELOW_SECONDS = 2000
_COARSE_SECONDS = 20  # at most 1 % too little, and far less than what is told is rounded by
_LONGEST_WAIT_SECONDS = 30 * 86_400  # "more than a month" says as much as any larger number
_STANDING_STILL_PER_SECOND = 1e-6


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the mark moves: people called per second, an exponentially weighted mean of what was seen.

    It looks back 30 s, or ten calls at the configured rate where that is longer.

    Weakness: a rate that was just changed shows late.

    Args:
        per_second: people called.
        allowed_per_second: admissions that were allowed meanwhile, by the operator or a control law.
    """

    per_second: float
    allowed_per_second: float

    def wait_seconds(self, ahead: int) -> int | None:
        """The expected wait of somebody behind `ahead` people, in fine steps; None while nobody is called."""
        if self.per_second < _STANDING_STILL_PER_SECOND:
            return None
        seconds = min((ahead + 1) / self.per_second, _LONGEST_WAIT_SECONDS)
        return int(seconds) if seconds < _EXACT_BELOW_SECONDS else int(seconds / _COARSE_SECONDS) * _COARSE_SECONDS

    def headroom(self, rate_per_second: float) -> float:
        """How many times as fast the operator allows as was allowed lately: 1 to 100, in steps that can be told."""
        ratio = max(1.0, min(_HEADROOM_MAX, rate_per_second / max(self.allowed_per_second, 1e-9)))
        return round(ratio, 1) if ratio < _HEADROOM_FINE else float(round(ratio))

    def after(self, called: int, elapsed_seconds: float, rate_per_second: float, allowed_per_second: float) -> Pace:
        """The pace once `called` more people were called in `elapsed_seconds` (> 0).

        Args:
            rate_per_second: the operator's; above 0.
            allowed_per_second: of it, what is allowed; 0 or more.
        """
        if elapsed_seconds <= 0:
            return self
        keep = exp(-elapsed_seconds / max(_PACE_MEMORY_SECONDS, _PACE_CALLS / rate_per_second))
        return Pace(
            keep * self.per_second + (1 - keep) * called / elapsed_seconds,
            keep * self.allowed_per_second + (1 - keep) * allowed_per_second,
        )


def wait_range(expected_seconds: int, headroom_ratio: float | None) -> tuple[int, int]:
    """The range (low, high) in whole seconds, at least 1, that is told for an expected wait.

    Four of five waits should be within it; on the simulated days on which a law steers at least three of four are.
    Weakness: that many who were called long ago come all at once, nobody foresees.

    Args:
        headroom_ratio: see Pace.headroom; None: no control law steers. What a law holds back it may let go at any time.
    """
    low = max(1, _readable(expected_seconds * _RANGE_LOW / (headroom_ratio or 1.0)))
    high = _RANGE_HIGH if headroom_ratio is None else _RANGE_HIGH_STEERED
    return low, max(low + 1, _readable(expected_seconds * high))


def _readable(seconds: float) -> int:
    """Rounded as one would say it: to 5 s below two minutes, then to whole minutes, above two hours to 10."""
    step = 5 if seconds < 120 else 60 if seconds < 7200 else 600
    return round(seconds / step) * step


NEAR_FRONT_SECONDS = 1800.0
POLL_NEAR_SECONDS = 60.0
POLL_FAR_SECONDS = 300.0
_SOONEST_SECONDS = 1.0
_CALLED_SECONDS = 3.0
_IDLE_SECONDS = {EventState.PAUSED: 20.0, EventState.FULL: 120.0, EventState.CLOSED: 300.0}


def poll_seconds(
    state: EventState, wait_seconds: int | None, *, called: bool, headroom_ratio: float | None = None
) -> float:
    """Seconds between polls: half of the expected wait, so that a place is asked for a few times only.

    Args:
        wait_seconds: expected wait or, before the opening, time until it; None when unknown.
        called: the applicant has been called and only watches the deadline.
        headroom_ratio: see Pace.headroom; None: no law steers. So much sooner than expected the call may come.

    Returns: 1 to 300, at most one minute within half an hour of the front.
    """
    if called:
        return _CALLED_SECONDS
    if state is not EventState.OPEN and state in _IDLE_SECONDS:
        return _IDLE_SECONDS[state]
    if wait_seconds is None:
        return POLL_NEAR_SECONDS
    near = POLL_NEAR_SECONDS if wait_seconds <= NEAR_FRONT_SECONDS else wait_seconds / 30
    # The opening calls only a few: nobody needs to be there in that second, and so nobody asks more often before it.
    soon = near if state in BEFORE_OPENING else max(_SOONEST_SECONDS, wait_seconds / 2 / (headroom_ratio or 1.0))
    return min(soon, near, POLL_FAR_SECONDS)


def spread(seconds: float, jitter_ratio: float) -> float:
    """Seconds until the very next poll: ±20 %, so that no herd forms. `jitter_ratio` is 0 to 1, drawn by the caller."""
    return seconds * (0.8 + 0.4 * jitter_ratio)
