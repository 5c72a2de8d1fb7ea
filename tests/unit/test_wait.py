"""The expected wait is an honest range, and polls are as rare as it allows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.core.event import EventState
from admission.core.wait import Pace, poll_seconds, spread, wait_range

ratios = st.floats(0, 1)


def told(ahead: int, pace_per_second: float) -> tuple[int, int]:
    expected_seconds = Pace(pace_per_second, pace_per_second).wait_seconds(ahead)
    assert expected_seconds is not None
    return wait_range(expected_seconds, None)


def test_a_steady_pace_is_found_and_followed() -> None:
    pace = Pace(50.0, 50.0)
    for _ in range(600):
        pace = pace.after(10, 0.2, 50.0, 50.0)
    assert pace.per_second == pytest.approx(50, rel=0.01)
    for _ in range(600):
        pace = pace.after(2, 0.2, 50.0, 50.0)
    assert pace.per_second == pytest.approx(10, rel=0.1)


def test_a_pace_does_not_depend_on_how_often_it_is_looked_at() -> None:
    fine = coarse = Pace(0.0, 0.0)
    for _ in range(100):
        fine = fine.after(1, 0.1, 10.0, 10.0)
    for _ in range(10):
        coarse = coarse.after(10, 1.0, 10.0, 10.0)
    assert fine.per_second == pytest.approx(coarse.per_second)


def test_a_slow_event_has_a_pace_between_two_calls_too() -> None:
    pace = Pace(0.001, 0.001)
    for _ in range(3600):
        pace = pace.after(0, 0.25, 0.001, 0.001)  # a quarter of an hour; the next call is due after 17 minutes
    assert pace.per_second == pytest.approx(0.001, rel=0.1)


def test_what_a_law_holds_back_may_come_at_any_time() -> None:
    pace = Pace(20.0, 20.0)
    for _ in range(1500):
        pace = pace.after(1, 0.2, 20.0, 5.0)
    assert pace.headroom(20.0) == 4.0
    assert pace.headroom(1.0) == 1.0 and Pace(1.0, 0.0).headroom(20.0) == 100.0
    assert wait_range(1000, None) == (780, 1320)
    assert wait_range(1000, 1.0) == (780, 1680)
    assert wait_range(1000, 4.0) == (180, 1680)


def test_a_mark_that_stands_still_is_noticed() -> None:
    pace = Pace(50.0, 50.0)
    for _ in range(2400):
        pace = pace.after(0, 0.25, 50.0, 50.0)
    assert pace.wait_seconds(10) is None


def test_no_time_changes_no_pace() -> None:
    assert Pace(3.0, 3.0).after(100, 0.0, 3.0, 3.0) == Pace(3.0, 3.0) == Pace(3.0, 3.0).after(5, -1.0, 3.0, 3.0)


def test_nobody_being_called_is_no_wait_that_could_be_told() -> None:
    assert Pace(0.0, 0.0).wait_seconds(10) is None


@given(st.integers(0, 10_000_000), st.floats(0.01, 10_000))
def test_a_range_holds_the_expected_wait(ahead: int, pace_per_second: float) -> None:
    low, high = told(ahead, pace_per_second)
    expected = min((ahead + 1) / pace_per_second, 30 * 86_400)
    assert 1 <= low < high
    assert low <= max(1, expected * 0.8 + 300) and high >= expected * 1.0 - 1


@given(st.integers(0, 1_000_000), st.integers(0, 1_000), st.floats(0.1, 1000))
def test_who_is_further_ahead_never_waits_longer(ahead: int, more: int, pace_per_second: float) -> None:
    near, far = told(ahead, pace_per_second), told(ahead + more, pace_per_second)
    assert near[0] <= far[0] and near[1] <= far[1]


@given(st.sampled_from(EventState), st.none() | st.integers(-100, 10_000_000), st.booleans(), ratios)
def test_polls_stay_within_their_bounds(
    state: EventState, wait_seconds: int | None, called: bool, jitter_ratio: float
) -> None:
    assert 1 <= poll_seconds(state, wait_seconds, called=called) <= 300
    assert 0.8 <= round(spread(poll_seconds(state, wait_seconds, called=called), jitter_ratio), 1) <= 360


@given(st.integers(0, 1800))
def test_near_the_front_a_poll_comes_each_minute(wait_seconds: int) -> None:
    assert poll_seconds(EventState.OPEN, wait_seconds, called=False) <= 60


def test_far_back_polls_are_rare_and_half_the_wait_near_the_front() -> None:
    def at(seconds: int | None) -> float:
        return poll_seconds(EventState.OPEN, seconds, called=False)

    assert (at(86_400), at(3600), at(40), at(0), at(None)) == (300, 120, 20, 1, 60)
    assert poll_seconds(EventState.OPEN, 86_400, called=True) == 3
    assert poll_seconds(EventState.OPEN, 40, called=False, headroom_ratio=4.0) == 5, "a law may let go at once"
    assert poll_seconds(EventState.SCHEDULED, 40, called=False, headroom_ratio=4.0) == 60


def test_jitter_spreads_by_a_fifth_to_either_side() -> None:
    seconds = [spread(20, i / 10) for i in range(11)]
    assert (seconds[0], seconds[-1]) == pytest.approx((16, 24)) and sorted(set(seconds)) == seconds


@pytest.mark.parametrize(("state", "seconds"), [("paused", 20), ("full", 120), ("closed", 300)])
def test_while_nothing_moves_polls_wait(state: str, seconds: float) -> None:
    assert poll_seconds(EventState(state), 5, called=False) == seconds
