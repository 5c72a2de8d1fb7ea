"""Each judge accepts a good history and rejects a bad one: a judge that accepts everything proves nothing."""

from __future__ import annotations

import pytest

from loadtests.judges import (
    WINDOWS_SECONDS,
    Session,
    duplicates,
    most_at_once,
    overlapping,
    overshot,
    steps_back,
    windows_exceeded,
    worst_overtaking,
)

SECOND_US = 1_000_000


def steady(count: int, rate_per_second: float, start_us: int = 0) -> list[int]:
    return [start_us + round(i * SECOND_US / rate_per_second) for i in range(count)]


def test_a_steady_rate_behind_a_full_burst_is_within_every_window() -> None:
    assert windows_exceeded([0] * 5 + steady(600, 10, SECOND_US // 10), 10, 5) == []


def test_an_empty_history_is_kept() -> None:
    assert windows_exceeded([], 10, 5) == []


def test_one_session_above_the_burst_is_found() -> None:
    assert {each.window_seconds for each in windows_exceeded([7] * 7, 10, 5)} == {0.1}


@pytest.mark.parametrize("window_seconds", WINDOWS_SECONDS)
def test_a_slightly_high_rate_is_found_in_long_windows(window_seconds: float) -> None:
    count = int(window_seconds * 50 * 1.3) + 8
    found = windows_exceeded(steady(count, 50 * 1.3), 50, 1)
    assert window_seconds in {each.window_seconds for each in found} or window_seconds < 0.2


def test_a_window_across_two_bursts_is_found() -> None:
    """A fixed-window counter would let this pass: full at the end of one second and at the start of the next."""
    mints = [SECOND_US - 1] * 10 + [SECOND_US + 1] * 10
    assert windows_exceeded(mints, 10, 1)


def test_the_order_of_the_history_does_not_matter() -> None:
    assert windows_exceeded([5, 1, 3, 2, 4], 1, 2) == windows_exceeded([1, 2, 3, 4, 5], 1, 2) != []


def test_a_new_life_allows_one_more_burst_and_only_in_its_window() -> None:
    two_bursts = [0] * 5 + [1000] * 5
    assert windows_exceeded(two_bursts, 10, 5, lives_us=[500]) == []
    assert windows_exceeded(two_bursts, 10, 5, lives_us=[-1]) != []
    assert windows_exceeded(two_bursts + [2000] * 2, 10, 5, lives_us=[500]) != []


def test_a_number_given_twice_is_found() -> None:
    assert duplicates([("a", 1), ("b", 1), ("a", 2)]) == []
    assert duplicates([("a", 1), ("b", 1), ("a", 1)]) == [("a", 1)]


def test_a_step_back_is_found() -> None:
    assert steps_back([(0, 1), (0, 1), (1, 0)]) == []
    assert steps_back([(0, 5), (0, 4), (1, 0)]) == [((0, 5), (0, 4))]


def test_two_sessions_of_one_person_at_once_are_found() -> None:
    kept = [Session("a", 0, 10), Session("a", 10, 20), Session("b", 5, 15), Session("a", 0, 10)]
    assert overlapping(kept) == []
    assert overlapping([*kept, Session("b", 14, 16)]) == [(Session("b", 5, 15), Session("b", 14, 16))]


def test_a_short_session_inside_a_long_one_does_not_hide_it() -> None:
    long, inside, late = Session("a", 0, 100), Session("a", 10, 20), Session("a", 50, 60)
    assert overlapping([long, inside, late]) == [(long, inside), (long, late)]


def test_sessions_at_once_are_counted_at_their_peak() -> None:
    assert most_at_once([]) == 0
    assert most_at_once([Session(1, 0, 10), Session(2, 10, 20), Session(3, 20, 30)]) == 1
    assert most_at_once([Session(1, 0, 10), Session(2, 9, 20), Session(3, 0, 30)]) == 3


def test_overtaking_is_counted_for_whom_it_hurt_most() -> None:
    assert worst_overtaking([1, 2, 3, 4]) == 0
    assert worst_overtaking([2, 1, 4, 3]) == 1
    assert worst_overtaking([2, 3, 4, 1, 5]) == 3


def test_a_mark_past_every_target_or_past_the_tail_is_found() -> None:
    assert overshot([(0, 3), (0, 5)], targets=[(0, 3), (0, 5)], tail=(0, 9)) == []
    assert overshot([(0, 3), (0, 8)], targets=[(0, 3), (0, 5)], tail=(0, 9)) == [(0, 8)]
    assert overshot([(0, 10)], targets=[(0, 99)], tail=(0, 9)) == [(0, 10)]
