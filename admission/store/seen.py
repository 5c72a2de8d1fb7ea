"""What a process last saw of an event's line: it goes along in every call, so that Redis can lose nothing of it."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from admission.core.line import Line, Segment
from admission.core.quota import Taken
from admission.store.keys import pack_epoch, pack_place, unpack_place
from admission.store.protocol import Snapshot

_NOBODY = "0" * 25  # the place before everybody
_NEVER_LESS = ("serving", "expired", "open_ms", "admitted", "completed", "frozen")


class Seen(msgspec.Struct, frozen=True):
    """Everything of a line that never becomes less, and what counts until it must have ended.

    Epochs and places are texts, as in Redis.

    Args:
        epoch, size: of the segment that issues numbers; 0: nothing was seen.
        segments: (epoch, size, drawn) of all, in the order of the line.
        serving, expired: places as Redis packs them.
        sessions, reserved: see Snapshot.
        groups: (completed, reserved) of each.
        newcomers_from, learns_until_us: of the last learning window.
    """

    epoch: str = pack_epoch(0)
    size: int = 0
    segments: tuple[tuple[str, int, int], ...] = ()
    serving: str = _NOBODY
    expired: str = _NOBODY
    open_ms: int = 0
    admitted: int = 0
    completed: int = 0
    frozen: int = 0
    sessions: int = 0
    reserved: int = 0
    groups: dict[str, tuple[int, int]] = {}
    newcomers_from: str = ""
    learns_until_us: int = 0

    def lacks(self, other: Seen) -> bool:
        """Whether another has seen more: numbers, marks or totals."""
        if any(getattr(self, name) < getattr(other, name) for name in _NEVER_LESS):
            return True
        known = {epoch: (size, drawn) for epoch, size, drawn in self.segments}
        return any(
            epoch not in known or known[epoch][0] < size or known[epoch][1] < drawn
            for epoch, size, drawn in other.segments
        )

    def json(self) -> bytes:
        """As the prelude of the scripts reads it, and as it is kept in a file."""
        return msgspec.json.encode(self)

    def line(self, now_us: int) -> Line:
        """The line.

        Args:
            now_us: on Redis' clock.
        """
        segments = tuple(Segment(int(epoch), size, drawn) for epoch, size, drawn in self.segments)
        serving, expired = unpack_place(self.serving), unpack_place(self.expired)
        newcomers_from = int(self.newcomers_from) if self.learns_until_us > now_us else None
        return Line(segments, serving, expired, frozen=bool(self.frozen), newcomers_from=newcomers_from)

    def over(self, snapshot: Snapshot) -> Snapshot:
        """A snapshot of a store that has lost a part of this, with what was seen in place of it."""
        return replace(
            snapshot,
            outdated=True,
            line=self.line(snapshot.now_us),
            open_ms=max(snapshot.open_ms, self.open_ms),
            admitted=self.admitted,
            completed=self.completed,
            sessions=self.sessions,
            reserved=self.reserved,
            groups={group: Taken(*counts) for group, counts in self.groups.items()},
        )


def seen_in(snapshot: Snapshot) -> Seen:
    """What a snapshot shows."""
    line = snapshot.line
    learns = line.newcomers_from is not None
    return Seen(
        epoch=pack_epoch(line.epoch),
        size=line.segments[-1].size if line.segments else 0,
        segments=tuple((pack_epoch(each.epoch), each.size, each.drawn) for each in line.segments),
        serving=pack_place(line.serving) or _NOBODY,
        expired=pack_place(line.expired) or _NOBODY,
        open_ms=snapshot.open_ms,
        admitted=snapshot.admitted,
        completed=snapshot.completed,
        frozen=int(line.frozen),
        sessions=snapshot.sessions,
        reserved=snapshot.reserved,
        groups={group: (taken.completed, taken.reserved) for group, taken in snapshot.groups.items()},
        newcomers_from=pack_epoch(line.newcomers_from or 0) if learns else "",
        learns_until_us=snapshot.learns_until_us if learns else 0,
    )
