"""What people in a crowd are told of their wait, by the gateway's own estimate, and how well it holds."""

from __future__ import annotations

from admission.core.forecasts import HELD, Forecasts
from admission.core.line import Place
from admission.core.wait import Pace


class Waits:
    """The waits of one day, of people who are called before it ends as far as is known when they are told.

    Args:
        rate_per_second: the operator's; above 0.
        seconds: of the day.
        steered: a control law may lower the rate.
    """

    def __init__(self, rate_per_second: float, seconds: float, *, steered: bool) -> None:
        self._rate_per_second = rate_per_second
        self._seconds = seconds
        self._steered = steered
        self._pace: Pace | None = None
        self._forecasts = Forecasts()
        self._now = 0.0
        self._called = self._held = self._known = 0

    def look(self, now: float, called: int, allowed_per_second: float) -> None:
        """Note how many have been called by now, in seconds, and what is allowed, as a gateway does at a snapshot."""
        rate = self._rate_per_second
        pace = self._pace or Pace(allowed_per_second, allowed_per_second)
        self._pace = pace = pace.after(called - self._called, now - self._now, rate, allowed_per_second)
        self._now, self._called = now, called
        outcomes = self._forecasts.come_true(now, Place(0, called))
        self._held += sum(outcome.result == HELD for outcome in outcomes)
        self._known += len(outcomes)
        waiting = int(pace.per_second * (self._seconds - now))
        headroom_ratio = pace.headroom(rate) if self._steered else None
        self._forecasts.watch(now, waiting, pace, headroom_ratio, lambda people: Place(0, called + people))

    @property
    def held_ratio(self) -> float:
        """The share of the waits that were within their range, of those that are over or longer than that; 0 to 1."""
        known = self._known + self._forecasts.overdue(self._now)
        return self._held / known if known else 1.0
