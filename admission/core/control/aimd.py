"""The default automatic law: additive increase, multiplicative decrease of the allowed sessions."""

from __future__ import annotations

from admission.core.control.allowance import Allowance, Bounds, Interval
from admission.core.control.caution import Caution
from admission.core.control.health import Health

_GROWTH_PER_SECOND = 0.006  # of the allowed sessions: 3 % in an interval of five seconds
_GROWTH_SECONDS = 30.0  # of one interval at most: of a longer one, after a gap, too little is known
_COOLDOWN_INTERVALS = 3
_COOLING_RATE = 0.5


class Aimd:
    """After a bad interval sessions = 0.8 × min(sessions, running), after a good one sessions = 1.03 × sessions
    for each five seconds of it.

    A cut is given time: while more sessions run than are allowed nobody is admitted, and none is made. For three
    intervals after the last bad one nothing grows, and the rate is at most half of what it was when the trouble began.
    It grows only while what is allowed is used (80 %), so that a quiet hour stores up no flood. A cold start begins at
    a tenth of the capacity, and adds a tenth in each good interval until the capacity or the first trouble; after
    trouble it does so again, up to half of what ran when that began (the slow start and its threshold in TCP).

    Weakness: it finds the origin's limit by touching it, again and again; between two touches up to a fifth of what the
    origin could bear is not used.

    Source: D. Chiu and R. Jain, "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance", 1989;
    RFC 5681.
    """

    def __init__(self) -> None:
        self._caution = Caution()
        self._cooldown = 0
        self._rate_before = 0.0

    def decide(self, interval: Interval, bounds: Bounds) -> Allowance:
        """See Law."""
        health, judged = self._caution.see(interval, bounds)
        reason = self._move(judged, bounds, health)
        most = _COOLING_RATE * self._rate_before if self._cooldown else bounds.rate_per_second
        rate_ratio = min(1.0, most / max(1e-9, bounds.rate_of(self._caution.sessions)))
        return self._caution.allow(bounds, reason, rate_ratio=rate_ratio, health=health)

    def follow(self, allowance: Allowance) -> None:
        """See Law."""
        self._caution.follow(allowance)

    def _move(self, interval: Interval, bounds: Bounds, health: Health) -> str:
        caution = self._caution
        if health is Health.BAD:
            if not self._cooldown:
                self._rate_before = bounds.rate_of(caution.sessions)
            self._cooldown = _COOLDOWN_INTERVALS
            return caution.cut(interval, bounds)
        self._cooldown = max(0, self._cooldown - 1)
        if health is not Health.GOOD:
            return "too-few-answers"
        if self._cooldown:
            return "cooling-down"
        caution.calm()
        if reason := caution.start_or_stay(interval, bounds):
            return reason
        caution.sessions *= 1 + _GROWTH_PER_SECOND * min(interval.seconds, _GROWTH_SECONDS)
        return "growing"
