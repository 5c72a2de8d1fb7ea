"""Waits as they were told, held against how long they were, pure."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from math import inf
from typing import NamedTuple

from admission.core.line import Place
from admission.core.wait import Pace, wait_range

HELD, EARLY, LATE = "held", "early", "late"
_EVERY_SECONDS = 10.0
_TOLD_MAX = 4096  # eleven hours of them
_GOLDEN = 0.6180339887498949  # multiples of it fall evenly between 0 and 1, however many there are


class Outcome(NamedTuple):
    """What became of one wait: `held`, `early` (called before the range that was told) or `late`.

    Args:
        error_ratio: how far off the expected wait was, as a share of the true one.
    """

    result: str
    error_ratio: float


class _Told(NamedTuple):
    place: Place
    seconds: float
    expected_seconds: int
    low_seconds: int
    high_seconds: int


class Forecasts:
    """Watches one place of those who wait every ten seconds, evenly from the front to the tail, until it is called.

    Weakness: how good the waits of the tail are is known when it has been called.
    """

    def __init__(self) -> None:
        self._told: list[_Told] = []  # a heap, by place
        self._picks = 0
        self._pick_at = -inf

    def forget(self) -> None:
        """Watch nobody any more: the event does not call, or places may not be what they were."""
        self._told.clear()

    def pick(self, now: float, waiting: int) -> int | None:
        """How many people are ahead of the place to watch next; None when none is due.

        Args:
            now: seconds.
            waiting: people behind the mark.
        """
        if now - self._pick_at < _EVERY_SECONDS or not waiting or len(self._told) >= _TOLD_MAX:
            return None
        self._pick_at, self._picks = now, self._picks + 1
        return int(self._picks * _GOLDEN % 1 * waiting)

    def note(self, now: float, place: Place, expected_seconds: int, told: tuple[int, int]) -> None:
        """Watch a place.

        Args:
            now: seconds.
            expected_seconds, told: its wait, and the range that is told of it.
        """
        heappush(self._told, _Told(place, now, expected_seconds, *told))

    def watch(
        self, now: float, waiting: int, pace: Pace, headroom_ratio: float | None, place_of: Callable[[int], Place]
    ) -> None:
        """Watch one more place when one is due, with what is told there of its wait.

        Args:
            now, waiting: see pick.
            headroom_ratio: see wait_range.
            place_of: the place so many people behind the mark.
        """
        ahead = self.pick(now, waiting)
        expected_seconds = None if ahead is None else pace.wait_seconds(ahead)
        if ahead is not None and expected_seconds is not None:
            self.note(now, place_of(ahead + 1), expected_seconds, wait_range(expected_seconds, headroom_ratio))

    def come_true(self, now: float, serving: Place) -> list[Outcome]:
        """Those that the mark has reached since."""
        outcomes = []
        while self._told and self._told[0].place <= serving:
            told = heappop(self._told)
            wait = now - told.seconds
            result = EARLY if wait < told.low_seconds else LATE if wait > told.high_seconds else HELD
            outcomes.append(Outcome(result, abs(told.expected_seconds - wait) / max(wait, 1.0)))
        return outcomes

    def overdue(self, now: float) -> int:
        """How many wait longer already than they were told."""
        return sum(now - told.seconds > told.high_seconds for told in self._told)
