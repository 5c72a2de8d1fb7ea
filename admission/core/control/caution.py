"""What every automatic law does alike: the cold start, the cut, blindness, and an origin that asks for a pause."""

from __future__ import annotations

from admission.core.control.allowance import Allowance, Bounds, Interval
from admission.core.control.health import Health, Watch

START_RATIO = 0.1  # of the capacity: with what an event begins, and by what it grows in each interval of the cold start
_STARTING = ("cold-start", "too-few-answers", "not-full", "stale")  # reasons that leave a cold start where it is
_FULL_RATIO = 0.8  # of what is allowed; below it the applicants are what limits, and nothing is learnt by allowing more
_CUT_RATIO = 0.8  # of what is allowed and used, after a bad interval
_CUTS_MAX = 5  # in a row, to a third: an origin that is as slow as before, and fails nobody, is not slow by load
_FEWEST_RATIO = 0.02  # of the capacity: with nobody inside nobody could tell that the origin is well again


class Caution:
    """The allowed sessions of one event, as an automatic law moves them within the operator's bounds."""

    def __init__(self) -> None:
        self.sessions = 0.0
        self.starting = True
        self._watch = Watch()
        self._paused_seconds = 0.0
        self._cuts = 0

    def see(self, interval: Interval, bounds: Bounds) -> Health:
        """How the origin is; the first interval allows a tenth of the capacity."""
        if self.sessions == 0:
            self.sessions = START_RATIO * bounds.capacity
        self._paused_seconds = max(self._paused_seconds - interval.seconds, interval.retry_after_seconds)
        return self._watch.judge(interval)

    def follow(self, allowance: Allowance) -> None:
        """Go on from what was allowed by another worker, which is past its cold start unless it says so."""
        self.sessions = float(allowance.sessions)
        self.starting = self.starting and allowance.reason in _STARTING

    def full(self, interval: Interval, bounds: Bounds) -> bool:
        """Whether what is allowed is used: the sessions, or the rate that goes with them."""
        most = bounds.rate_of(self.sessions) * interval.seconds
        return interval.sessions >= _FULL_RATIO * self.sessions or interval.admitted >= _FULL_RATIO * most

    def cut(self, interval: Interval) -> str:
        """Allow less after a bad interval, once those inside have followed the cut before; returns the reason.

        When five cuts in a row have made an origin no faster that fails nobody, that is how fast it is.
        """
        self.starting = False
        if interval.sessions > round(self.sessions):
            return "draining"
        self._cuts += 1
        if self._cuts > _CUTS_MAX and self._watch.only_slow and interval.latency_seconds is not None:
            self._watch.accept(interval.latency_seconds)
            return "slow-by-itself"
        self.sessions = _CUT_RATIO * min(self.sessions, max(interval.sessions, 1))
        return "origin-bad"

    def start_or_stay(self, interval: Interval, bounds: Bounds) -> str:
        """After a good interval: why nothing grows, or one step of the cold start; '' when the law may let it grow."""
        self._cuts = 0
        if self.sessions >= bounds.capacity:
            return "at-capacity"
        if not self.full(interval, bounds):
            return "not-full"
        if not self.starting:
            return ""
        self.sessions += START_RATIO * bounds.capacity
        self.starting = self.sessions < bounds.capacity
        return "cold-start"

    def allow(self, bounds: Bounds, reason: str, *, rate_ratio: float = 1.0, health: Health) -> Allowance:
        """The allowance: within the bounds, nobody while the origin asks for that, a few while nothing is heard.

        Args:
            rate_ratio: of the rate that goes with the sessions.
        """
        fewest = min(bounds.capacity, max(1.0, _FEWEST_RATIO * bounds.capacity))
        self.sessions = min(max(self.sessions, fewest), float(bounds.capacity))
        sessions, rate = round(self.sessions), bounds.rate_of(self.sessions) * rate_ratio
        if self._paused_seconds > 0:
            return Allowance(sessions, 0.0, "retry-after")
        if health is Health.STALE:
            return Allowance(sessions, min(rate, bounds.safe_ratio * bounds.rate_per_second), "stale")
        return Allowance(sessions, rate, reason)
