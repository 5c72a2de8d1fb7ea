"""People who never come, or come slowly, do not stall the line: the worker's decision on a virtual clock (A10, B7)."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Callable
from statistics import fmean

import pytest

from admission.core import calling, turnout
from admission.worker.simulation.crowd import Crowd, Seconds, as_people_do, at_once
from tests.promises import Measured

LEARNT_SECONDS = 100.0
STEP_SECONDS = 10
CASES = [(at_once, 0.0), (at_once, 0.3), (at_once, 0.6), (as_people_do, 0.0), (as_people_do, 0.5), (as_people_do, 0.9)]


def _share(no_shows: float) -> Callable[[float], float]:
    return lambda _: no_shows


def _inaccurate_ratio(crowd: Crowd, first: float, last: float) -> float:
    """The share of windows of ten seconds in which more or fewer enter than the rate, by over 2 % and two people."""
    due = crowd.rate_per_second * STEP_SECONDS
    begins = [first + begin / 2 for begin in range(int(2 * (last - first - STEP_SECONDS)))]
    found = [bisect_left(crowd.starts, begin + STEP_SECONDS) - bisect_left(crowd.starts, begin) for begin in begins]
    return fmean(abs(people - due) > max(0.02 * due, 2) for people in found)


@pytest.mark.promise("A10", "B7")
@pytest.mark.parametrize(("reaction", "no_shows"), CASES)
def test_no_shows_and_slow_people_leave_the_rate_as_it_is(reaction: Seconds, no_shows: float) -> None:
    crowd = Crowd(seed=1, no_shows=_share(no_shows), reaction=reaction).run(240)
    assert crowd.admitted_ratio(LEARNT_SECONDS, 240) >= 0.98
    assert _inaccurate_ratio(crowd, LEARNT_SECONDS, 240) <= (0.02 if no_shows <= 0.6 else 0.1)
    assert crowd.at_the_door_seconds(LEARNT_SECONDS) <= 5


def test_a_worker_that_hears_nothing_of_the_doors_would_crowd_them(monkeypatch: pytest.MonkeyPatch) -> None:
    see = turnout.Turnout.see
    monkeypatch.setattr(turnout.Turnout, "see", lambda self, look: see(self, look._replace(at_door=0)))
    crowd = Crowd(seed=1, no_shows=_share(0.3)).run(240)
    assert crowd.admitted_ratio(LEARNT_SECONDS, 240) >= 0.9, "nobody is stalled all the same"
    assert crowd.at_the_door_seconds(LEARNT_SECONDS) > 5


@pytest.mark.prove
@pytest.mark.timeout(1800)
@pytest.mark.promise("A10", "B7")
def test_the_rate_is_kept_in_hundreds_of_crowds(measured: Measured) -> None:
    inaccurate = []
    for seed in range(300):
        chance = random.Random(seed)
        reaction, no_shows, rate = (
            chance.choice([at_once, as_people_do]),
            chance.uniform(0, 0.9),
            chance.choice([20, 50]),
        )
        crowd = Crowd(seed, rate_per_second=rate, no_shows=_share(no_shows), reaction=reaction).run(300)
        assert crowd.admitted_ratio(LEARNT_SECONDS, 300) >= 0.95, (seed, no_shows, rate)
        if no_shows <= 0.6:
            inaccurate.append(_inaccurate_ratio(crowd, LEARNT_SECONDS, 300))
            assert inaccurate[-1] <= 0.2, (seed, no_shows, rate)  # chance: a few seconds in which too few came
    measured("A10", f"{len(inaccurate)} simulated crowds: {1 - fmean(inaccurate):.2%} of the windows accurate")
    assert fmean(inaccurate) <= 0.01


@pytest.mark.promise("B7")
@pytest.mark.parametrize("workers", [1, 3])
def test_workers_that_decide_together_call_no_more_than_one(workers: int) -> None:
    crowd = Crowd(seed=3, no_shows=_share(0.5), reaction=as_people_do, workers=workers).run(240)
    assert crowd.admitted_ratio(LEARNT_SECONDS, 240) >= 0.95
    assert crowd.called <= 2.4 * len(crowd.starts)


def test_when_people_come_again_the_door_is_not_flooded_for_long() -> None:
    crowd = Crowd(seed=4, no_shows=lambda seconds: 0.8 if 100 < seconds < 200 else 0.1, reaction=as_people_do).run(330)
    assert crowd.admitted_ratio(205, 330) >= 0.95
    assert crowd.at_the_door_seconds(200) <= 60
    assert crowd.at_the_door_seconds(320) <= 5


@pytest.mark.promise("B7")
def test_people_who_all_return_late_are_let_in_at_the_rate() -> None:
    crowd = Crowd(seed=5, no_shows=_share(0.7), late=1.0).run(300)
    assert crowd.admitted_ratio(LEARNT_SECONDS, 300) >= 0.95
    assert max(crowd.admitted_ratio(begin, begin + 1) for begin in range(300)) <= 1 + 5 / 50


@pytest.mark.parametrize("stay", [lambda _: 5.0, lambda chance: chance.expovariate(1 / 5)], ids=["even", "uneven"])
def test_at_full_capacity_only_as_many_are_called_as_get_in(stay: Seconds) -> None:
    crowd = Crowd(seed=6, capacity=100, no_shows=_share(0.3), stay=stay).run(240)
    inside = [sessions for seconds, _, sessions in crowd.busy if seconds > LEARNT_SECONDS]
    assert sum(inside) / len(inside) >= 90
    assert crowd.at_the_door_seconds(LEARNT_SECONDS) <= 5


def test_a_worker_that_learns_nothing_would_stall_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turnout.Turnout, "due", 0)
    crowd = Crowd(seed=1, no_shows=_share(0.5)).run(240)
    assert crowd.admitted_ratio(LEARNT_SECONDS, 240) < 0.5


def test_a_floor_of_three_tenths_would_stall_the_line_at_nine_tenths_no_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turnout, "_RATIO_MIN", 0.3)
    crowd = Crowd(seed=1, no_shows=_share(0.9), reaction=as_people_do).run(240)
    assert crowd.admitted_ratio(LEARNT_SECONDS, 240) < 0.9


def test_a_worker_without_a_cap_on_the_called_would_flood_the_door(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "UNCLAIMED_SECONDS", 1000.0)
    crowd = Crowd(seed=1, no_shows=_share(0.3), reaction=as_people_do).run(240)
    assert crowd.at_the_door_seconds(LEARNT_SECONDS) > 5


def test_a_ratio_that_never_falls_would_be_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turnout, "_RATIO_MIN", 1.0)
    crowd = Crowd(seed=1, no_shows=_share(0.6)).run(240)
    assert crowd.admitted_ratio(LEARNT_SECONDS, 240) < 0.9
