"""The line: a list of segments, a place in it, and the distance to the mark. Nothing else orders people."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from antrean.draw import Permutation

FIRST_COME = "first_come"
DRAWN = "drawn"


class Place(NamedTuple):
    """A place in the line: the id of its segment, and a rank in it from 1. Places compare as tuples.

    The segment is 0 for everybody who is drawn together, else the epoch that issued the number, which is the rank. So
    an epoch that is found again after a loss of data comes in where it belongs, and no place ever changes.
    """

    segment: int
    rank: int


START = Place(0, 0)  # before everybody
NOWHERE = Place(0, -1)  # of somebody who is to be drawn, or whose place is still being learnt
_EPOCHS_PER_US = 4
DRAW = 0  # the segment of everybody who is drawn together
ENDLESS = 2**63  # above every rank


def epoch_at(moment: datetime) -> int:
    """The least epoch that can begin at an instant: microseconds since 1970, times 4; 2 bits are the server's own."""
    return int(moment.timestamp() * 1_000_000) * _EPOCHS_PER_US


def began_at(epoch: int) -> datetime:
    """When an epoch began, on Redis' clock, in UTC."""
    return datetime.fromtimestamp(epoch / _EPOCHS_PER_US / 1_000_000, UTC)


@dataclass(frozen=True, slots=True)
class Segment:
    """The numbers of one epoch.

    Args:
        epoch: what issued the numbers; see epoch_at. A later one is greater, and each is exact in a double until 2041.
        size: numbers issued, 0 or more.
        drawn: of these the first ones, which are in the draw, 0 to size.
    """

    epoch: int
    size: int
    drawn: int = 0


class _Block(NamedTuple):
    """A segment as people stand in it.

    Args:
        id: of its places.
        before: people in all blocks before it.
        base: the rank before its first one.
        people: in it.
    """

    id: int
    before: int
    base: int
    people: int


