"""A registration site as a queue: it gets slower as it fills, and refuses what would wait too long."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from math import sqrt

from admission.core.control.allowance import Interval

_TIMEOUT_SECONDS = 10.0
_TAIL = 3.0  # the 95th percentile of an exponential wait, in means
_ALWAYS_FAILS = 0.0005  # of the answers, whatever the load
_NOISE = 0.1


@dataclass
class Origin:
    """One site on the virtual clock.

    A session asks `requests_per_second`; the site answers at most `power` of all requests a second. What it cannot
    answer waits, and fails when that would take more than 10 s. The wait below that is that of a queue with `servers`
    servers.

    Args:
        power: requests a second that it can answer, by the time in seconds; above 0.
        service_seconds: of one request on an idle site.
        heard: whether its telemetry is heard, by the time.

    Weakness: people stay as long as they do, however slow the site is.

    Source: H. Sakasegawa, "An approximation formula for the mean queue length of M/G/s", 1977.
    """

    seed: int
    power: Callable[[float], float]
    requests_per_second: float = 0.2
    service_seconds: float = 0.1
    servers: int = 16
    heard: Callable[[float], bool] = lambda _: True
    waiting: float = 0.0
    answered: float = 0.0
    failed: float = 0.0
    latencies: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    def serve(self, now: float, sessions: int, seconds: float) -> None:
        """Answer what so many sessions ask in so many seconds."""
        power, asked = self.power(now), sessions * self.requests_per_second
        self.waiting += asked * seconds
        done = min(self.waiting, power * seconds)
        self.waiting -= done
        late = max(0.0, self.waiting - power * _TIMEOUT_SECONDS)
        self.waiting -= late
        self.answered += done + late
        self.failed += late + done * _ALWAYS_FAILS
        self.latencies.append(self._latency_seconds(asked / power, power) * self._chance.lognormvariate(0, _NOISE))

    def _latency_seconds(self, use: float, power: float) -> float:
        use = min(use, 0.99)
        queued: float = self.service_seconds * use ** (sqrt(2 * (self.servers + 1)) - 1) / (self.servers * (1 - use))
        return self.service_seconds + _TAIL * queued + self.waiting / power

    def report(self, now: float, seconds: float, sessions: int, admitted: int) -> Interval:
        """What is seen of it after an interval; then it begins to count anew."""
        heard = self.heard(now)
        latencies = sorted(self.latencies)
        seen = Interval(
            seconds=seconds,
            sessions=sessions,
            admitted=admitted,
            answers=round(self.answered) if heard else 0,
            errors=round(self.failed) if heard else 0,
            latency_seconds=latencies[int(0.95 * (len(latencies) - 1))] if heard and latencies else None,
            heard=heard,
        )
        self.answered = self.failed = 0.0
        self.latencies.clear()
        return seen
