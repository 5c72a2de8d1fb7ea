"""The state of one applicant, told from the line and what the store holds of the place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from admission.core.line import Line, Place


class ApplicantState(StrEnum):
    """An applicant's way through the line; the words are the same in HTTP and on the page."""

    ENTERED = "entered"
    WAITING = "waiting"
    CALLED = "called"
    ADMITTED = "admitted"
    COMPLETED = "completed"
    LAPSED = "lapsed"
    LEFT = "left"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Trace:
    """What the store holds of a called place.

    Args:
        admitted, completed, left: what was recorded of this very place.
        kept: they asked within the grace, and there was no room or their group was full: the turn has no end.
        session_started_us: start or last heartbeat of the running session, microseconds of Redis' clock; None when
            none runs.
        known: False when the store could not be asked.
    """

    admitted: bool = False
    completed: bool = False
    left: bool = False
    kept: bool = False
    session_started_us: int | None = None
    known: bool = True


UNTOUCHED = Trace()
UNKNOWN = Trace(known=False)


def state_of(place: Place | None, line: Line, trace: Trace = UNTOUCHED, *, undrawn: bool = False) -> ApplicantState:
    """The state of an applicant; a place that the line does not know (yet) is waiting: it is never lost.

    Args:
        undrawn: the place is to be drawn, and is not yet.
    """
    if trace.completed:
        return ApplicantState.COMPLETED
    if trace.left:
        return ApplicantState.LEFT
    if trace.admitted:
        running = trace.session_started_us is not None
        return ApplicantState.ADMITTED if running else ApplicantState.LAPSED
    if place is None or not line.called(place):
        return ApplicantState.ENTERED if undrawn else ApplicantState.WAITING
    # Nobody is told that their turn has passed on a guess: a session may be running.
    return ApplicantState.EXPIRED if place <= line.expired and trace.known and not trace.kept else ApplicantState.CALLED
