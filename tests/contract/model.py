"""The verbs of a store on plain dictionaries: no Redis, no scripts, no time. What a store must agree with.

Rate never binds here, sessions lapse and graces end when told to.
"""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field

from admission.core.line import START, Place
from admission.store.protocol import Entry, Holder


@dataclass
class Row:
    """What the index holds of one person."""

    segment: int
    number: int
    check: bytes
    admitted: bool = False
    completed: bool = False
    left: bool = False
    group: str = ""


@dataclass
class Seen:
    """The part of the line that a caller remembers, and folds in after a loss: epochs in turn, and their sizes."""

    epochs: list[int] = field(default_factory=lambda: [0])
    sizes: list[int] = field(default_factory=lambda: [0])
    serving: Place = START
    expired: Place = START
    admitted: int = 0
    completed: int = 0
    running: set[bytes] = field(default_factory=set)
    reserved: dict[bytes, str] = field(default_factory=dict)
    lost: int = 0
    lost_sessions: int = 0
    group_completed: Counter[str] = field(default_factory=Counter)
    kept: dict[str, tuple[Place, Place | None]] = field(default_factory=dict)

    def size_of(self, epoch: int) -> int:
        """People of an epoch; -1 for one that is not known."""
        return self.sizes[self.epochs.index(epoch)] if epoch in self.epochs else -1

    def lacks(self, other: Seen) -> bool:
        """Whether another has seen more."""
        return (
            any(self.size_of(epoch) < size for epoch, size in zip(other.epochs, other.sizes, strict=True))
            or (self.serving < other.serving or self.expired < other.expired)
            or (self.admitted < other.admitted or self.completed < other.completed)
        )


Copy = tuple[Seen, dict[bytes, Row], set[Place]]


