"""What is learnt of who comes: the open clock never goes back, so what was seen counts on through a loss of data."""

from __future__ import annotations

import pytest

from admission.core.line import Place
from admission.core.turnout import Look, Turnout


def look(seconds: float, called: int, *, epoch: int = 1, sessions: int = 0, at_door: int = 0) -> Look:
    return Look(int(seconds * 1000), Place(epoch, called), called, 0, sessions, 10, 1.0, at_door)


def watch(turnout: Turnout, seconds: int, *, begin: int = 0, epoch: int = 1, sessions: int = 0) -> None:
    """A quiet minute or so: nobody is called and nobody comes."""
    for second in range(begin, begin + seconds):
        turnout.see(look(second, 5, epoch=epoch, sessions=sessions))
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


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_site_that_is_no_longer_full_is_called_for_again_in_this_life_or_the_next(epoch: int) -> None:
    turnout = Turnout()
    watch(turnout, 90, sessions=10)
    assert turnout.pace_per_second == pytest.approx(0, abs=0.01), "nobody gets in"
    watch(turnout, 40, begin=90, epoch=epoch)
    assert turnout.pace_per_second > 1


def test_another_life_of_the_data_forgets_nothing() -> None:
    """Else nobody would be called for the half minute in which nothing is known, though seats are free."""
    turnout = Turnout()
    watch(turnout, 40)
    due, marks = turnout.due, turnout.marks
    watch(turnout, 1, begin=40, epoch=2)
    assert due > 0 and turnout.due >= due
    assert [mark for mark in turnout.marks if mark.segment == 1] == [*marks[:-1]]
    assert turnout.lately(7) == 0, "those called before the loss are not taken for people on their way"


def test_a_look_at_the_same_instant_changes_nothing() -> None:
    turnout = Turnout()
    watch(turnout, 40)
    before = turnout.due, turnout.ratio, turnout.pace_per_second
    turnout.see(look(39, 5))
    turnout.learn([0] * (len(turnout.marks) - 1))
    assert (turnout.ratio, turnout.pace_per_second) == before[1:]
