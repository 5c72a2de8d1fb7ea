"""A law that follows the latency before anything fails."""

from __future__ import annotations

from math import sqrt

from admission.core.control.allowance import Allowance, Bounds, Interval
from admission.core.control.caution import Caution
from admission.core.control.health import Health

_TOLERANCE = 2.0  # the latency may be as much above the usual before anything shrinks
_LOWEST_GRADIENT = 0.5
_SMOOTHING = 0.2
_USUAL_MEMORY = 0.02  # weight of one interval in what is usual
_RECOVERY = 0.95  # of what is usual, when it has come to be far above what is seen


class Gradient:
    """sessions → 0.8 × sessions + 0.2 × (gradient × sessions + √sessions), gradient = 2 × usual / seen, in [0.5, 1].

    `seen` is the 95th percentile of the last interval, `usual` a slow mean of it, and in the first minute the highest.
    While nothing queues the gradient is 1 and the allowance grows by the root; as latency doubles it settles, and above
    it shrinks. Errors, or a latency of four times the baseline, cut to 0.8 × min(sessions, running) besides. It grows
    only while what is allowed is used.

    Few answers that are judged together, see Watch, are one step: a small site grows slowly.

    Weakness: an origin whose latency says nothing before it fails (a quota of a partner, a pool of connections) is
    found by its errors only; one that gets slower for other reasons than load is starved slowly.

    Source: Gradient2 of Netflix' concurrency-limits.
    """

    def __init__(self) -> None:
        self._caution = Caution()
        self._usual_seconds: float | None = None

    def decide(self, interval: Interval, bounds: Bounds) -> Allowance:
        """See Law."""
        health, judged = self._caution.see(interval, bounds)
        rate_ratio = 0.5 if health is Health.BAD else 1.0
        return self._caution.allow(bounds, self._move(judged, bounds, health), rate_ratio=rate_ratio, health=health)

    def follow(self, allowance: Allowance) -> None:
        """See Law."""
        self._caution.follow(allowance)

    def _move(self, interval: Interval, bounds: Bounds, health: Health) -> str:
        caution, seen = self._caution, interval.latency_seconds
        if health is Health.BAD:
            return caution.cut(interval, bounds)
        if health is not Health.GOOD:
            return "too-few-answers"
        caution.calm()
        gradient = 1.0 if seen is None else self._gradient(seen)
        if gradient < 1:
            caution.start_no_more()
        elif reason := caution.start_or_stay(interval, bounds):
            return reason
        before = caution.sessions
        caution.sessions += _SMOOTHING * (gradient * before + sqrt(before) - before)
        return "growing" if caution.sessions > before else "slower-answers"

    def _gradient(self, seen_seconds: float) -> float:
        if self._usual_seconds is None or self._caution.new:
            self._usual_seconds = max(seen_seconds, self._usual_seconds or 0.0)
        self._usual_seconds += _USUAL_MEMORY * (seen_seconds - self._usual_seconds)
        if self._usual_seconds > 2 * seen_seconds:
            self._usual_seconds *= _RECOVERY
        return min(1.0, max(_LOWEST_GRADIENT, _TOLERANCE * self._usual_seconds / max(seen_seconds, 1e-9)))
