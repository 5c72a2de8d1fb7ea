"""The line: a list of segments, a place in it, and the distance to the mark. Nothing else orders people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from antrean.draw import Permutation

FIRST_COME = "first_come"
DRAWN = "drawn"
WITH = "with"


class Place(NamedTuple):
    """A place in the line. Places compare as tuples; rank counts from 1, (0, 0) is before everybody."""

    segment: int
    rank: int


START = Place(0, 0)
NOWHERE = Place(0, -1)  # of somebody who is to be drawn
_ENDLESS = 2**63
_LOST_TAIL = 2**24  # numbers of one epoch that were lost before anybody saw them: far fewer


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of numbers of one epoch under one order; its id is its position in the line.

    Args:
        epoch: what issued the numbers.
        order: `first_come` (the rank is the number); `drawn`, which begins what is drawn together; `with`, drawn
            together with the one before. What is drawn together is one segment, under the id of its first.
        size: numbers issued, 0 or more.
    """

    epoch: str
    order: str
    size: int


@dataclass(frozen=True)
class Line:
    """All segments, oldest first, with two marks: `serving` (called) and `expired` (whose grace has ended).

    Args:
        permutation: the order of what is drawn together; until it is known, nobody there has a place.
    """

    segments: tuple[Segment, ...] = ()
    serving: Place = START
    expired: Place = START
    permutation: Permutation | None = None

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {segment.epoch: i for i, segment in enumerate(self.segments)}

    @cached_property
    def _offsets(self) -> tuple[int, ...]:
        """People in all segments before each one, and behind the last."""
        return tuple(accumulate((segment.size for segment in self.segments), initial=0))

    @cached_property
    def _heads(self) -> tuple[int, ...]:
        """The id under which each one is a segment: its own, or that of the first that it is drawn together with."""
        heads: list[int] = []
        for i, segment in enumerate(self.segments):
            heads.append(heads[-1] if segment.order == WITH else i)
        return tuple(heads)

    @cached_property
    def _spans(self) -> tuple[tuple[int, int], ...]:
        """Of each segment, the people before it and the highest position in it; the present one may have grown."""
        ends = dict(zip(self._heads, (*self._offsets[1:-1], _ENDLESS), strict=True))
        return tuple((self._offsets[head], ends[head]) for head in self._heads)

    @cached_property
    def _called(self) -> int:
        """People up to the mark."""
        return self.position(self.serving)

    @cached_property
    def _behind_mark(self) -> dict[str, tuple[int, int, int]]:
        """Of each epoch with numbers behind the mark: segment, people ahead of its number 0, and of its last one."""
        mark = self._called + 1
        return {
            segment.epoch: (i, before - mark, end - mark)
            for i, (segment, (before, end)) in enumerate(zip(self.segments, self._spans, strict=True))
            if segment.order == FIRST_COME and i >= self.serving.segment and end >= mark
        }

    @property
    def epoch(self) -> str:
        """The epoch that issues numbers now; empty before the first."""
        return self.segments[-1].epoch if self.segments else ""

    @property
    def size(self) -> int:
        """Everybody who ever took a place."""
        return self._offsets[-1]

    @property
    def waiting(self) -> int:
        """Everybody behind the mark."""
        return self.size - self._called

    def entry(self, epoch: str, number: int) -> int | None:
        """Which of those who are drawn together a number is, from 1; None for one that is not in a draw."""
        i = self._ids.get(epoch)
        if i is None or self.segments[i].order == FIRST_COME or number > self.segments[i].size:
            return None
        return self._offsets[i] - self._offsets[self._heads[i]] + number

    def undrawn(self, epoch: str) -> bool:
        """Whether the numbers of an epoch are to be drawn, and are not yet."""
        i = self._ids.get(epoch)
        return i is not None and self.segments[i].order != FIRST_COME and self.permutation is None

    def place(self, epoch: str, number: int) -> Place | None:
        """The place of a number; None for an epoch that this line does not know, and before its draw."""
        i = self._ids.get(epoch)
        if i is None or self.undrawn(epoch):
            return None
        if self.segments[i].order == FIRST_COME or self.permutation is None:
            return Place(i, number)
        entry = self.entry(epoch, number)
        if entry is not None:
            return Place(self._heads[i], self.permutation.rank(entry))
        # Proven after the freeze, lost before: behind everybody in the draw, the earlier epoch first.
        behind = (i - self._heads[i]) * _LOST_TAIL + number - self.segments[i].size
        return Place(self._heads[i], self.permutation.size + behind)

    def index(self, epoch: str) -> int:
        """The position of an epoch among all: what the store's rows name it by.

        Raises:
            KeyError: for one that this line does not know.
        """
        return self._ids[epoch]

    def position(self, place: Place) -> int:
        """People up to and including a place, since the line began.

        An earlier segment ends where the next begins: numbers of it that were lost before anybody saw them, and a
        mark among them, count as its end. Else the mark would seem to have called people of the next segment.
        """
        if place.segment >= len(self.segments):
            return self.size
        before, end = self._spans[place.segment]
        return min(before + place.rank, end)

    def ahead(self, place: Place) -> int:
        """People between the mark and a place; 0 for the next one and for everybody called."""
        return max(0, self.position(place) - self._called - 1)

    def called(self, place: Place) -> bool:
        """Whether the mark has reached a place."""
        return place <= self.serving

    def waits(self, epoch: str, number: int) -> tuple[int, int, int] | None:
        """Segment and rank of a number behind the mark, and the people ahead of it; None for a called or unknown one.

        What `place`, `called` and `ahead` say, in the one step that a poll affords. None, too, for a number that was
        lost before anybody saw it, once its segment is called.
        """
        found = self._behind_mark.get(epoch)
        if found is None:
            place = self.place(epoch, number) if self.permutation else None
            return None if place is None or self.called(place) else (*place, self.ahead(place))
        segment, before, last = found
        ahead = before + number
        if ahead < 0:
            return None
        return segment, number, ahead if ahead < last else last

    def mark_after(self, people: int) -> Place:
        """The mark once `people` more are called: never past the last number, so idle time stores no burst.

        Once everybody is called it stands at the end of the line, behind numbers that were lost before anybody saw
        them; it is START only while nobody has been called.
        """
        position = min(self.size, self._called + max(0, people))
        last = len(self.segments) - 1
        for i in range(last, -1, -1):
            if position > self._offsets[i] or (i == last and 0 < position == self.size):
                head = self._heads[i]
                return max(self.serving, Place(head, position - self._offsets[head]))
        return self.serving

    def sizes(self) -> Iterator[tuple[int, int]]:
        """The id of each segment and the people in it, in order."""
        for head in sorted({*self._heads}):
            before, end = self._spans[head]
            yield head, min(end, self.size) - before

    def runs(self, after: Place, until: Place) -> Iterator[tuple[int, int, int]]:
        """The places after one and up to another, as (segment, first rank, last rank), in order."""
        for segment, size in self.sizes():
            if after.segment <= segment <= until.segment:
                first = after.rank + 1 if segment == after.segment else 1
                last = until.rank if segment == until.segment else size
                if first <= last:
                    yield segment, first, last

    def drawn_together(self) -> Line:
        """This line with all of it to be drawn: what it is before its freeze."""
        orders = (DRAWN, *[WITH] * (len(self.segments) - 1))
        together = tuple(replace(each, order=order) for each, order in zip(self.segments, orders, strict=False))
        return replace(self, segments=together)
