"""Waits that were told are held against how long they were."""

from __future__ import annotations

from itertools import pairwise

from admission.core.forecasts import EARLY, HELD, LATE, Forecasts, Outcome
from admission.core.line import Place


def test_a_wait_is_within_its_range_before_it_or_after_it() -> None:
    forecasts = Forecasts()
    for rank in (10, 20, 30):
        forecasts.note(0.0, Place(0, rank), 100, (80, 135))
    assert forecasts.come_true(60.0, Place(0, 9)) == []
    assert forecasts.come_true(80.0, Place(0, 10)) == [Outcome(HELD, 0.25)]
    assert forecasts.come_true(200.0, Place(0, 25)) == [Outcome(LATE, 0.5)]
    forecasts.note(200.0, Place(1, 1), 100, (80, 135))
    assert [each.result for each in forecasts.come_true(250.0, Place(1, 1))] == [LATE, EARLY]


def test_the_mark_finds_them_in_the_order_of_the_line_not_of_the_telling() -> None:
    forecasts = Forecasts()
    for rank in (500, 5, 50):
        forecasts.note(0.0, Place(0, rank), 10, (8, 14))
    assert len(forecasts.come_true(10.0, Place(0, 60))) == 2
    assert forecasts.overdue(14.0) == 0
    assert forecasts.overdue(14.1) == 1


def test_one_place_is_picked_every_ten_seconds_evenly_over_the_line() -> None:
    forecasts = Forecasts()
    picks = [forecasts.pick(float(second), 1000) for second in range(1000)]
    ahead = sorted(pick for pick in picks if pick is not None)
    assert len(ahead) == 100 and 0 <= ahead[0] and ahead[-1] < 1000
    assert max(later - before for before, later in pairwise(ahead)) <= 30


def test_nobody_is_picked_where_nobody_waits_and_no_more_than_can_be_held() -> None:
    forecasts = Forecasts()
    assert forecasts.pick(0.0, 0) is None
    for number in range(4096):
        forecasts.note(0.0, Place(0, number + 1), 10, (8, 14))
    assert forecasts.pick(0.0, 10) is None
    forecasts.forget()
    assert forecasts.pick(0.0, 10) is not None
    assert forecasts.come_true(0.0, Place(9, 9)) == []
