"""The verbs of a store on plain dictionaries: no Redis, no scripts, no time. What a store must agree with.

Rate never binds here, sessions lapse and graces end when told to. There is no learning window: what comes back in one
is shown by tests/contract/test_remember.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field

from admission.core.line import START, Place
from admission.store.protocol import Entry, Holder

Ticket = tuple[int, int]
UNKNOWN: Ticket = (0, 0)


@dataclass
class Row:
    """What the index holds of one person."""

    ticket: Ticket
    check: bytes
    admitted: bool = False
    completed: bool = False
    left: bool = False
    kept: bool = False
    group: str = ""


@dataclass
class Seen:
    """The part of the line that a caller remembers, and gives back with each call: sizes by epoch, marks, totals."""

    sizes: dict[int, int] = field(default_factory=dict)
    serving: Place = START
    expired: Place = START
    open_ms: int = 0
    admitted: int = 0
    completed: int = 0
    running: set[bytes] = field(default_factory=set)
    reserved: dict[bytes, str] = field(default_factory=dict)
    lost: int = 0
    lost_sessions: int = 0
    lost_of: Counter[str] = field(default_factory=Counter)
    group_completed: Counter[str] = field(default_factory=Counter)

    @property
    def epoch(self) -> int:
        """The one that issues numbers."""
        return max(self.sizes, default=0)

    def lacks(self, other: Seen) -> bool:
        """Whether another has seen more."""
        return any(self.sizes.get(epoch, -1) < size for epoch, size in other.sizes.items()) or self.less_than(other)

    def less_than(self, other: Seen) -> bool:
        """Whether a mark or a total is less."""
        return (
            (self.serving < other.serving or self.expired < other.expired)
            or (self.admitted < other.admitted or self.completed < other.completed)
            or self.open_ms < other.open_ms
        )

    def groups(self) -> set[str]:
        """Those that have people on the site, or had."""
        return {group for group in (*self.reserved.values(), *self.group_completed, *self.lost_of) if group}


Copy = tuple[Seen, dict[bytes, Row], set[Place], int]


@dataclass
class Model:
    """One event. `capacity`, `quota` and `groups` (the quotas of groups) as in its record.

    Args:
        present: the epoch that issues numbers now.
    """

    capacity: int
    quota: int | None
    groups: dict[str, int] = field(default_factory=dict)
    paused: bool = False
    postponed: bool = False
    closed: bool = False
    line: Seen = field(default_factory=Seen)
    seen: Seen = field(default_factory=Seen)
    other_saw: Seen = field(default_factory=Seen)
    rows: dict[bytes, Row] = field(default_factory=dict)
    settled: set[Place] = field(default_factory=set)
    present: Callable[[], int] = lambda: 1
    life: int = 1

    def __post_init__(self) -> None:
        self.begin_epoch()

    def look(self) -> None:
        """A snapshot: the caller remembers the line, unless it has less than they saw."""
        if not self.line.lacks(self.seen):
            self.seen = deepcopy(self.line)

    def other_looks(self) -> None:
        """A snapshot of another caller."""
        if not self.line.lacks(self.other_saw):
            self.other_saw = deepcopy(self.line)

    def tail(self) -> Place:
        """The last place of the line."""
        return Place(self.line.epoch, self.line.sizes[self.line.epoch])

    def _ended(self, session: bytes, row: Row) -> bool:
        if row.completed:
            return False
        if row.left:
            return True
        if row.admitted:
            return session not in self.line.running
        return not row.kept and Place(*row.ticket) <= self.line.expired

    def taken(self, group: str) -> int:
        """Seats of a group that are not free."""
        held = list(self.line.reserved.values()).count(group)
        return self.line.group_completed[group] + held + self.line.lost_of[group]

    def join(self, entry: Entry) -> tuple[int, int, bool]:
        """Epoch, number, and whether this browser had it already."""
        row = self.rows.get(entry.session) if entry.session else None
        alive = row is not None and not self._ended(entry.session, row)
        if row is not None and alive and row.check == entry.check and any(entry.check):
            return *row.ticket, True
        self.line.sizes[self.line.epoch] += 1
        ticket = self.line.epoch, self.line.sizes[self.line.epoch]
        if entry.session and not alive:
            self.rows[entry.session] = Row(ticket, entry.check, group=entry.group)
        return *ticket, False

    def _mine(self, holder: Holder) -> Row | None:
        row = self.rows.get(holder.session)
        return row if row is not None and row.ticket == (holder.epoch, holder.number) else None

    @staticmethod
    def _goes_before(holder: Holder, row: Row) -> bool:
        return holder.epoch < row.ticket[0] and not row.admitted and not row.completed

    def claim(self, holder: Holder) -> tuple[str, bool]:
        """Problem, and whether the session ran already."""
        row, mine = self.rows.get(holder.session), self._mine(holder)
        others = row is not None and mine is None and not self._goes_before(holder, row)
        if others and row is not None and not self._ended(holder.session, row):
            return "identity-in-line", False
        if mine and mine.completed:
            return "completed", False
        if mine and mine.admitted and not mine.left and holder.session in self.line.running:
            return "", True
        kept = bool(mine and mine.kept)
        if (mine and mine.left) or (holder.place in self.settled and not kept):
            return "session-lapsed" if mine and mine.admitted and not mine.left else "left", False
        if problem := self._event_problem(holder.group) or self._place_problem(holder, kept=kept):
            return problem, False
        ticket = holder.epoch, holder.number
        if self._door_is_busy():
            if not kept:
                self.rows[holder.session] = Row(ticket, holder.check, kept=True, group=holder.group)
            return "door-busy", False
        self.line.running.add(holder.session)
        self.line.reserved[holder.session] = holder.group
        self.settled.add(holder.place)
        self.line.admitted += 1
        self.rows[holder.session] = Row(ticket, holder.check, admitted=True, group=holder.group)
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

    def _place_problem(self, holder: Holder, *, kept: bool) -> str:
        if holder.place > self.line.serving:
            return "not-called"
        return "grace-over" if holder.place <= self.line.expired and not kept else ""

    def _door_is_busy(self) -> bool:
        taken = self.line.completed + len(self.line.reserved) + self.line.lost
        reserved = self.quota is not None and taken >= self.quota
        return reserved or len(self.line.running) + self.line.lost_sessions >= self.capacity

    def leave(self, holder: Holder) -> str:
        """Problem, or '' when left."""
        mine = self._mine(holder)
        if mine and mine.completed:
            return "completed"
        if mine:
            mine.left = True
        self.settled.add(holder.place)
        return ""

    def _found(self, group: str) -> None:
        """A session that was lost is known again, or known to be over."""
        self.line.lost = max(0, self.line.lost - 1)
        self.line.lost_sessions = max(0, self.line.lost_sessions - 1)
        if group:
            self.line.lost_of[group] = max(0, self.line.lost_of[group] - 1)

    def report(self, kind: str, session: bytes) -> str:
        """Result of one report."""
        row, ran = self.rows.get(session), session in self.line.running
        if kind == "heartbeat":
            return self._renew(session, row)
        if row is None and not ran:
            self._found("")
        if self.line.reserved.get(session) in ("", row.group if row else ""):
            self.line.reserved.pop(session)
        self.line.running.discard(session)
        if row and row.completed:
            return "repeated"
        if kind == "completed":
            row = self.rows.setdefault(session, Row(UNKNOWN, bytes(6)))
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
            self._found("")
        if session in self.line.running:
            return "heartbeat"
        if row and row.left:
            return "repeated"
        return "late" if admitted else "unknown"

    def remember(self, session: bytes, check: bytes, group: str, ticket: Ticket) -> None:
        """What a ticket proves: its number, and its row unless another one stands."""
        epoch, number = ticket
        unheard = self.line.sizes.get(epoch, -1) < number
        if unheard and epoch >= self.line.epoch:
            self.line.sizes[epoch] = number
            self.begin_epoch()
        self.line.sizes[epoch] = max(self.line.sizes.get(epoch, 0), number)
        if not session:
            return
        row = self.rows.get(session)
        kept = unheard and Place(*ticket) <= self.line.serving
        if row is None or (row.ticket == UNKNOWN):
            flags = row or Row(ticket, check)
            self.rows[session] = Row(ticket, check, flags.admitted, flags.completed, flags.left, kept, group)
        elif row.ticket == ticket:
            row.kept = row.kept or kept
        elif not row.completed and (
            (ticket > row.ticket and self._ended(session, row))
            or (
                ticket < row.ticket
                and epoch < row.ticket[0]
                and not row.admitted
                and Place(*ticket) not in self.settled
            )
        ):
            self.rows[session] = Row(ticket, check, kept=kept, group=group)

    def advance(self, target: Place) -> Place:
        """Where the mark stands then."""
        self.line.serving = max(self.line.serving, min(target, self.tail()))
        return self.line.serving

    def expire(self) -> None:
        """The grace of everybody called ends."""
        self.line.expired = max(self.line.expired, self.line.serving)

    def lapse(self, session: bytes) -> None:
        """A session runs out; its seat waits for word of a completion."""
        self.line.running.discard(session)

    def copy(self) -> Copy:
        """What a copy of Redis' data holds."""
        return deepcopy((self.line, self.rows, self.settled, self.life))

    def come_back(self, copy: Copy | None = None) -> None:
        """Redis comes back with the data of a copy, None: with nothing."""
        self.line, self.rows, self.settled, self.life = deepcopy(copy or (Seen(), {}, set(), 0))

    def call_by(self, seen: Seen, life: int) -> None:
        """What every call begins with: its caller gives back what it saw; another life begins if anything went back.

        Args:
            life: of the server.
        """
        here = self.line
        same = here.epoch == seen.epoch
        went_back = self.life != life or here.epoch < seen.epoch
        if went_back or (same and (here.sizes[here.epoch] < seen.sizes[seen.epoch] or here.less_than(seen))):
            self.merge(seen)
            self.life = life
            self.begin_epoch()
        elif not same and seen.sizes:
            self.merge(seen)

    def merge(self, seen: Seen) -> None:
        """Segments, marks and totals of both; sessions that are not known any more count until they must have ended."""
        here, seen = self.line, deepcopy(seen)
        unknown = max(0, seen.admitted - here.admitted)
        held = Counter(seen.reserved.values()) + seen.lost_of
        if unknown:
            here.lost = min(len(seen.reserved) + seen.lost, here.lost + unknown)
            here.lost_sessions = min(len(seen.running) + seen.lost_sessions, here.lost_sessions + unknown)
            for group in seen.groups():
                here.lost_of[group] = min(held[group], here.lost_of[group] + unknown)
        for group in seen.groups():
            here.group_completed[group] = max(here.group_completed[group], seen.group_completed[group])
        for epoch, size in seen.sizes.items():
            here.sizes[epoch] = max(here.sizes.get(epoch, 0), size)
        here.serving, here.expired = max(here.serving, seen.serving), max(here.expired, seen.expired)
        here.admitted, here.completed = max(here.admitted, seen.admitted), max(here.completed, seen.completed)
        here.open_ms = max(here.open_ms, seen.open_ms)

    def begin_epoch(self) -> None:
        """Numbers count from 1 again, in an epoch after all others; which one, the store chooses."""
        epoch = self.present()
        assert epoch > self.line.epoch
        self.line.sizes[epoch] = 0

    def unclaimed(self) -> int:
        """People called, in grace, who neither claimed nor left."""
        called = {
            Place(epoch, rank + 1)
            for epoch, size in self.line.sizes.items()
            for rank in range(size)
            if self.line.expired < Place(epoch, rank + 1) <= self.line.serving
        }
        return len(called - self.settled)