@dataclass
class Model:
    """One event. `capacity`, `quota` and `groups` (the quotas of groups) as in its record."""

    capacity: int
    quota: int | None
    groups: dict[str, int] = field(default_factory=dict)
    paused: bool = False
    postponed: bool = False
    closed: bool = False
    line: Seen = field(default_factory=Seen)
    seen: Seen = field(default_factory=Seen)
    other_saw: Seen = field(default_factory=lambda: Seen([], []))
    rows: dict[bytes, Row] = field(default_factory=dict)
    settled: set[Place] = field(default_factory=set)
    newest_epoch: int = 0

    def look(self) -> None:
        """A snapshot: the caller remembers the line, unless it has less than they saw."""
        if not self.line.lacks(self.seen):
            self.seen = deepcopy(self.line)

    def other_looks(self) -> None:
        """A snapshot of another caller."""
        self.other_saw = deepcopy(self.line)

    def tail(self) -> Place:
        """The last place of the line."""
        return Place(len(self.line.sizes) - 1, self.line.sizes[-1])

    def _ended(self, session: bytes, row: Row) -> bool:
        if row.completed:
            return False
        if row.left:
            return True
        if row.admitted:
            return session not in self.line.running
        place = Place(row.segment, row.number)
        return place <= self.line.expired and not self._kept(row.group, place)

    def _kept(self, group: str, place: Place) -> bool:
        after, upto = self.line.kept.get(group, (place, None))
        return after < place and (upto is None or place <= upto)

    def taken(self, group: str) -> int:
        """Seats of a group that are not free."""
        return self.line.group_completed[group] + list(self.line.reserved.values()).count(group)

    def tick(self) -> None:
        """What every step of the mark begins with: graces stand in groups that are full."""
        for group, quota in self.groups.items():
            after, upto = self.line.kept.get(group, (None, Place(0, 0)))
            if self.taken(group) >= quota:
                self.line.kept[group] = (self.line.expired if after is None else after, None)
            elif after is not None and upto is None:
                self.line.kept[group] = (after, self.line.serving)

    def join(self, entry: Entry) -> tuple[int, int, bool]:
        """Segment, number, and whether this browser had it already."""
        row = self.rows.get(entry.session) if entry.session else None
        alive = row is not None and not self._ended(entry.session, row)
        if row is not None and alive and row.check == entry.check and any(entry.check):
            return row.segment, row.number, True
        self.line.sizes[-1] += 1
        segment, number = len(self.line.sizes) - 1, self.line.sizes[-1]
        if entry.session and not alive:
            self.rows[entry.session] = Row(segment, number, entry.check, group=entry.group)
        return segment, number, False

    def _mine(self, holder: Holder) -> Row | None:
        row = self.rows.get(holder.session)
        mine = row is not None and (row.segment, row.number) == (holder.segment, holder.number)
        return row if mine else None

    def claim(self, holder: Holder) -> tuple[str, bool]:
        """Problem, and whether the session ran already."""
        row, mine = self.rows.get(holder.session), self._mine(holder)
        if row is not None and mine is None and not self._ended(holder.session, row):
            return "identity-in-line", False
        if mine and mine.completed:
            return "completed", False
        if mine and mine.admitted and not mine.left and holder.session in self.line.running:
            return "", True
        if holder.place in self.settled:
            return "session-lapsed" if mine and mine.admitted and not mine.left else "left", False
        problem = self._event_problem(holder.group) or self._place_problem(holder) or self._door_problem()
        if problem:
            return problem, False
        self.line.running.add(holder.session)
        self.line.reserved[holder.session] = holder.group
        self.settled.add(holder.place)
        self.line.admitted += 1
        self.rows[holder.session] = Row(holder.segment, holder.number, holder.check, admitted=True, group=holder.group)
        return "", False

    def _event_problem(self, group: str) -> str:
        if self.closed:
            return "event-closed"
        if self.postponed:
            return "event-not-open"
        if self.quota is not None and self.line.completed >= self.quota:
            return "event-full"
        if self.paused:
            return "event-paused"
        return "group-full" if group in self.groups and self.taken(group) >= self.groups[group] else ""

    def _place_problem(self, holder: Holder) -> str:
        if holder.place > self.line.serving:
            return "not-called"
        over = holder.place <= self.line.expired and not self._kept(holder.group, holder.place)
        return "grace-over" if over else ""

    def _door_problem(self) -> str:
        taken = self.line.completed + len(self.line.reserved) + self.line.lost
        reserved = self.quota is not None and taken >= self.quota
        return "door-busy" if reserved or len(self.line.running) + self.line.lost_sessions >= self.capacity else ""

    def leave(self, holder: Holder) -> str:
        """Problem, or '' when left."""
        mine = self._mine(holder)
        if mine and mine.completed:
            return "completed"
        if mine:
            mine.left = True
        self.settled.add(holder.place)
        return ""

    def report(self, kind: str, session: bytes) -> str:
        """Result of one report."""
        row, ran = self.rows.get(session), session in self.line.running
        if kind == "heartbeat":
            return self._renew(session, row)
        if self.line.reserved.get(session) in ("", row.group if row else ""):
            self.line.reserved.pop(session)
        self.line.running.discard(session)
        if row and row.completed:
            return "repeated"
        if kind == "completed":
            row = self.rows.setdefault(session, Row(0, 0, bytes(6)))
            row.admitted = row.completed = True
            self.line.completed += 1
            self.line.group_completed[row.group] += 1
            return "completed" if ran else "late"
        if row is None or not row.admitted:
            return "unknown"
        if row.left:
            return "repeated"
        row.left = True
        return kind

    def _renew(self, session: bytes, row: Row | None) -> str:
        if row and row.completed:
            return "repeated"
        admitted = row is not None and row.admitted
        if not admitted and self.line.lost_sessions and session not in self.line.running:
            self.line.running.add(session)
            self.line.reserved.setdefault(session, "")
        if session in self.line.running:
            return "heartbeat"
        if row and row.left:
            return "repeated"
        return "late" if admitted else "unknown"

    def advance(self, target: Place) -> Place:
        """Where the mark stands then."""
        self.tick()
        self.line.serving = max(self.line.serving, min(target, self.tail()))
        return self.line.serving

    def expire(self) -> None:
        """The grace of everybody called ends."""
        self.tick()
        self.line.expired = max(self.line.expired, self.line.serving)

    def lapse(self, session: bytes) -> None:
        """A session runs out; its seat waits for word of a completion."""
        self.line.running.discard(session)

    def copy(self) -> Copy:
        """What a copy of Redis' data holds."""
        return deepcopy((self.line, self.rows, self.settled))

    def come_back(self, copy: Copy | None = None) -> None:
        """Redis comes back with the data of a copy, None: with nothing."""
        self.line, self.rows, self.settled = deepcopy(copy or (Seen([], []), {}, set()))

    def fold(self, seen: Seen) -> bool:
        """A caller folds in what it saw: every epoch in its turn, since nobody joins before all have done so.

        Returns: whether epochs came in.
        """
        known = len(self.line.epochs)
        here, seen = self.line, deepcopy(seen)
        unknown = max(0, seen.admitted - here.admitted)
        if unknown:
            here.lost = min(len(seen.reserved) + seen.lost, here.lost + unknown)
            here.lost_sessions = min(len(seen.running) + seen.lost_sessions, here.lost_sessions + unknown)
        held = Counter(seen.reserved.values())
        for group in seen.group_completed.keys() | held.keys():
            forgotten = max(0, seen.group_completed[group] - here.group_completed[group])
            here.group_completed[group] += forgotten + min(held[group], unknown)
        for group, (after, upto) in seen.kept.items():
            known_after, known_upto = here.kept.get(group, (after, upto))
            stands = None if upto is None or known_upto is None else max(upto, known_upto)
            here.kept[group] = min(after, known_after), stands
        epochs = sorted({*here.epochs, *seen.epochs})
        here.sizes = [max(here.size_of(epoch), seen.size_of(epoch)) for epoch in epochs]
        here.epochs = epochs
        here.serving, here.expired = max(here.serving, seen.serving), max(here.expired, seen.expired)
        here.admitted, here.completed = max(here.admitted, seen.admitted), max(here.completed, seen.completed)
        return len(here.epochs) > known

    def begin_epoch(self) -> None:
        """Numbers count from 1 again, in an epoch of another life."""
        self.newest_epoch += 1
        self.line.epochs.append(self.newest_epoch)
        self.line.sizes.append(0)

    def unclaimed(self) -> int:
        """People called, in grace, who neither claimed nor left."""
        called = {
            Place(segment, rank + 1)
            for segment, size in enumerate(self.line.sizes)
            for rank in range(size)
            if self.line.expired < Place(segment, rank + 1) <= self.line.serving
        }
        return len(called - self.settled)
