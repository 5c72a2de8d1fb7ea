"""The state of an applicant, for everything that the line and the store can say."""

from __future__ import annotations

import itertools

import pytest

from admission.core.applicant import UNKNOWN, ApplicantState, Trace, state_of
from admission.core.line import Line, Place, Segment

LINE = Line((Segment("1-a", "first_come", 9),), serving=Place(0, 6), expired=Place(0, 3))
EXPIRED, CALLED, WAITING = Place(0, 3), Place(0, 4), Place(0, 7)


@pytest.mark.parametrize(
    ("place", "trace", "state"),
    [
        (WAITING, Trace(), "waiting"),
        (None, Trace(), "waiting"),
        (CALLED, Trace(), "called"),
        (Place(0, 6), Trace(), "called"),
        (EXPIRED, Trace(), "expired"),
        (EXPIRED, UNKNOWN, "called"),
        (WAITING, UNKNOWN, "waiting"),
        (Place(0, 1), Trace(), "expired"),
        (Place(1, 1), Trace(), "waiting"),
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
    traces = [Trace(a, c, left, s) for a, c, left, s in itertools.product((0, 1), (0, 1), (0, 1), (None, 5))]
    for trace in traces:
        if trace.admitted or trace.completed or trace.left:
            assert state_of(EXPIRED, LINE, trace) is state_of(CALLED, LINE, trace)


def test_on_a_line_that_knows_nobody_everybody_waits() -> None:
    assert state_of(CALLED, Line()) is ApplicantState.WAITING
