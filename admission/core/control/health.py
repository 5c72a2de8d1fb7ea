"""Whether an origin is well, by what was seen of it in an interval."""

from __future__ import annotations

from enum import StrEnum

from admission.core.control.allowance import Interval

ANSWERS_MIN = 10  # fewer tell nothing: they are kept until there are as many
ERRORS_MAX = 0.01  # of the answers
LATENCY_MAX = 4.0  # times the baseline
SATURATION_MAX = 0.9
_STALE_INTERVALS = 3  # without telemetry; then nobody knows
_LEARN, _UNLEARN = 0.02, 0.3  # weights of a good interval in the baseline, as it rises and as it falls


class Health(StrEnum):
    """How an origin is."""

    GOOD = "good"
    BAD = "bad"
    UNCLEAR = "unclear"  # too few answers to tell
    STALE = "stale"


class Watch:
    """Judges interval by interval, and learns in good ones what latency is normal.

    Bad is more than 1 % errors, a 95th percentile above four times the baseline, or a saturation above 0.9. The
    baseline follows the good intervals, quickly when it falls, slowly when it rises: a leak is not learnt as normal.

    Weakness: an origin that is slow from the first answer on has a slow baseline, and is good.
    """

    def __init__(self) -> None:
        self.baseline_seconds: float | None = None
        self.error_ratio = 0.0
        self._answers = self._errors = 0
        self._unheard = 0

    def judge(self, interval: Interval) -> Health:
        """How the origin is after this interval."""
        self._unheard = 0 if interval.heard else self._unheard + 1
        if self._unheard:
            return Health.STALE if self._unheard >= _STALE_INTERVALS else Health.UNCLEAR
        self._answers += interval.answers
        self._errors += interval.errors
        saturated = interval.saturation is not None and interval.saturation > SATURATION_MAX
        if self._answers < ANSWERS_MIN:
            return Health.BAD if saturated else Health.UNCLEAR
        self.error_ratio = self._errors / self._answers
        self._answers = self._errors = 0
        if saturated or self.error_ratio > ERRORS_MAX or self._slow(interval.latency_seconds):
            return Health.BAD
        self._learn(interval.latency_seconds)
        return Health.GOOD

    def _slow(self, latency_seconds: float | None) -> bool:
        if latency_seconds is None or self.baseline_seconds is None:
            return False
        return latency_seconds > LATENCY_MAX * self.baseline_seconds

    def _learn(self, latency_seconds: float | None) -> None:
        if latency_seconds is None:
            return
        if self.baseline_seconds is None:
            self.baseline_seconds = latency_seconds
        else:
            weight = _UNLEARN if latency_seconds < self.baseline_seconds else _LEARN
            self.baseline_seconds += weight * (latency_seconds - self.baseline_seconds)
