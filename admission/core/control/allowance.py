"""What a control law is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol


class Bounds(NamedTuple):
    """What the operator allows; no law goes beyond.

    Args:
        rate_per_second: the most admissions a second; above 0.
        capacity: the most sessions at once; 1 or more.
        safe_ratio: the share of the rate that is let in while nothing is heard of the origin; 0 to 1.
    """

    rate_per_second: float
    capacity: int
    safe_ratio: float = 0.2

    def rate_of(self, sessions: float) -> float:
        """The rate that goes with so many allowed sessions: as large a share as they are of the capacity."""
        return self.rate_per_second * min(1.0, sessions / self.capacity)


class Interval(NamedTuple):
    """What was seen in one interval, which is some seconds long.

    Args:
        seconds: its length; above 0.
        sessions: running ones at its end.
        admitted: sessions that began in it.
        answers: answers of the origin that were counted, errors among them.
        errors: server errors, refusals for overload (429, 503) and time-outs; other client errors are none.
        latency_seconds: the 95th percentile of the answers; None: not measured.
        saturation: how busy the origin says it is, from 0 to 1; None: it says nothing.
        retry_after_seconds: how long the origin asks to be left alone; 0: not at all.
        heard: whether the telemetry was asked and answered at all.
    """

    seconds: float
    sessions: int
    admitted: int
    answers: int = 0
    errors: int = 0
    latency_seconds: float | None = None
    saturation: float | None = None
    retry_after_seconds: float = 0.0
    heard: bool = True

    def joined(self, later: Interval) -> Interval:
        """This interval and the one after it as one, with the most sessions that ran at the end of either."""
        return Interval(
            seconds=self.seconds + later.seconds,
            sessions=max(self.sessions, later.sessions),
            admitted=self.admitted + later.admitted,
            answers=self.answers + later.answers,
            errors=self.errors + later.errors,
            latency_seconds=mean_latency([(each.latency_seconds, each.answers) for each in (self, later)]),
            saturation=later.saturation,
            retry_after_seconds=later.retry_after_seconds,
            heard=later.heard,
        )


def mean_latency(measured: Iterable[tuple[float | None, int]]) -> float | None:
    """The mean of percentiles by the answers that each is of; None where none was measured."""
    timed = [(latency, answers) for latency, answers in measured if latency is not None]
    answers = sum(count for _, count in timed)
    return sum(latency * count for latency, count in timed) / answers if answers else None


class Allowance(NamedTuple):
    """What is allowed, and why.

    Args:
        sessions: at once.
        rate_per_second: admissions.
        reason: a stable slug, never empty.
        resumes_in_seconds: how long the origin still asks to be left alone; 0: not at all.
    """

    sessions: int
    rate_per_second: float
    reason: str
    resumes_in_seconds: float = 0.0


class Law(Protocol):
    """One control law, with what it has learnt of one event."""

    def decide(self, interval: Interval, bounds: Bounds) -> Allowance:
        """The allowance after an interval; asked once for each, in order."""

    def follow(self, allowance: Allowance) -> None:
        """Go on from what was allowed by another worker."""
