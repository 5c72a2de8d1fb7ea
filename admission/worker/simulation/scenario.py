"""The days on which a law is tried."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from admission.core.control.allowance import Bounds

Share = Callable[[float], float]
_ENOUGH = 1.25  # of what all allowed sessions ask
_MIDDLING = Bounds(rate_per_second=20.0, capacity=600)
REQUESTS_PER_SECOND = 0.2  # of a session


@dataclass(frozen=True)
class Scenario:
    """One day.

    Args:
        says: what happens, in a few words.
        stay_seconds: how long people are on the site, in the mean.
        power_ratio: what the site can answer, as a share of what it could when it was measured, by the time.
        changes: the seconds at which that changes at once.
        no_shows: the share of the called who stay away.
        return_seconds: when all of them come at once.
        heard: whether the site's telemetry is heard.
    """

    name: str
    says: str
    bounds: Bounds = _MIDDLING
    stay_seconds: float = 30.0
    power_ratio: Share = lambda _: 1.0
    changes: tuple[float, ...] = ()
    no_shows: Share = lambda _: 0.0
    return_seconds: float | None = None
    heard: Callable[[float], bool] = lambda _: True
    seconds: float = 900.0

    def power(self, now: float) -> float:
        """Requests a second that the site can answer."""
        return _ENOUGH * REQUESTS_PER_SECOND * self.bounds.capacity * self.power_ratio(now)

    def stay(self, chance: random.Random) -> float:
        """How long somebody is on the site."""
        return chance.expovariate(1 / self.stay_seconds)


def _leak(now: float) -> float:
    return 1.0 if now < 100 or now >= 700 else 1 - 0.6 * (now - 100) / 600


def _half(first: float, last: float = inf) -> Share:
    return lambda now: 0.5 if first <= now < last else 1.0


SCENARIOS = (
    Scenario("steady", "the site is what it was measured to be"),
    Scenario(
        "halved",
        "half the site is lost from 300 to 600 s",
        power_ratio=_half(300, 600),
        changes=(300, 600),
    ),
    Scenario("leak", "it loses 60 % from 100 to 700 s, and is restarted", power_ratio=_leak, changes=(700,)),
    Scenario(
        "long-sessions",
        "people stay five minutes, and half the site is lost from 900 to 1,800 s",
        stay_seconds=300.0,
        power_ratio=_half(900, 1800),
        changes=(900, 1800),
        seconds=2700.0,
    ),
    Scenario(
        "small",
        "ten people at once; half is lost at 450 s",
        Bounds(0.5, 10),
        stay_seconds=20.0,
        power_ratio=_half(450),
        changes=(450,),
    ),
    Scenario(
        "large",
        "1,800 people at once; half is lost at 450 s",
        Bounds(60.0, 1800),
        power_ratio=_half(450),
        changes=(450,),
    ),
    Scenario("flapping", "half is lost in every other minute", power_ratio=lambda now: 0.5 if now % 120 >= 60 else 1.0),
    Scenario("stale", "nothing is heard of it from 300 to 600 s", heard=lambda now: not 300 <= now < 600),
    Scenario("no-shows", "nine of ten stay away", no_shows=lambda _: 0.9),
    Scenario(
        "return",
        "half stay away, and all come at once at 450 s",
        no_shows=lambda now: 0.5 * (now < 450),
        return_seconds=450.0,
    ),
)
