"""What is heard of an origin, and what an interval makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from admission.core.control.allowance import Interval, mean_latency


class Heard(NamedTuple):
    """One word about the origin, of its own or of somebody who asked it; see Interval.

    Args:
        answers: answers since the word before.
        errors: server errors, refusals for overload (429, 503) and time-outs among them.
        latency_seconds: their 95th percentile; None: not measured.
        saturation: 0 to 1; None: not told.
        retry_after_seconds: how long it asks to be left alone; 0: not at all.
    """

    answers: int = 0
    errors: int = 0
    latency_seconds: float | None = None
    saturation: float | None = None
    retry_after_seconds: float = 0.0


def gathered(words: Sequence[Heard], *, seconds: float, sessions: int, admitted: int) -> Interval:
    """The interval in which these were heard.

    Answers and errors add up; the latency is the mean of the percentiles, by answers; of the rest the highest counts.
    """
    return Interval(
        seconds=seconds,
        sessions=sessions,
        admitted=admitted,
        answers=sum(word.answers for word in words),
        errors=sum(word.errors for word in words),
        latency_seconds=mean_latency((word.latency_seconds, word.answers) for word in words),
        saturation=max((word.saturation for word in words if word.saturation is not None), default=None),
        retry_after_seconds=max((word.retry_after_seconds for word in words), default=0.0),
        heard=bool(words),
    )
