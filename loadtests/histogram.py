"""A histogram of durations: exact to a hundredth, whatever their size (Locust's own rounds to two digits)."""

from __future__ import annotations

from collections import Counter
from math import ceil, exp, log

_STEP = log(1.01)
_SHORTEST_SECONDS = 1e-5


class Histogram:
    """Counts durations in buckets that each reach 1 % further than the one before."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()

    @property
    def count(self) -> int:
        """Durations told."""
        return self._buckets.total()

    def tell(self, seconds: float) -> None:
        """Count one duration."""
        self._buckets[round(log(max(seconds, _SHORTEST_SECONDS)) / _STEP)] += 1

    def quantile(self, ratio: float) -> float:
        """The duration in seconds that this part (0 to 1) of all did not exceed; 0 when there are none."""
        missing = max(1, ceil(ratio * self.count))
        for bucket in sorted(self._buckets):
            missing -= self._buckets[bucket]
            if missing <= 0:
                return exp(bucket * _STEP)
        return 0.0
