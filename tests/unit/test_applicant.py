"""The state of an applicant, for everything that the line and the store can say."""

from __future__ import annotations

import itertools

import pytest

from admission.core.applicant import UNKNOWN, ApplicantState, Trace, state_of
from admission.core.line import Line, Place, Segment

LINE = Line((Segment(1, 9),), serving=Place(1, 6), expired=Place(1, 3))
EXPIRED, CALLED, WAITING = Place(1, 3), Place(1, 4), Place(1, 7)


@pytest.mark.parametrize(
    ("place", "trace", "state"),
    [
        (WAITING, Trace(), "waiting"),
        (None, Trace(), "waiting"),
        (CALLED, Trace(), "called"),
        (Place(1, 6), Trace(), "called"),
        (EXPIRED, Trace(), "expired"),
        (EXPIRED, UNKNOWN, "called"),
        (WAITING, UNKNOWN, "waiting"),
        (Place(1, 1), Trace(), "expired"),
        (EXPIRED, Trace(kept=True), "called"),
        (WAITING, Trace(kept=True), "waiting"),
        (EXPIRED, Trace(left=True, kept=True), "left"),
        (EXPIRED, Trace(admitted=True, kept=True), "lapsed"),
        (Place(2, 1), Trace(), "waiting"),
        (CALLED, Trace(admitted=True, session_started_us=1), "admitted"),
        (EXPIRED, Trace(admitted=True, session_started_us=1), "admitted"),
        (CALLED, Trace(admitted=True), "lapsed"),
        (EXPIRED, Trace(admitted=True), "lapsed"),
        (WAITING, Trace(left=True), "left"),
        (EXPIRED, Trace(left=True), "left"),
        (CALLED, Trace(admitted=True, left=True, session_started_us=1), "left"),
        (CALLED, Trace(admitted=True, completed=True), "completed"),
        (CALLED, Trace(admitted=True, completed=True, left=True), "completed"),
        (None, Trace(completed=True), "completed"),
    ],
)
def test_each_trace_is_one_state(place: Place | None, trace: Trace, state: str) -> None:
    assert state_of(place, LINE, trace) is ApplicantState(state)


def test_the_grace_takes_nothing_from_who_is_inside_or_done() -> None:
    either = (False, True)
    marked = itertools.product(either, either, either, (None, 5))
    traces = [Trace(a, c, left, session_started_us=s) for a, c, left, s in marked]
    for trace in traces:
        if trace.admitted or trace.completed or trace.left:
            assert state_of(EXPIRED, LINE, trace) is state_of(CALLED, LINE, trace)


def test_on_a_line_that_knows_nobody_everybody_waits() -> None:
    assert state_of(CALLED, Line()) is ApplicantState.WAITING
