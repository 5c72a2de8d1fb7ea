"""What is learnt of who comes: only of the life of the data that it was seen in."""

from __future__ import annotations

import pytest

from admission.core.line import Place
from admission.core.turnout import Look, Turnout


def look(
    seconds: float, called: int, epoch: str = "one", *, admitted: int = 0, sessions: int = 0, at_door: int = 0
) -> Look:
    return Look(int(seconds * 1000), epoch, Place(0, called), called, admitted, sessions, 10, 1.0, at_door)


def watch(turnout: Turnout, seconds: int, epoch: str = "one", sessions: int = 0) -> None:
    """A quiet minute or so: nobody is called and nobody comes."""
    for second in range(seconds):
        turnout.see(look(second, 5, epoch, sessions=sessions))
        turnout.learn([0] * (len(turnout.marks) - 1))


def test_before_the_first_look_nobody_is_due() -> None:
    assert (Turnout().due, Turnout().marks, Turnout().lately(7)) == (0, (), 7)


def test_nobody_is_due_before_who_was_called_had_time_to_come() -> None:
    turnout = Turnout()
    watch(turnout, 30)
    assert (turnout.due, turnout.lately(4)) == (0, 4)
    turnout.see(look(31, 5))
    turnout.learn([0] * (len(turnout.marks) - 1))
    assert turnout.due > 0


@pytest.mark.parametrize(("at_door", "due"), [(1, True), (3, False), (5, False)])
def test_who_waits_at_the_door_counts(at_door: int, *, due: bool) -> None:
    turnout = Turnout()
    watch(turnout, 40)
    turnout.see(look(40, 5, at_door=at_door))
    turnout.learn([0] * (len(turnout.marks) - 1))
    assert (turnout.due > 0) is due


@pytest.mark.parametrize("epoch", ["one", "two"])
def test_a_clock_that_begins_anew_leaves_no_memory_of_a_full_site(epoch: str) -> None:
    turnout = Turnout()
    watch(turnout, 90, sessions=10)
    assert turnout.pace_per_second == pytest.approx(0, abs=0.01), "nobody gets in"
    watch(turnout, 40, epoch)
    assert turnout.pace_per_second > 1


def test_a_look_at_the_same_instant_changes_nothing() -> None:
    turnout = Turnout()
    watch(turnout, 40)
    before = turnout.due, turnout.ratio, turnout.pace_per_second
    turnout.see(look(39, 5))
    turnout.learn([0] * (len(turnout.marks) - 1))
    assert (turnout.ratio, turnout.pace_per_second) == before[1:]
