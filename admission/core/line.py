"""The line: a list of segments, a place in it, and the distance to the mark. Nothing else orders people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import NamedTuple


class Place(NamedTuple):
    """A place in the line. Places compare as tuples; rank counts from 1, (0, 0) is before everybody."""

    segment: int
    rank: int


START = Place(0, 0)
_ENDLESS = 2**63


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of numbers of one epoch under one order; its id is its position in the line.

    Args:
        epoch: the life of the data that issued the numbers.
        order: `first_come` (the rank is the number).
        size: numbers issued, 0 or more.
    """

    epoch: str
    order: str
    size: int


@dataclass(frozen=True)
class Line:
    """All segments, oldest first, with two marks: `serving` (called) and `expired` (whose grace has ended)."""

    segments: tuple[Segment, ...] = ()
    serving: Place = START
    expired: Place = START

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {segment.epoch: i for i, segment in enumerate(self.segments)}

    @cached_property
    def _offsets(self) -> tuple[int, ...]:
        """People in all segments before each one, and behind the last."""
        return tuple(accumulate((segment.size for segment in self.segments), initial=0))

    @cached_property
    def _spans(self) -> tuple[tuple[int, int], ...]:
        """Of each segment, the people before it and the highest position in it; the present one may have grown."""
        return tuple(pairwise((*self._offsets[:-1], _ENDLESS)))

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
            if i >= self.serving.segment and end >= mark
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

    def place(self, epoch: str, number: int) -> Place | None:
        """The place of a number; None for an epoch that this line does not know."""
        segment = self._ids.get(epoch)
        return None if segment is None else Place(segment, number)

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

    def waits(self, epoch: str, number: int) -> tuple[int, int] | None:
        """The segment of a number behind the mark, and the people ahead of it; None for a called or unknown one.

        What `place`, `called` and `ahead` say, in the one step that a poll affords. None, too, for a number that was
        lost before anybody saw it, once its segment is called.
        """
        found = self._behind_mark.get(epoch)
        if found is None:
            return None
        segment, before, last = found
        ahead = before + number
        if ahead < 0:
            return None
        return segment, ahead if ahead < last else last

    def mark_after(self, people: int) -> Place:
        """The mark once `people` more are called: never past the last number, so idle time stores no burst."""
        position = min(self.size, self._called + max(0, people))
        for segment in range(len(self.segments) - 1, -1, -1):
            if position > self._offsets[segment]:
                return max(self.serving, Place(segment, position - self._offsets[segment]))
        return self.serving

    def runs(self, after: Place, until: Place) -> Iterator[tuple[int, int, int]]:
        """The places after one and up to another, as (segment, first rank, last rank), in order."""
        for segment in range(after.segment, min(until.segment + 1, len(self.segments))):
            first = after.rank + 1 if segment == after.segment else 1
            last = until.rank if segment == until.segment else self.segments[segment].size
            if first <= last:
                yield segment, first, last
