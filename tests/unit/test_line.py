"""The line: places, the mark, and the distance between them, checked against a plain list of people."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from admission.core.line import START, Line, Place, Segment

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
