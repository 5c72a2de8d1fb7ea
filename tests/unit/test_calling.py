"""How many to call: 3 s of what the origin takes, or who is due, never past the tail, and always a reason."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.core.calling import Decision, Sample, decide

samples = st.builds(
    Sample,
    open=st.booleans(),
    takes_per_second=st.floats(0.01, 10_000),
    waiting=st.integers(0, 1_000_000),
    unclaimed=st.integers(0, 100_000),
    lately=st.integers(0, 100_000),
    due=st.integers(0, 1_000),
    expected=st.floats(0, 1_000_000),
    ratio=st.floats(0.05, 1),
    seats_left=st.none() | st.integers(0, 300),
    answered=st.booleans(),
)


@given(samples)
def test_nobody_is_called_past_the_tail_the_seats_or_who_is_due(sample: Sample) -> None:
    decision = decide(sample)
    cap = max(1, ceil(3 * sample.takes_per_second))
    assert 0 <= decision.people <= sample.waiting
    assert decision.people <= max(0, cap - sample.lately, sample.due)
    assert sample.seats_left is None or not decision.people or decision.people + sample.unclaimed <= sample.seats_left
    assert decision.reason and decision.reason == decision.reason.lower()


@given(samples)
def test_a_free_place_at_the_door_is_filled_whenever_somebody_waits(sample: Sample) -> None:
    cap = max(1, ceil(3 * sample.takes_per_second))
    full = sample.seats_left is not None and sample.unclaimed >= sample.seats_left
    away = not sample.open or not sample.answered
    idle = away or not sample.waiting or full or (sample.lately >= cap and not sample.due)
    assert (decide(sample).people == 0) == idle


@pytest.mark.parametrize(
    ("sample", "decision"),
    [
        (Sample(False, 50, 1000, 0, 0), Decision(0, "not-open")),
        (Sample(True, 50, 1000, 0, 0, due=60, answered=False), Decision(0, "nobody-answers")),
        (Sample(False, 50, 1000, 0, 0, answered=False), Decision(0, "not-open")),
        (Sample(True, 50, 0, 0, 0), Decision(0, "nobody-waits")),
        (Sample(True, 0, 1000, 0, 0), Decision(0, "origin-rests")),
        (Sample(True, 50, 1000, 150, 150), Decision(0, "enough-unclaimed")),
        (Sample(True, 50, 1000, 900, 900), Decision(0, "enough-unclaimed")),
        (Sample(True, 50, 1000, 900, 100), Decision(50, "fill-unclaimed")),
        (Sample(True, 50, 20, 100, 100), Decision(20, "whole-line")),
        (Sample(True, 50, 1000, 900, 100, due=60), Decision(60, "for-no-shows")),
        (Sample(True, 50, 1000, 900, 150, due=60, expected=1_495, ratio=0.5), Decision(10, "for-no-shows")),
        (Sample(True, 50, 40, 900, 150, due=60), Decision(40, "whole-line")),
        (Sample(True, 50, 1000, 90, 150, due=60, seats_left=100), Decision(10, "last-seats")),
        (Sample(True, 0.1, 1000, 0, 0), Decision(1, "fill-unclaimed")),
    ],
)
def test_every_decision_tells_its_reason(sample: Sample, decision: Decision) -> None:
    assert decide(sample) == decision