@dataclass(frozen=True)
class Line:
    """All segments, the earliest first, with two marks: `serving` (called) and `expired` (whose grace has ended).

    Args:
        permutation: the order of what is drawn together; until it is known, nobody there has a place.
        frozen: the entries of a draw are fixed; only who joins from now on is not in it.
        unfrozen: everybody in the line is to be drawn, and the freeze has not come.
        newcomers_from: the first epoch whose people have no place yet, since a loss of data may have taken people
            before them, who come in by their tickets; None: there is none.
    """

    segments: tuple[Segment, ...] = ()
    serving: Place = START
    expired: Place = START
    permutation: Permutation | None = None
    frozen: bool = False
    unfrozen: bool = False
    newcomers_from: int | None = None

    @cached_property
    def _by_epoch(self) -> dict[int, Segment]:
        return {segment.epoch: segment for segment in self.segments}

    @cached_property
    def _entries_before(self) -> dict[int, int]:
        """People in the draw of all epochs before each one."""
        counts = accumulate((segment.drawn for segment in self.segments), initial=0)
        return dict(zip((segment.epoch for segment in self.segments), counts, strict=False))

    @cached_property
    def _blocks(self) -> tuple[_Block, ...]:
        entries = sum(segment.drawn for segment in self.segments)
        blocks = [_Block(DRAW, 0, 0, entries)] if entries else []
        for segment in self.segments:
            before = blocks[-1].before + blocks[-1].people if blocks else 0
            blocks.append(_Block(segment.epoch, before, segment.drawn, segment.size - segment.drawn))
        return tuple(blocks)

    @cached_property
    def _block_ids(self) -> list[int]:
        return [block.id for block in self._blocks]

    @cached_property
    def _called(self) -> int:
        """People up to the mark."""
        return self.position(self.serving)

    @cached_property
    def _behind_mark(self) -> dict[int, tuple[int, int, int]]:
        """Of each epoch with numbers behind the mark: drawn ones, people ahead of its number 0, and of its last one."""
        mark = self._called + 1
        return {
            block.id: (block.base, block.before - block.base - mark, self._end(i) - mark)
            for i, block in enumerate(self._blocks)
            if block.id >= max(self.serving.segment, 1) and self._end(i) >= mark and not self._learning(block.id)
        }

    def _end(self, i: int) -> int:
        """The highest position in a block; the last one may have grown since."""
        return self._blocks[i].before + self._blocks[i].people if i < len(self._blocks) - 1 else ENDLESS

    def _learning(self, epoch: int) -> bool:
        return self.newcomers_from is not None and epoch >= self.newcomers_from

    @property
    def epoch(self) -> int:
        """The epoch that issues numbers now; 0 before the first."""
        return self.segments[-1].epoch if self.segments else 0

    @cached_property
    def size(self) -> int:
        """Everybody who ever took a place."""
        return sum(segment.size for segment in self.segments)

    @cached_property
    def callable_people(self) -> int:
        """Everybody who may be called: not the newcomers whose place is still being learnt."""
        return next((block.before for block in self._blocks if self._learning(block.id)), self.size)

    @property
    def waiting(self) -> int:
        """Everybody behind the mark."""
        return self.size - self._called

    @property
    def callable_waiting(self) -> int:
        """Everybody behind the mark who may be called."""
        return max(0, self.callable_people - self._called)

    @property
    def drawn_people(self) -> int:
        """Everybody who is in the draw."""
        return sum(segment.drawn for segment in self.segments)

    def entry(self, epoch: int, number: int) -> int | None:
        """Which of those who are drawn together a number is, from 1; None for one that is not in a draw."""
        segment = self._by_epoch.get(epoch)
        return None if segment is None or number > segment.drawn else self._entries_before[epoch] + number

    def undrawn(self, epoch: int, number: int) -> bool:
        """Whether a number is to be drawn, and is not yet."""
        return self.unfrozen or (self.permutation is None and self.entry(epoch, number) is not None)

    def place(self, epoch: int, number: int) -> Place | None:
        """The place of a number.

        None for an epoch that this line does not know, before its draw, and for newcomers whose place is being learnt.
        """
        if epoch not in self._by_epoch or self._learning(epoch) or self.undrawn(epoch, number):
            return None
        entry = self.entry(epoch, number)
        if entry is None or self.permutation is None:
            return Place(epoch, number)
        return Place(DRAW, self.permutation.rank(entry))

    def knows(self, epoch: int, number: int) -> bool:
        """Whether a number was issued, as far as this line tells."""
        segment = self._by_epoch.get(epoch)
        return segment is not None and number <= segment.size

    def position(self, place: Place) -> int:
        """People up to and including a place, since the line began.

        An earlier segment ends where the next begins: numbers of it that were lost before anybody saw them, and a
        mark among them, count as its end. Else the mark would seem to have called people of the next segment.
        """
        i = bisect_left(self._block_ids, place.segment)
        if i == len(self._blocks):
            return self.size
        block = self._blocks[i]
        if block.id != place.segment:
            return block.before
        return min(block.before + max(0, place.rank - block.base), self._end(i))

    def ahead(self, place: Place) -> int:
        """People between the mark and a place; 0 for the next one and for everybody called."""
        return max(0, self.position(place) - self._called - 1)

    def called(self, place: Place) -> bool:
        """Whether the mark has reached a place."""
        return place <= self.serving

    def waits(self, epoch: int, number: int) -> tuple[int, int, int] | None:
        """Segment and rank of a number behind the mark, and the people ahead of it; None for a called or unknown one.

        What `place`, `called` and `ahead` say, in the one step that a poll affords. None, too, for a number that was
        lost before anybody saw it, once its segment is called.
        """
        found = self._behind_mark.get(epoch)
        if found is None or number <= found[0]:
            place = self.place(epoch, number) if self.permutation else None
            return None if place is None or self.called(place) else (*place, self.ahead(place))
        if self.unfrozen:
            return None
        _, before, last = found
        ahead = before + number
        if ahead < 0:
            return None
        return epoch, number, ahead if ahead < last else last

    def mark_after(self, people: int) -> Place:
        """The mark once `people` more are called: never past the last who may be, so idle time stores no burst.

        Once everybody is called it stands at the end of the line, behind numbers that were lost before anybody saw
        them; it is START only while nobody has been called.
        """
        position = min(self.callable_people, self._called + max(0, people))
        for block in reversed(self._blocks):
            at_end = block is self._blocks[-1] and 0 < position == self.size and self.newcomers_from is None
            if (position > block.before and block.people) or at_end:
                return max(self.serving, Place(block.id, block.base + position - block.before))
        return self.serving

    def sizes(self) -> Iterator[tuple[int, int]]:
        """The id of each segment of places and the people in it, in order."""
        if self.unfrozen:  # one segment, whoever joined when
            return iter([(DRAW, self.size)] if self.segments else [])
        return ((block.id, block.people) for block in self._blocks)

    def runs(self, after: Place, until: Place) -> Iterator[tuple[int, int, int]]:
        """The places after one and up to another, as (segment, first rank, last rank), in order."""
        for block in self._blocks:
            if after.segment <= block.id <= until.segment:
                first = after.rank + 1 if block.id == after.segment else block.base + 1
                last = until.rank if block.id == until.segment else block.base + block.people
                if first <= last:
                    yield block.id, first, last

    def drawn_together(self) -> Line:
        """This line before its freeze: all of it is to be drawn."""
        return replace(self, unfrozen=True)
