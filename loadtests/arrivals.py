"""Arrivals of an open model: people come when they come, however slow the answers are."""

from __future__ import annotations

import random
from collections.abc import Iterator


def poisson(rate_per_second: float, seconds: float, seed: int) -> Iterator[float]:
    """Times from 0 to `seconds`, independent of each other, `rate_per_second` on average, in order.

    Source: a Poisson process has exponential gaps (Kingman, Poisson Processes, 1993).
    """
    chance = random.Random(seed)
    at = chance.expovariate(rate_per_second)
    while at < seconds:
        yield at
        at += chance.expovariate(rate_per_second)
