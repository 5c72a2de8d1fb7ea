"""The line: places, the mark, and the distance between them, checked against a plain list of people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.core.line import START, Line, Place, Segment
from antrean.draw import Permutation

sizes = st.lists(st.integers(0, 6), min_size=1, max_size=5)


def line_of(sizes_: list[int], serving: Place = START, expired: Place = START) -> Line:
    segments = tuple(Segment(f"{i:013}-aaaaaaaa", "first_come", size) for i, size in enumerate(sizes_))
    return Line(segments, serving, expired)


def everybody(sizes_: list[int]) -> list[Place]:
    return [Place(segment, rank) for segment, size in enumerate(sizes_) for rank in range(1, size + 1)]


def test_an_empty_line_has_nobody() -> None:
    line = Line()
    assert (line.size, line.waiting, line.epoch, line.mark_after(5)) == (0, 0, "", START)
    assert line.place("unknown", 1) is None
    assert list(line.runs(START, START)) == []


def test_places_compare_by_segment_then_rank() -> None:
    assert START < Place(0, 1) < Place(0, 2) < Place(1, 1) < Place(2, 0)


@given(sizes)
def test_positions_count_people_in_order(sizes_: list[int]) -> None:
    line, people = line_of(sizes_), everybody(sizes_)
    assert [line.position(place) for place in people] == list(range(1, len(people) + 1))
    assert line.size == line.waiting == len(people)
    assert line.position(START) == 0 and line.position(Place(99, 1)) == len(people)
    assert line.epoch == line.segments[-1].epoch


@given(sizes, st.data())
def test_a_number_has_the_place_of_its_epoch(sizes_: list[int], data: st.DataObject) -> None:
    line = line_of(sizes_)
    segment = data.draw(st.integers(0, len(sizes_) - 1))
    assert line.place(line.segments[segment].epoch, 7) == Place(segment, 7)


@given(sizes, st.integers(-3, 40), st.integers(0, 40))
def test_the_mark_moves_by_people_and_never_past_the_last(sizes_: list[int], before: int, more: int) -> None:
    people = everybody(sizes_)
    start = line_of(sizes_).mark_after(before)
    line = line_of(sizes_, serving=start)
    position = min(len(people), max(0, before))
    assert line.position(start) == position
    assert [line.called(place) for place in people] == [i < position for i in range(len(people))]
    assert [line.ahead(place) for place in people] == [max(0, i - position) for i in range(len(people))]
    after = line.mark_after(more)
    assert line.position(after) == min(len(people), position + more)
    assert after >= start
    assert line.waiting == len(people) - position


@given(sizes, st.integers(0, 30), st.integers(0, 30))
def test_runs_are_the_people_between_two_places(sizes_: list[int], one: int, other: int) -> None:
    people = everybody(sizes_)
    line = line_of(sizes_)
    after, until = line.mark_after(min(one, other)), line.mark_after(max(one, other))
    runs = list(line.runs(after, until))
    assert [Place(s, rank) for s, first, last in runs for rank in range(first, last + 1)] == [
        place for place in people if after < place <= until
    ]


@given(sizes, st.integers(0, 20), st.integers(0, 10))
def test_joins_and_calls_only_shorten_the_distance(sizes_: list[int], called: int, joined: int) -> None:
    line = line_of(sizes_)
    later = line_of([*sizes_[:-1], sizes_[-1] + joined, 3], serving=line.mark_after(called))
    for place in everybody(sizes_):
        assert later.ahead(place) <= line.ahead(place)


def test_a_mark_among_lost_numbers_calls_nobody_of_the_next_segment() -> None:
    """A worker called up to 80 before Redis lost everything; whoever put the line back had seen 50 only."""
    line = line_of([50, 30], serving=Place(0, 80))
    assert line.waiting == 30
    assert line.ahead(Place(1, 1)) == 0 and not line.called(Place(1, 1))
    assert line.mark_after(10) == Place(1, 10)
    assert line.called(Place(0, 51))


def test_a_ticket_newer_than_the_snapshot_counts_all_before_it() -> None:
    """Else the distance would be told too short, and then grow."""
    line = line_of([10], serving=Place(0, 4))
    assert line.ahead(Place(0, 15)) == 10


def drawn_line(
    sizes_: list[int], later: list[int], serving: Place = START, permutation: Permutation | None = None
) -> Line:
    """Epochs that are drawn together, and those that came after the freeze."""
    orders = ["drawn", *["with"] * (len(sizes_) - 1), *["first_come"] * len(later)]
    segments = tuple(
        Segment(f"{i:013}-aaaaaaaa", order, size)
        for i, (order, size) in enumerate(zip(orders, [*sizes_, *later], strict=True))
    )
    return Line(segments, serving, permutation=permutation)


entered = st.lists(st.integers(0, 6), min_size=1, max_size=4).filter(any)
afterwards = st.lists(st.integers(0, 4), min_size=1, max_size=3).map(lambda sizes_: [sizes_[0] + 1, *sizes_[1:]])


def everybody_drawn(line: Line, epochs: int) -> list[Place]:
    """The places of all who were drawn, in the order of their entries."""
    drawn = [(each.epoch, n) for each in line.segments[:epochs] for n in range(1, each.size + 1)]
    places = [line.place(*each) for each in drawn]
    return [place for place in places if place is not None]


@pytest.mark.promise("B9")
@given(entered, afterwards)
def test_before_the_draw_nobody_in_it_has_a_place(sizes_: list[int], later: list[int]) -> None:
    line = drawn_line(sizes_, later)
    assert everybody_drawn(line, len(sizes_)) == []
    assert all(line.undrawn(each.epoch) for each in line.segments[: len(sizes_)])
    assert all(line.waits(each.epoch, 1) is None for each in line.segments[: len(sizes_)])
    behind = line.segments[len(sizes_)].epoch
    assert not line.undrawn(behind)
    assert line.waits(behind, 1) == (len(sizes_), 1, sum(sizes_))


@pytest.mark.promise("B9")
@given(entered, afterwards, st.binary(min_size=32, max_size=32))
def test_a_draw_gives_everybody_one_place_before_all_who_came_later(
    sizes_: list[int], later: list[int], key: bytes
) -> None:
    people = sum(sizes_)
    line = drawn_line(sizes_, later, permutation=Permutation(key, people))
    places = everybody_drawn(line, len(sizes_))
    assert sorted(places) == [Place(0, rank) for rank in range(1, people + 1)]
    assert [line.entry(each.epoch, n) for each in line.segments[: len(sizes_)] for n in range(1, each.size + 1)] == [
        *range(1, people + 1)
    ]
    assert all(line.position(place) == place.rank for place in places)
    first_behind = Place(len(sizes_), 1)
    assert line.position(first_behind) == people + 1
    assert line.entry(line.segments[len(sizes_)].epoch, 1) is None
    assert list(line.sizes()) == [(0, people), *((len(sizes_) + i, size) for i, size in enumerate(later))]


@pytest.mark.promise("B9")
@given(entered, afterwards, st.integers(1, 5))
def test_numbers_lost_before_the_freeze_queue_behind_the_draw_earlier_epochs_first(
    sizes_: list[int], later: list[int], beyond: int
) -> None:
    permutation = Permutation(bytes(32), sum(sizes_))
    end = drawn_line(sizes_, later, permutation=permutation).mark_after(100)
    line = drawn_line(sizes_, later, end, permutation)
    lost = [line.place(each.epoch, each.size + beyond) for each in line.segments[: len(sizes_)]]
    assert all(place is not None for place in lost)
    assert lost == sorted(lost)  # type: ignore[type-var]
    assert all(Place(0, sum(sizes_)) < place < Place(len(sizes_), 1) for place in lost if place)
    assert all(line.called(place) for place in lost if place), "they are called once everybody drawn is"


@given(entered, afterwards, st.integers(0, 30), st.integers(0, 12))
def test_the_mark_goes_through_a_drawn_segment_as_through_any(
    sizes_: list[int], later: list[int], called: int, more: int
) -> None:
    permutation = Permutation(bytes(32), sum(sizes_))
    mark = drawn_line(sizes_, later, permutation=permutation).mark_after(called)
    line = drawn_line(sizes_, later, mark, permutation)
    people = sorted(everybody_drawn(line, len(sizes_)))
    people += [Place(len(sizes_) + i, rank) for i, size in enumerate(later) for rank in range(1, size + 1)]
    assert line.position(mark) == min(called, len(people))
    assert [line.called(place) for place in people] == [i < called for i in range(len(people))]
    assert [line.ahead(place) for place in people] == [max(0, i - called) for i in range(len(people))]
    after = line.mark_after(more)
    runs = [Place(s, rank) for s, first, last in line.runs(mark, after) for rank in range(first, last + 1)]
    assert runs == people[called : called + more]
    for each in line.segments:
        for number in range(1, each.size + 1):
            place, waits = line.place(each.epoch, number), line.waits(each.epoch, number)
            assert place is not None
            assert waits == (None if line.called(place) else (*place, line.ahead(place)))


def test_before_its_freeze_a_line_is_drawn_together() -> None:
    line = line_of([3, 2]).drawn_together()
    assert [segment.order for segment in line.segments] == ["drawn", "with"]
    assert line.undrawn(line.segments[1].epoch)
    assert Line().drawn_together() == Line()
