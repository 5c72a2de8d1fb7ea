"""What a store does: the verbs, and what they take and give. Every verb may raise StoreUnavailable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import msgspec

from admission.core.applicant import Trace
from admission.core.control.allowance import Allowance
from admission.core.control.heard import Heard
from admission.core.errors import FailureKind
from admission.core.line import START, Line, Place
from admission.core.quota import NOBODY, Taken
from admission.core.record import Change, EventRecord


class Entry(msgspec.Struct, frozen=True):
    """Somebody who joins.

    Args:
        session, check: of the tag, empty without identity; of the browser's binding, zeros without a browser.
        group, held: whose quota they count in, '' for none; the place of a ticket that they bring, START for none.
    """

    session: bytes = b""
    check: bytes = bytes(6)
    group: str = ""
    held: Place = START


class Joined(msgspec.Struct, frozen=True):
    """A place taken, or found again (`known`) because the same browser holds it, or its ticket came along.

    Args:
        at_ms: Redis' time, milliseconds since 1970.
        group: whose quota its holder counts in: that of the first join.
    """

    epoch: int
    number: int
    known: bool
    at_ms: int
    group: str = ""


class Found(NamedTuple):
    """The place that the index holds for a session."""

    epoch: int
    number: int
    group: str


class Holder(msgspec.Struct, frozen=True):
    """Who holds a place: what claim, leave, look and expire ask for.

    Args:
        place: `NOWHERE` while it is not known, when it can only be left.
        epoch, number: of the ticket.
        group: whose quota the holder counts in; '' for none.
    """

    session: bytes
    check: bytes
    place: Place
    epoch: int
    number: int
    group: str = ""


class Proof(msgspec.Struct, frozen=True):
    """What a ticket or a journal proves of a place, or of a session (epoch and number 0).

    Args:
        session: empty where the place has no row: without identity, until somebody is admitted.
        place: `NOWHERE` while it is not known.
        flags: ADMITTED, COMPLETED and LEFT, as far as they apply.
        at_us: start of the session, or when its end was reported; microseconds of Redis' clock, 0 of a mere place.
    """

    session: bytes
    check: bytes
    group: str
    place: Place
    epoch: int
    number: int
    flags: int = 0
    at_us: int = 0


class Claimed(msgspec.Struct, frozen=True):
    """The answer to a claim.

    Args:
        problem: '' when admitted (newly, or `repeated`), else the slug of the refusal.
        session_started_us: start or last heartbeat of the session, microseconds of Redis' clock; 0 when refused.
        retry_seconds: when the door may have room again; 0 unless the problem is `door-busy`.
    """

    problem: str
    session_started_us: int = 0
    repeated: bool = False
    retry_seconds: float = 0.0


ADMITTED, COMPLETED, LEFT, KEPT = 1, 2, 4, 16  # flags of a row, and of a proof


class Call(NamedTuple):
    """A step of the mark: when it reached a place, on the event's open clock, in milliseconds."""

    open_ms: int
    place: Place


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One event at one instant.

    Args:
        record: the event's record; None when the store has none.
        now_us: Redis' time, microseconds since 1970.
        open_ms: the open clock, which stands while the event is paused or Redis away.
        sessions: running sessions.
        admitted, completed: totals.
        reserved: seats of the quota that sessions hold: running ones, those that may yet be completed, and lost ones.
        groups: seats taken, of each group that has people on the site.
        calls: steps of the mark later than the caller knew, oldest first.
        unclaimed: people called, in grace, who neither claimed nor left.
        allowance: what the event's control law allows, once it has decided; None where the operator's bounds are all.
        passed_over: people who keep their turn since their group was full when they came.
        answered_us: when a gateway last said that it answers applicants.
        learns_until_us: end of the last learning window, 0 before the first.
        outdated: the store has less of the line than this process saw before, and the line and totals are what it saw;
            `put_event` gives them back.
    """

    record: EventRecord | None
    line: Line
    now_us: int
    open_ms: int
    sessions: int
    admitted: int
    completed: int
    calls: tuple[Call, ...]
    unclaimed: int
    reserved: int = 0
    groups: Mapping[str, Taken] = field(default_factory=dict)
    allowance: Allowance | None = None
    passed_over: int = 0
    answered_us: int = 0
    learns_until_us: int = 0
    outdated: bool = False

    def taken(self, group: str = "") -> Taken:
        """Seats that are not free: of a group, or of all people."""
        return self.groups.get(group, NOBODY) if group else Taken(self.completed, self.reserved)


BUCKETS = 65_536  # of the index
BUCKETS_AT_ONCE = 64  # a few thousand rows: Redis is kept for about a millisecond
ENTRIES_SECONDS = 3600  # of a list whose root may never reach the record; ten million entries are sealed in minutes
DOOR_SECONDS = 2.0  # a gateway tells of its door several times in it
BATCH_LIMIT = 128  # a script of this many joins keeps Redis for about a millisecond, others wait no longer


class Store(Protocol):
    """The verbs. Each is one atomic step; a reply that was lost may be asked for again without harm."""

    async def events(self) -> tuple[str, ...]:
        """Slugs of all events, sorted."""

    async def put_event(self, record: EventRecord, *, new: bool = False) -> EventRecord:
        """Store a record, and what made it in the log, unless this version or a higher one stands; returns what stands.

        Args:
            new: the event has just been made: nobody can have joined it before.
        """

    async def changes(self, slug: str, newest: int) -> list[tuple[int, Change]]:
        """Versions of an event with what made them, the newest first; those of an earlier life of the data are lost."""

    async def join(self, slug: str, entries: Sequence[Entry]) -> list[Joined]:
        """Take places at the end, or find those that the same browsers hold; in order, at most BATCH_LIMIT."""

    async def claim(self, slug: str, holders: Sequence[Holder]) -> list[Claimed]:
        """Ask for admission: rate, capacity, quotas and grace are judged here and nowhere else; at most BATCH_LIMIT."""

    async def leave(self, slug: str, holder: Holder) -> str:
        """Give a place up: '' when done (or done before), else the slug of the refusal."""

    async def expire(self, slug: str, holder: Holder) -> bool:
        """Note that the grace of a drawn place has ended, so that its tag may take a new one; False when it has not."""

    async def pass_over(self, slug: str, holder: Holder) -> bool:
        """Note that somebody called finds their group full, so that they are not waited for; False when not so."""

    async def report(self, slug: str, reports: Sequence[tuple[str, bytes]]) -> list[str]:
        """The origin's word on sessions, as (kind, session): a result each, in order.

        Kinds: completed, left, revoked, heartbeat. Results: the kind, or late, repeated, unknown.

        A heartbeat (the person is still on the site) begins the time of a running session anew, also of somebody who
        left the queue. A session that lapsed is late and stays so; after a loss of sessions one of which Redis knows
        nothing counts again.
        """

    async def find(self, slug: str, session: bytes) -> Found | None:
        """The place that the index holds for a session; None when it holds none."""

    async def rebind(self, slug: str, session: bytes, found: Found, check: bytes) -> bool:
        """Give a place of the index to another browser; False when the index no longer holds this place."""

    async def remember(self, slug: str, proofs: Sequence[Proof]) -> None:
        """Bring back what Redis lost, by what was given out: numbers, rows, marks and sessions; at most BATCH_LIMIT.

        Of several places of one tag the earliest stands, unless another one was used. What Redis knows stays.
        """

    def recall(self, slug: str, record: EventRecord, seen: bytes) -> None:
        """Begin with what a process saw of an event's line before, as `seen` told it."""

    def seen(self, slug: str) -> bytes | None:
        """What this process saw of an event's line, to be kept; None before anything was seen."""

    async def look(self, slug: str, holders: Sequence[Holder]) -> list[Trace]:
        """What is recorded of places; at most BATCH_LIMIT."""

    async def advance(self, slug: str, target: Place) -> Place:
        """Move the mark up to a target, never back and never past the tail; returns where it stands."""

    async def answered(self, slug: str, marks: Sequence[Place]) -> list[int]:
        """How many were admitted or left, of those after each mark and up to the next; marks never go back."""

    async def rows_of(self, slug: str, first_bucket: int) -> list[tuple[bytes, int, int, int]]:
        """All of BUCKETS_AT_ONCE buckets of the index, in no order: the session, and flags, epoch, number of its row.

        Plain tuples, since a draw asks for millions of them.
        """

    async def note_health(self, slug: str, heard: Heard) -> None:
        """Keep a word about the origin for the workers; the last 1,000 or so are kept."""

    async def attend(self, slug: str, who: str, people: int) -> None:
        """Say that a gateway answers applicants now, without which no grace runs and nobody is called.

        Args:
            who: the name of the gateway, different from all others.
            people: who wait at its door.
        """

    async def at_door(self, slug: str, now_us: int) -> int:
        """How many people wait at all doors, by what was told in the last DOOR_SECONDS.

        Args:
            now_us: Redis' time; see Snapshot.
        """

    async def health(self, slug: str, after: str) -> tuple[list[Heard], str]:
        """The words about the origin after one, and the name of the last.

        Args:
            after: such a name, or Unix milliseconds.
        """

    async def steer(self, slug: str, who: str, lease_seconds: float, allowance: Allowance) -> bool:
        """Hold the lease of an event and set what its control law allows; others get False, and set nothing.

        Holding and setting are one step of Redis', so a worker that stood still and lost the lease sets nothing.
        """

    async def take_turn(self, slug: str, who: str, seconds: float) -> bool:
        """Take the turn at what one worker should do for all, or renew it; False while somebody else has it.

        Weakness: no lock. It spares work; a worker that stood still may go on beside the next one.
        """

    async def keep_entries(self, slug: str, root: str, parts: Iterable[tuple[str, bytes]]) -> None:
        """Keep parts of the entry list with this root, by name, for ENTRIES_SECONDS; `salt_key` comes last of all."""

    async def settle_entries(self, slug: str, root: str) -> bool:
        """Let the entry list with this root last; False when it is not there, or not whole."""

    async def entries(self, slug: str, root: str, names: Sequence[str]) -> list[bytes | None]:
        """Parts of the entry list with this root; None for what is not there."""

    async def drop_entries(self, slug: str, root: str) -> None:
        """Forget the entry list with this root."""

    async def snapshot(self, slug: str) -> Snapshot:
        """The event now; it also becomes what this store folds into every later call."""

    async def write_refusal(self) -> FailureKind | None:
        """Why writes to an event that this store knows are refused now; None when they are taken, or nobody answers."""

    async def close(self) -> None:
        """Release all connections."""
