"""What every automatic law does alike: the cold start, the cut, blindness, and an origin that asks for a pause."""

from __future__ import annotations

from math import inf

from admission.core.control.allowance import Allowance, Bounds, Interval
from admission.core.control.health import Health, Watch

START_RATIO = 0.1  # of the capacity: with what an event begins, and by what it grows in each interval of the cold start
_STARTING = ("cold-start", "too-few-answers", "not-full", "stale")  # reasons that leave a cold start where it is
_FULL_RATIO = 0.8  # of what is allowed; below it the applicants are what limits, and nothing is learnt by allowing more
_CUT_RATIO = 0.8  # of what is allowed and used, after a bad interval
_CUTS_MAX = 5  # in a row, to a third: an origin that is as slow as before, and fails nobody, is not slow by load
_COMING_BACK_RATIO = 0.5  # of what ran when the trouble began: so much is allowed again as quickly as at the start
_FEWEST_RATIO = 0.02  # of the capacity: with nobody inside nobody could tell that the origin is well again


class Caution:
    """The allowed sessions of one event, as an automatic law moves them within the operator's bounds."""

    def __init__(self) -> None:
        self.sessions = 0.0
        self._watch = Watch()
        self._quick_below = inf  # sessions: up to here they grow as at the start; infinite: nothing is known yet
        self._paused_seconds = 0.0
        self._cuts = 0
        self._over = self._draining = False

    @property
    def new(self) -> bool:
        """Whether it is the origin's first minute; see Watch."""
        return self._watch.new

    def see(self, interval: Interval, bounds: Bounds) -> tuple[Health, Interval]:
        """How the origin is, and what was judged; the first interval allows a tenth of the capacity."""
        if self.sessions == 0:
            self.sessions = START_RATIO * bounds.capacity
        self._paused_seconds = max(self._paused_seconds - interval.seconds, interval.retry_after_seconds)
        before, self._over = self._over, interval.sessions > round(self.sessions)
        self._draining = self._cuts > 0 and (before or self._over)
        health = self._watch.judge(interval)
        if self._draining:
            self._watch.forget()
        return health

    def follow(self, allowance: Allowance) -> None:
        """Go on from what was allowed by another worker, which is past its cold start unless it says so.

        A pause that the other one heard of ends with it, or up to an interval sooner.
        """
        self.sessions = float(allowance.sessions)
        self._paused_seconds = max(self._paused_seconds, allowance.resumes_in_seconds)
        if self._quick_below == inf and allowance.reason not in _STARTING:
            self._quick_below = 0.0

    def full(self, interval: Interval, bounds: Bounds) -> bool:
        """Whether what is allowed is used: the sessions, or the rate that goes with them."""
        most = bounds.rate_of(self.sessions) * interval.seconds
        return interval.sessions >= _FULL_RATIO * round(self.sessions) or interval.admitted >= _FULL_RATIO * most

    def cut(self, interval: Interval, bounds: Bounds) -> str:
        """Allow less after a bad interval; returns the reason.

        A further cut needs a whole interval in which no more ran than the last one allowed. When five cuts in a row
        have made an origin no faster that fails nobody, that is how fast it is.
        """
        if self._draining:
            return "draining"
        if not self._cuts:
            ran = min(self.sessions, interval.sessions)
            self._quick_below = max(_COMING_BACK_RATIO * ran, START_RATIO * bounds.capacity)
        self._cuts += 1
        if self._cuts > _CUTS_MAX and self._watch.only_slow and interval.latency_seconds is not None:
            self._watch.accept(interval.latency_seconds)
            return "slow-by-itself"
        self.sessions = _CUT_RATIO * min(self.sessions, max(interval.sessions, 1))
        self._over = True
        return "origin-bad"

    def calm(self) -> None:
        """The trouble is over: the next one is another."""
        self._cuts = 0

    def start_no_more(self) -> None:
        """From here on the law alone lets it grow."""
        self._quick_below = min(self._quick_below, self.sessions)

    def start_or_stay(self, interval: Interval, bounds: Bounds) -> str:
        """After a good interval: why nothing grows, or one step of the start; '' when the law may let it grow."""
        if self.sessions >= bounds.capacity:
            self.start_no_more()
            return "at-capacity"
        if not self.full(interval, bounds):
            return "not-full"
        if self.sessions >= self._quick_below:
            return ""
        self.sessions = min(self._quick_below, self.sessions + START_RATIO * bounds.capacity)
        return "cold-start" if self._quick_below == inf else "coming-back"

    def allow(self, bounds: Bounds, reason: str, *, rate_ratio: float = 1.0, health: Health) -> Allowance:
        """The allowance: within the bounds, nobody while the origin asks for that, a few while nothing is heard.

        Args:
            rate_ratio: of the rate that goes with the sessions.
        """
        fewest = min(bounds.capacity, max(1.0, _FEWEST_RATIO * bounds.capacity))
        self.sessions = min(max(self.sessions, fewest), float(bounds.capacity))
        sessions, rate = round(self.sessions), bounds.rate_of(self.sessions) * rate_ratio
        if self._paused_seconds > 0:
            return Allowance(sessions, 0.0, "retry-after", self._paused_seconds)
        if health is Health.STALE:
            return Allowance(sessions, min(rate, bounds.safe_ratio * bounds.rate_per_second), "stale")
        return Allowance(sessions, rate, reason)
