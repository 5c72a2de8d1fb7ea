"""The line: places, the mark, and the distance between them, checked against a plain list of people."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from admission.core.line import DRAW, START, Line, Place, Segment
from antrean.draw import Permutation

KEY = bytes(32)
sizes = st.lists(st.integers(0, 6), min_size=1, max_size=5)


def epoch_of(i: int) -> int:
    """Epochs 10, 20, 30, …: between two of them others may be found again."""
    return 10 * (i + 1)


def line_of(sizes_: list[int], serving: Place = START, newcomers_from: int | None = None) -> Line:
    segments = tuple(Segment(epoch_of(i), size) for i, size in enumerate(sizes_))
    return Line(segments, serving, newcomers_from=newcomers_from)


def everybody(sizes_: list[int]) -> list[Place]:
    return [Place(epoch_of(i), rank) for i, size in enumerate(sizes_) for rank in range(1, size + 1)]


def people_in(line: Line) -> list[tuple[int, int]]:
    """Epoch and number of everybody, in the order of their tickets."""
    return [(each.epoch, number) for each in line.segments for number in range(1, each.size + 1)]


def in_order(line: Line) -> list[Place]:
    """The plain list of people: those who were drawn, by their rank in the draw, then the others by their tickets."""
    entries = [(each.epoch, number) for each in line.segments for number in range(1, each.drawn + 1)]
    others = [Place(epoch, number) for epoch, number in people_in(line) if (epoch, number) not in entries]
    return [Place(DRAW, rank) for rank in range(1, len(entries) + 1)] + others


def between(line: Line, after: Place, until: Place) -> list[Place]:
    """The people of the runs between two places."""
    return [Place(segment, rank) for segment, first, last in line.runs(after, until) for rank in range(first, last + 1)]


EMPTY_LINES = {
    "new": Line(),
    "before its freeze": Line().drawn_together(),
    "frozen": Line(frozen=True),
    "drawn": Line(permutation=Permutation(KEY, 4), frozen=True),
    "learning": Line(newcomers_from=7),
    "called before everything was lost": Line(serving=Place(10, 3), expired=Place(10, 1)),
}


@pytest.mark.parametrize("line", EMPTY_LINES.values(), ids=EMPTY_LINES)
def test_an_empty_line_answers_everything(line: Line) -> None:
    """It is what processes have that start beside an empty Redis: every poll asks it."""
    assert (line.size, line.waiting, line.callable_people, line.callable_waiting, line.drawn_people) == (0,) * 5
    assert (line.epoch, line.mark_after(5), list(line.sizes())) == (0, line.serving, [])
    assert line.place(10, 1) is None and line.waits(10, 1) is None and line.entry(10, 1) is None
    assert not line.knows(10, 1) and line.undrawn(10, 1) is line.unfrozen
    for place in (START, Place(DRAW, 2), Place(10, 7)):
        assert (line.position(place), line.ahead(place), line.called(place)) == (0, 0, place <= line.serving)
    assert between(line, START, Place(99, 9)) == []


def test_places_compare_by_segment_then_rank() -> None:
    assert START < Place(DRAW, 1) < Place(DRAW, 2) < Place(1, 1) < Place(2, 0)


@given(sizes)
def test_positions_count_people_in_order(sizes_: list[int]) -> None:
    line, people = line_of(sizes_), everybody(sizes_)
    assert [line.position(place) for place in people] == list(range(1, len(people) + 1))
    assert line.size == line.waiting == line.callable_people == line.callable_waiting == len(people)
    assert line.position(START) == 0 and line.position(Place(99, 1)) == len(people)
    assert line.epoch == line.segments[-1].epoch
    assert list(line.sizes()) == [(epoch_of(i), size) for i, size in enumerate(sizes_)]


@given(sizes, st.data())
def test_a_number_has_the_place_of_its_epoch(sizes_: list[int], data: st.DataObject) -> None:
    line = line_of(sizes_)
    i = data.draw(st.integers(0, len(sizes_) - 1))
    assert line.place(epoch_of(i), 7) == Place(epoch_of(i), 7)
    assert [line.knows(epoch_of(i), number) for number in range(1, 8)] == [n <= sizes_[i] for n in range(1, 8)]
    assert line.place(epoch_of(i) + 1, 1) is None and not line.knows(epoch_of(i) + 1, 1)


@given(sizes, st.integers(-3, 40), st.integers(0, 40))
def test_the_mark_moves_by_people_and_never_past_the_last(sizes_: list[int], before: int, more: int) -> None:
    people = everybody(sizes_)
    start = line_of(sizes_).mark_after(before)
    line = line_of(sizes_, serving=start)
    position = min(len(people), max(0, before))
    assert line.position(start) == position
    assert (start == START) == (position == 0), "START only while nobody has been called"
    assert [line.called(place) for place in people] == [i < position for i in range(len(people))]
    assert [line.ahead(place) for place in people] == [max(0, i - position) for i in range(len(people))]
    after = line.mark_after(more)
    assert line.position(after) == min(len(people), position + more)
    assert after >= start
    assert line.waiting == len(people) - position


@given(sizes, st.integers(0, 30), st.integers(0, 30))
def test_runs_are_the_people_between_two_places(sizes_: list[int], one: int, other: int) -> None:
    line = line_of(sizes_)
    after, until = line.mark_after(min(one, other)), line.mark_after(max(one, other))
    assert between(line, after, until) == [place for place in everybody(sizes_) if after < place <= until]


@given(sizes, st.integers(0, 20), st.integers(0, 10))
def test_joins_and_calls_only_shorten_the_distance(sizes_: list[int], called: int, joined: int) -> None:
    line = line_of(sizes_)
    later = line_of([*sizes_[:-1], sizes_[-1] + joined, 3], serving=line.mark_after(called))
    for place in everybody(sizes_):
        assert later.ahead(place) <= line.ahead(place)


def test_a_mark_among_lost_numbers_calls_nobody_of_the_next_segment() -> None:
    """A worker called up to 80 before Redis lost everything; whoever put the line back had seen 50 only."""
    line = line_of([50, 30], serving=Place(10, 80))
    assert line.waiting == 30
    assert line.ahead(Place(20, 1)) == 0 and not line.called(Place(20, 1))
    assert line.mark_after(10) == Place(20, 10)
    assert line.called(Place(10, 51))


def test_a_ticket_newer_than_the_snapshot_counts_all_before_it() -> None:
    """Else the distance would be told too short, and then grow."""
    line = line_of([10], serving=Place(10, 4))
    assert line.ahead(Place(10, 15)) == 10
    assert line.waits(10, 15) == (10, 15, 10)


def test_a_number_that_was_lost_before_anybody_saw_it_stands_at_the_end_of_its_segment() -> None:
    """Until its ticket brings it back, it is told no more people than those before the next segment."""
    line = line_of([5, 3], serving=Place(10, 2))
    assert line.waits(10, 9) == (10, 9, line.ahead(Place(10, 9))) == (10, 9, 2)
    assert line.waits(20, 1) == (20, 1, 3)


@given(sizes, st.integers(0, 60), st.integers(1, 9), st.integers(0, 20))
def test_a_mark_in_a_segment_that_the_line_does_not_know_stands_between_those_beside_it(
    sizes_: list[int], segment: int, rank: int, more: int
) -> None:
    """Whoever called had seen an epoch that is lost: those before it are called, and those behind it in their turn."""
    assume(segment not in (DRAW, *map(epoch_of, range(len(sizes_)))))
    mark, people = Place(segment, rank), everybody(sizes_)
    line, behind = line_of(sizes_, serving=mark), [place for place in people if place > mark]
    assert line.position(mark) == len(people) - len(behind)
    assert (line.waiting, line.callable_waiting) == (len(behind), len(behind))
    assert [line.ahead(place) for place in behind] == [*range(len(behind))]
    assert [line.waits(*place) for place in people if place <= mark] == [None] * (len(people) - len(behind))
    assert [line.waits(*place) for place in behind] == [(*place, i) for i, place in enumerate(behind)]
    after = line.mark_after(more)
    assert after >= mark
    assert between(line, mark, after) == behind[:more]


class Found(NamedTuple):
    """A line, and the same line once other epochs have come in."""

    line: Line
    later: Line


@st.composite
def found(draw: st.DrawFn, *, drawn: bool = False) -> Found:
    """Some epochs of a line, and all of them; those in a draw are never found again, since the draw fixed them."""
    segments = []
    for i in range(draw(st.integers(1, 6))):
        size = draw(st.integers(0, 6))
        segments.append(Segment(epoch_of(i), size, draw(st.integers(0, size)) if drawn else 0))
    known = [each for each in segments if each.drawn or draw(st.booleans())]
    mark = Line(tuple(segments)).mark_after(draw(st.integers(0, 20))) if not drawn else START
    entries = sum(each.drawn for each in segments)
    permutation = Permutation(KEY, entries) if entries else None
    line, later = (Line(tuple(each), mark, permutation=permutation) for each in (known, segments))
    return Found(line, later)


@pytest.mark.promise("B1")
@given(found() | found(drawn=True))
def test_epochs_that_come_in_later_between_others_change_nobodys_place(found_: Found) -> None:
    line, later = found_
    people = people_in(line)
    places = [line.place(*each) for each in people]
    assert None not in places
    assert [later.place(*each) for each in people] == places
    assert [later.called(place) for place in places if place] == [line.called(place) for place in places if place]
    assert [later.entry(*each) for each in people] == [line.entry(*each) for each in people]
    everyone = in_order(later)
    assert [place for place in everyone if place in places] == in_order(line)
    assert [later.position(place) for place in everyone] == [*range(1, len(everyone) + 1)]


@pytest.mark.promise("B1")
@given(found())
def test_people_who_come_in_later_are_called_only_if_the_mark_had_passed_their_place(found_: Found) -> None:
    line, later = found_
    for place in in_order(later):
        assert later.called(place) == (place <= line.serving)
        assert (later.waits(*place) is None) == later.called(place)
    assert later.position(later.serving) == sum(later.called(place) for place in in_order(later))


@given(sizes, st.integers(0, 5), st.integers(0, 30), st.integers(0, 60))
def test_newcomers_whose_place_is_being_learnt_have_none_and_are_not_called(
    sizes_: list[int], known: int, called: int, more: int
) -> None:
    """After a loss people before them may come in by their tickets: a place that is told now would change."""
    newcomers_from = epoch_of(known)
    people, callable_people = everybody(sizes_), everybody(sizes_[:known])
    mark = line_of(sizes_[:known]).mark_after(called)
    line = line_of(sizes_, mark, newcomers_from)
    position = min(called, len(callable_people))
    for place in people[len(callable_people) :]:
        assert line.place(*place) is None and line.waits(*place) is None and not line.undrawn(*place)
        assert line.knows(*place)
    for i, place in enumerate(callable_people):
        assert line.place(*place) == place
        assert line.waits(*place) == (None if i < position else (*place, i - position))
    assert (line.size, line.waiting) == (len(people), len(people) - position)
    assert (line.callable_people, line.callable_waiting) == (len(callable_people), len(callable_people) - position)
    after = line.mark_after(more)
    assert after < Place(newcomers_from, 0)
    assert between(line, mark, after) == callable_people[position : position + more]


@given(sizes, st.integers(0, 5), st.integers(0, 4), st.integers(0, 60))
def test_newcomers_stand_behind_all_who_came_in_once_the_window_is_over(
    sizes_: list[int], known: int, learnt: int, more: int
) -> None:
    whole = [*sizes_[:known], *[size + learnt for size in sizes_[known : known + 1]], *sizes_[known + 1 :]]
    mark = line_of(sizes_, newcomers_from=epoch_of(known)).mark_after(more)
    line = line_of(whole, mark)
    assert [line.place(*place) for place in everybody(whole)] == everybody(whole)
    behind = [place for place in everybody(whole) if place > mark]
    assert [line.ahead(place) for place in behind] == [*range(len(behind))]
    assert line.callable_waiting == line.waiting == len(behind)


def test_a_draw_that_waits_for_its_value_gives_its_newcomers_no_place_either() -> None:
    line = Line((Segment(10, 3, 3), Segment(20, 2)), frozen=True, newcomers_from=20, permutation=Permutation(KEY, 3))
    assert (line.place(20, 1), line.waits(20, 1)) == (None, None)
    assert line.callable_people == 3
    assert line.mark_after(9) == Place(DRAW, 3)


def drawn_line(
    sizes_: list[int], later: list[int], serving: Place = START, permutation: Permutation | None = None, lost: int = 0
) -> Line:
    """Epochs that are drawn together, and those that came after the freeze; of the first, `lost` came back since."""
    drawn = [Segment(epoch_of(i), size + lost, size) for i, size in enumerate(sizes_)]
    behind = [Segment(epoch_of(len(sizes_) + i), size) for i, size in enumerate(later)]
    return Line((*drawn, *behind), serving, permutation=permutation, frozen=True)


entered = st.lists(st.integers(0, 6), min_size=1, max_size=4).filter(any)
afterwards = st.lists(st.integers(0, 4), min_size=1, max_size=3).map(lambda sizes_: [sizes_[0] + 1, *sizes_[1:]])


def everybody_drawn(line: Line) -> list[Place]:
    """The places of all who were drawn, in the order of their entries."""
    drawn = [(each.epoch, n) for each in line.segments for n in range(1, each.drawn + 1)]
    places = [line.place(*each) for each in drawn]
    return [place for place in places if place is not None]


@pytest.mark.promise("B9")
@given(entered, afterwards)
def test_before_the_draw_nobody_in_it_has_a_place(sizes_: list[int], later: list[int]) -> None:
    line = drawn_line(sizes_, later)
    entries = [(each.epoch, n) for each in line.segments for n in range(1, each.drawn + 1)]
    assert everybody_drawn(line) == []
    assert line.drawn_people == len(entries) == sum(sizes_)
    assert all(line.undrawn(*each) for each in entries)
    assert all(line.waits(*each) is None for each in entries)
    behind = epoch_of(len(sizes_))
    assert not line.undrawn(behind, 1)
    assert line.place(behind, 1) == Place(behind, 1)
    assert line.waits(behind, 1) == (behind, 1, sum(sizes_))


@pytest.mark.promise("B9")
@given(entered, afterwards, st.binary(min_size=32, max_size=32))
def test_a_draw_gives_everybody_one_place_before_all_who_came_later(
    sizes_: list[int], later: list[int], key: bytes
) -> None:
    people = sum(sizes_)
    line = drawn_line(sizes_, later, permutation=Permutation(key, people))
    places = everybody_drawn(line)
    assert sorted(places) == [Place(DRAW, rank) for rank in range(1, people + 1)]
    assert [line.entry(each.epoch, n) for each in line.segments for n in range(1, each.drawn + 1)] == [
        *range(1, people + 1)
    ]
    assert not any(line.undrawn(*each) for each in people_in(line))
    assert all(line.position(place) == place.rank for place in places)
    behind = epoch_of(len(sizes_))
    assert line.position(Place(behind, 1)) == people + 1
    assert line.entry(behind, 1) is None
    assert [(segment, size) for segment, size in line.sizes() if size] == [
        (DRAW, people),
        *((epoch_of(len(sizes_) + i), size) for i, size in enumerate(later) if size),
    ]


@pytest.mark.promise("B9")
@given(entered, afterwards, st.integers(1, 5))
def test_numbers_lost_before_the_freeze_queue_behind_the_draw_earlier_epochs_first(
    sizes_: list[int], later: list[int], beyond: int
) -> None:
    permutation = Permutation(KEY, sum(sizes_))
    everybody_is_called = drawn_line(sizes_, later, permutation=permutation).mark_after(100)
    line = drawn_line(sizes_, later, everybody_is_called, permutation)
    numbers = [(epoch_of(i), size + beyond) for i, size in enumerate(sizes_)]
    lost = [line.place(*each) for each in numbers]
    assert lost == [Place(*each) for each in numbers] == sorted(Place(*each) for each in numbers)
    assert not any(line.undrawn(*each) for each in numbers) and not any(line.entry(*each) for each in numbers)
    assert all(Place(DRAW, sum(sizes_)) < place < Place(epoch_of(len(sizes_)), 1) for place in lost if place)
    assert all(line.called(place) for place in lost if place), "they are called once everybody drawn is"


@pytest.mark.promise("B9")
@given(entered, afterwards, st.integers(1, 5))
def test_numbers_that_come_back_after_the_freeze_take_nobodys_place_in_the_draw(
    sizes_: list[int], later: list[int], lost: int
) -> None:
    permutation = Permutation(KEY, sum(sizes_))
    before = drawn_line(sizes_, later, permutation=permutation)
    line = drawn_line(sizes_, later, permutation=permutation, lost=lost)
    assert [line.place(*each) for each in people_in(before)] == [before.place(*each) for each in people_in(before)]
    places = [line.place(epoch_of(i), size + n) for i, size in enumerate(sizes_) for n in range(1, lost + 1)]
    first = sum(sizes_) + 1
    assert [line.position(place) for place in places if place] == [*range(first, first + lost * len(sizes_))]
    assert line.position(Place(epoch_of(len(sizes_)), 1)) == first + lost * len(sizes_)


@st.composite
def any_lines(draw: st.DrawFn) -> Line:
    """Epochs of which any part is drawn together, under a known order."""
    segments = []
    for i in range(draw(st.integers(1, 5))):
        size = draw(st.integers(0, 5))
        segments.append(Segment(epoch_of(i), size, draw(st.sampled_from([0, size]) | st.integers(0, size))))
    entries = sum(each.drawn for each in segments)
    permutation = Permutation(draw(st.binary(min_size=32, max_size=32)), entries) if entries else None
    return Line(tuple(segments), permutation=permutation, frozen=True)


@given(any_lines(), st.integers(0, 30), st.integers(0, 12))
def test_the_mark_goes_through_a_drawn_segment_as_through_any(line: Line, called: int, more: int) -> None:
    people, mark = in_order(line), line.mark_after(called)
    line = Line(line.segments, mark, permutation=line.permutation, frozen=True)
    assert line.position(mark) == min(called, len(people))
    assert [line.position(place) for place in people] == [*range(1, len(people) + 1)]
    assert [line.called(place) for place in people] == [i < called for i in range(len(people))]
    assert [line.ahead(place) for place in people] == [max(0, i - called) for i in range(len(people))]
    assert between(line, mark, line.mark_after(more)) == people[called : called + more]
    assert sorted(place for each in people_in(line) if (place := line.place(*each))) == people
    for each in people_in(line):
        place, waits = line.place(*each), line.waits(*each)
        assert place is not None
        assert waits == (None if line.called(place) else (*place, line.ahead(place)))


def test_before_its_freeze_everybody_is_to_be_drawn() -> None:
    line = line_of([3, 2]).drawn_together()
    for each in people_in(line):
        assert line.undrawn(*each) and line.place(*each) is None and line.waits(*each) is None
    assert line.undrawn(20, 3), "and so is who has just joined"
    assert (line.size, line.waiting, line.epoch) == (5, 5, 20)
