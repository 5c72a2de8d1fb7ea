"""A scenario, played with a law: what happened in each interval, and how well it went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import fmean
from typing import NamedTuple

from admission.core.control.allowance import Law
from admission.core.control.fixed import Fixed
from admission.core.control.health import ERRORS_MAX, LATENCY_MAX
from admission.worker.simulation.crowd import TICK_SECONDS, Crowd
from admission.worker.simulation.origin import Origin
from admission.worker.simulation.scenario import REQUESTS_PER_SECOND, Scenario
from admission.worker.simulation.waits import Waits
from admission.worker.steering import INTERVAL_SECONDS

_LAST = 1 / 3  # of a scenario: what has had time to settle is judged by it
_SWING, _JUMP = 1 / 3, 0.1


class Moment(NamedTuple):
    """One interval: its end in seconds, what was allowed in it, and what came of it.

    Args:
        use: what was asked of the site, as a share of what it could answer.
        possible: the same if all that the operator allows were inside; at most 1.
    """

    seconds: float
    allowed: int
    rate_per_second: float
    latency_seconds: float
    error_ratio: float
    use: float
    possible: float

    @property
    def bad(self) -> bool:
        """Whether people on the site had a bad time."""
        return self.error_ratio > ERRORS_MAX or self.latency_seconds > LATENCY_MAX * Origin.service_seconds


class Verdict(NamedTuple):
    """How a play went.

    Args:
        use_ratio: of what the site could do for the people there were, in the last third; 0 to 1.
        bad_seconds: time in which more than 1 % failed, or answers took four times as long as on an idle site.
        settle_seconds: after what changed at once, the longest time until that ended.
        failed_ratio: of all answers.
        swings: while the site did not change at once, how often the allowed sessions, by what it could bear, fell by
            more than a third (± 20 % about a middle) and came back: the most of any such time. Once is what a loss of
            the site asks for; again and again is a limit cycle.
        held_ratio: of the waits told to people, those that were within their range; 0 to 1.
    """

    use_ratio: float
    bad_seconds: float
    settle_seconds: float
    failed_ratio: float
    swings: float
    held_ratio: float


class Day(NamedTuple):
    """What happened, interval by interval, and the share of the waits told to people that held."""

    moments: list[Moment]
    held_ratio: float


def play(scenario: Scenario, law: Law, seed: int) -> Day:
    """Play a scenario with the worker's own decision and a law; the same seed is the same day."""
    bounds = scenario.bounds
    burst = max(1, min(5, int(bounds.rate_per_second)))
    crowd = Crowd(
        seed,
        bounds.rate_per_second,
        burst,
        bounds.capacity,
        no_shows=scenario.no_shows,
        return_seconds=scenario.return_seconds,
        stay=scenario.stay,
        door_seconds=0.05,
    )
    origin = Origin(seed, scenario.power, REQUESTS_PER_SECOND, heard=scenario.heard)
    waits = Waits(bounds.rate_per_second, scenario.seconds, steered=not isinstance(law, Fixed))
    moments: list[Moment] = []
    allowance = law.decide(origin.report(0.0, INTERVAL_SECONDS, 0, 0), bounds)
    while crowd.seconds < scenario.seconds:
        crowd.capacity, crowd.rate_per_second = allowance.sessions, allowance.rate_per_second
        before, asked, could = len(crowd.starts), [], []
        for _ in range(round(INTERVAL_SECONDS / TICK_SECONDS)):
            crowd.tick()
            waits.look(crowd.seconds, crowd.called, crowd.rate_per_second)
            origin.serve(crowd.seconds, crowd.sessions, TICK_SECONDS)
            asked.append(crowd.sessions * REQUESTS_PER_SECOND)
            could.append(scenario.power(crowd.seconds))
        admitted, latency = len(crowd.starts) - before, max(origin.latencies)
        errors = origin.failed / max(1.0, origin.answered)
        seen = origin.report(crowd.seconds, INTERVAL_SECONDS, crowd.sessions, admitted)
        most = bounds.capacity * REQUESTS_PER_SECOND
        moments.append(
            Moment(
                crowd.seconds,
                allowance.sessions,
                allowance.rate_per_second,
                latency,
                errors,
                fmean(asked) / fmean(could),
                min(1.0, most / fmean(could)),
            )
        )
        allowance = law.decide(seen, bounds)
    return Day(moments, waits.held_ratio)


def judge(scenario: Scenario, day: Day) -> Verdict:
    """How well a play went."""
    moments = day.moments
    last = [each for each in moments if each.seconds > scenario.seconds * (1 - _LAST)]
    answers = sum(each.use for each in moments)
    return Verdict(
        use_ratio=min(1.0, fmean(each.use for each in last) / fmean(each.possible for each in last)),
        bad_seconds=INTERVAL_SECONDS * sum(each.bad for each in moments),
        settle_seconds=max((_settle_seconds(scenario, moments, change) for change in scenario.changes), default=0.0),
        failed_ratio=sum(each.error_ratio * each.use for each in moments) / answers,
        swings=max(_swings(allowed) for allowed in _same_site(scenario, moments)),
        held_ratio=day.held_ratio,
    )


def _same_site(scenario: Scenario, moments: Sequence[Moment]) -> Iterator[list[float]]:
    """What was allowed, by what the site could bear, parted where that jumps, or where it is heard again or no more."""
    amid = [moment.seconds - INTERVAL_SECONDS / 2 for moment in moments]
    power, heard = [scenario.power_ratio(each) for each in amid], [scenario.heard(each) for each in amid]
    begins = [
        at
        for at in range(1, len(moments))
        if abs(power[at] - power[at - 1]) > _JUMP * power[at - 1] or heard[at] != heard[at - 1]
    ]
    for begin, end in pairwise([0, *begins, len(moments)]):
        yield [moments[at].allowed / power[at] for at in range(begin, end)]


def _swings(allowed: Sequence[float]) -> int:
    """How often it fell by more than a third, and came back."""
    peak = low = allowed[0]
    swings, fallen = 0, False
    for each in allowed:
        peak, low = max(peak, each), min(low, each)
        if not fallen and each < peak * (1 - _SWING):
            fallen, low = True, each
        elif fallen and each > low / (1 - _SWING):
            fallen, peak, swings = False, each, swings + 1
    return swings


def _settle_seconds(scenario: Scenario, moments: Sequence[Moment], change: float) -> float:
    """From a change until the first half minute in which nothing was bad; what is left when there was none."""
    until = min((each for each in scenario.changes if each > change), default=scenario.seconds)
    after = [each for each in moments if change < each.seconds <= until]
    calm = round(30 / INTERVAL_SECONDS)
    for index, moment in enumerate(after):
        if not any(each.bad for each in after[index : index + calm]):
            return moment.seconds - INTERVAL_SECONDS - change if index else 0.0
    return until - change
