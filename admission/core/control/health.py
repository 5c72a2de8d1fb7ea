"""Whether an origin is well, by what was seen of it in an interval."""

from __future__ import annotations

from enum import StrEnum

from admission.core.control.allowance import Interval

ANSWERS_MIN = 10  # fewer tell nothing: they are kept until there are as many
ERRORS_MAX = 0.01  # of the answers
LATENCY_MAX = 4.0  # times the baseline
SATURATION_MAX = 0.9
FIRST_INTERVALS = 12  # with answers, a minute: until then not every kind of request has come, and latency tells nothing
_STALE_INTERVALS = 3  # without telemetry; then nobody knows
_JOINED_SECONDS = 300.0  # few answers of longer than that tell nothing of now
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
    baseline is the highest of the first minute, in which latency is not judged: people open a form long before they
    send it. Then it follows the good intervals, quickly when it falls, slowly when it rises: a leak is not learnt.

    Intervals with few answers are joined until there are enough of them, for five minutes at most, and judged as one.

    Weakness: an origin that is slow from the first answer on has a slow baseline, and is good.
    """

    def __init__(self) -> None:
        self.baseline_seconds: float | None = None
        self.only_slow = False  # bad in the last interval for no reason but its latency
        self._unclear: Interval | None = None  # what was joined so far
        self._unheard = self._judged = 0

    @property
    def new(self) -> bool:
        """Whether it is the first minute."""
        return self._judged <= FIRST_INTERVALS

    def judge(self, interval: Interval) -> tuple[Health, Interval]:
        """How the origin is after this interval, and that with those that are judged with it."""
        self._unheard = 0 if interval.heard else self._unheard + 1
        if self._unheard:
            self._unclear = None
            return Health.STALE if self._unheard >= _STALE_INTERVALS else Health.UNCLEAR, interval
        if self._unclear is not None and self._unclear.seconds + interval.seconds <= _JOINED_SECONDS:
            interval = self._unclear.joined(interval)
        saturated = interval.saturation is not None and interval.saturation > SATURATION_MAX
        enough = interval.answers >= ANSWERS_MIN
        self._unclear = None if enough else interval
        if not enough:
            self.only_slow = False
            return Health.BAD if saturated else Health.UNCLEAR, interval
        self._judged += 1
        failing = saturated or interval.errors > ERRORS_MAX * interval.answers
        slow = self._slow(interval.latency_seconds)
        self.only_slow = slow and not failing
        if failing or slow:
            return Health.BAD, interval
        self._learn(interval.latency_seconds)
        return Health.GOOD, interval

    def forget(self) -> None:
        """Judge nothing with what comes that was seen before."""
        self._unclear = None

    def accept(self, latency_seconds: float) -> None:
        """Take a latency for normal that fewer people have not made better."""
        self.baseline_seconds = latency_seconds

    def _slow(self, latency_seconds: float | None) -> bool:
        if latency_seconds is None or self.baseline_seconds is None or self.new:
            return False
        return latency_seconds > LATENCY_MAX * self.baseline_seconds

    def _learn(self, latency_seconds: float | None) -> None:
        if latency_seconds is None:
            return
        if self.new:
            self.baseline_seconds = max(latency_seconds, self.baseline_seconds or 0.0)
        elif self.baseline_seconds is None:
            self.baseline_seconds = latency_seconds
        else:
            weight = _UNLEARN if latency_seconds < self.baseline_seconds else _LEARN
            self.baseline_seconds += weight * (latency_seconds - self.baseline_seconds)
