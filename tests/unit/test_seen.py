"""What a process saw of a line: whole through its file, and told apart from a Redis that has less."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.core.line import DRAW, START, Line, Place, Segment
from admission.core.quota import Taken
from admission.store.protocol import Snapshot
from admission.store.seen import Seen, seen_in
from tests.samples import make_record

RECORD = make_record()
BORN = RECORD.first_epoch
NOW_US = 1_000_000_000


def snapshot(line: Line, **fields: Any) -> Snapshot:
    counts = {"open_ms": 9_000, "sessions": 3, "admitted": 20, "completed": 8, "calls": (), "unclaimed": 2}
    return Snapshot(RECORD, line, NOW_US, **{**counts, **fields})


@st.composite
def lines(draw: st.DrawFn) -> Line:
    segments = []
    for i in range(1, draw(st.integers(1, 4)) + 1):
        size = draw(st.integers(0, 9))
        segments.append(Segment(BORN + 100 * i, size, draw(st.integers(0, size))))
    expired, serving = sorted(draw(st.sampled_from([DRAW, BORN + 100])) for _ in range(2))
    newcomers_from = draw(st.sampled_from([None, segments[-1].epoch]))
    frozen = draw(st.booleans())
    return Line(tuple(segments), Place(serving, 7), Place(expired, 3), frozen=frozen, newcomers_from=newcomers_from)


@given(lines())
def test_what_was_seen_of_a_line_is_that_line_also_through_its_file(line: Line) -> None:
    seen = seen_in(snapshot(line, learns_until_us=NOW_US + 1))
    kept = msgspec.json.decode(seen.json(), type=Seen)
    assert kept == seen and kept.line(NOW_US) == line
    assert not seen.lacks(kept)


def test_of_nothing_there_is_nothing_to_see() -> None:
    assert Seen().line(NOW_US) == Line()
    seen = seen_in(snapshot(Line(), open_ms=0, admitted=0, completed=0))
    assert not seen.lacks(Seen()) and not Seen().lacks(seen)


def test_a_learning_window_that_is_over_makes_nobody_a_newcomer_any_more() -> None:
    line = Line((Segment(BORN + 1, 3), Segment(BORN + 2, 4)), newcomers_from=BORN + 2)
    seen = seen_in(snapshot(line, learns_until_us=NOW_US + 1))
    assert seen.line(NOW_US).newcomers_from == BORN + 2
    assert seen.line(NOW_US + 1).newcomers_from is None


FIRST, SECOND = Segment(BORN + 1, 9, 5), Segment(BORN + 2, 4)
LINE = Line((FIRST, SECOND), Place(SECOND.epoch, 2), Place(DRAW, 3), frozen=True)
BEST = snapshot(LINE)
LESS: dict[str, dict[str, Any]] = {
    "a segment": {"line": replace(LINE, segments=(SECOND,))},
    "a number": {"line": replace(LINE, segments=(FIRST, replace(SECOND, size=3)))},
    "an entry": {"line": replace(LINE, segments=(replace(FIRST, drawn=4), SECOND))},
    "calls": {"line": replace(LINE, serving=Place(SECOND.epoch, 1))},
    "graces": {"line": replace(LINE, expired=START)},
    "the freeze": {"line": replace(LINE, frozen=False)},
    "the open clock": {"open_ms": BEST.open_ms - 1},
    "an admission": {"admitted": BEST.admitted - 1},
    "a completion": {"completed": BEST.completed - 1},
}


@pytest.mark.promise("B1", "B2")
@pytest.mark.parametrize("what", LESS)
def test_a_store_that_has_less_lacks_something_and_what_was_seen_stands_in_for_it(what: str) -> None:
    best, less = seen_in(BEST), snapshot(**{"line": LINE, **LESS[what]})
    assert seen_in(less).lacks(best) and not best.lacks(seen_in(less))
    told = best.over(less)
    assert told.outdated
    assert (told.line, told.open_ms, told.admitted, told.completed) == (LINE, 9_000, 20, 8)


def test_sessions_and_groups_are_told_as_they_were_seen() -> None:
    groups = {"31": Taken(4, 1)}
    told = seen_in(snapshot(LINE, reserved=5, groups=groups)).over(snapshot(Line(), sessions=0))
    assert (told.sessions, told.reserved, told.groups) == (3, 5, groups)


def test_sessions_that_end_are_nothing_lost() -> None:
    fewer = seen_in(snapshot(LINE, sessions=0))
    assert not fewer.lacks(seen_in(BEST))
