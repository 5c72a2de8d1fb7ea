"""One event in a gateway's memory: what polls are answered from, without a call to Redis."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf

from admission.core.applicant import UNTOUCHED, ApplicantState, Trace, state_of
from admission.core.errors import StoreUnavailable
from admission.core.event import EventRecord, EventState, state_at
from admission.core.line import Line, Place
from admission.core.ticket import Ticket
from admission.core.wait import Pace, poll_seconds, wait_range
from admission.store.protocol import Call, Holder, Snapshot

_STATE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one applicant stands at this instant: what `current` and the waiting page tell."""

    event_state: EventState
    state: ApplicantState
    place: Place | None
    ahead: int | None
    wait_seconds: tuple[int, int] | None
    next_poll_seconds: float
    called_until: datetime | None


class Room:
    """The last snapshot of an event, the clock of Redis, the pace of the mark and the deadlines of the called.

    Args:
        pepper: the key of this event's tags.
        monotonic: the gateway's clock, seconds; only differences count.
    """

    def __init__(self, record: EventRecord, pepper: bytes, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.record = record
        self.event = record.event
        self.pepper = pepper
        self.line = Line()
        self._monotonic = monotonic
        self._snapshot: Snapshot | None = None
        self._taken_at = -inf
        self._pace = Pace(record.event.rate_per_second)
        self._calls: list[Call] = []
        self._state = EventState.SCHEDULED
        self._state_until = -inf

    @property
    def pace_per_second(self) -> float:
        """People called per second, lately."""
        return self._pace.per_second

    def take(self, snapshot: Snapshot) -> None:
        """Make a snapshot what polls are answered from."""
        taken_at = self._monotonic()
        before = self._snapshot
        # Where the mark stands at the tail, the applicants' arrivals hold it back: that tells nothing of its pace.
        if before is not None and before.line.waiting and snapshot.line.waiting and self.state is EventState.OPEN:
            called = snapshot.line.position(snapshot.line.serving) - before.line.position(before.line.serving)
            elapsed_seconds = taken_at - self._taken_at
            self._pace = self._pace.after(max(0, called), elapsed_seconds, self.event.rate_per_second)
        if before is not None and snapshot.line.epoch != before.line.epoch:
            self._calls.clear()  # another life of the data: its open clock began anew
        if snapshot.record is not None:
            self.record, self.event = snapshot.record, snapshot.record.event
        self._calls += snapshot.calls
        while self._calls and self._calls[0].place <= snapshot.line.expired:
            self._calls.pop(0)
        self._snapshot, self._taken_at, self.line = snapshot, taken_at, snapshot.line
        self._state_until = -inf

    @property
    def age_seconds(self) -> float:
        """Age of the snapshot; infinite before the first."""
        return self._monotonic() - self._taken_at

    @property
    def now(self) -> datetime:
        """The time on Redis' clock, carried on by ours since the snapshot; ours alone before the first."""
        if self._snapshot is None:
            return datetime.now(UTC)
        return datetime.fromtimestamp(self._snapshot.now_us / 1_000_000 + self.age_seconds, UTC)

    @property
    def state(self) -> EventState:
        """The event's state, at most a tenth of a second old: every poll asks."""
        asked_at = self._monotonic()
        if asked_at >= self._state_until:
            self._state = state_at(self.event, self.now, self._snapshot.completed if self._snapshot else 0)
            self._state_until = asked_at + _STATE_SECONDS
        return self._state

    def message(self, language: str) -> str | None:
        """The operator's word to everybody, in one language."""
        return (self.event.message or {}).get(language)

    def snapshot(self) -> Snapshot:
        """The last snapshot.

        Raises:
            StoreUnavailable: before the first.
        """
        if self._snapshot is None:
            raise StoreUnavailable("no snapshot yet")
        return self._snapshot

    def holder(self, ticket: Ticket, session: bytes, check: bytes) -> Holder | None:
        """A ticket as the store knows it; None while the line does not know its epoch."""
        place = self.line.place(ticket.epoch, ticket.number)
        if place is None:
            return None
        return Holder(session, check, place, ticket.number, place.segment)

    def standing(self, ticket: Ticket, trace: Trace = UNTOUCHED) -> Standing:
        """Where a ticket stands.

        Args:
            trace: what the store holds of a called place; of one still waiting there is nothing to know.
        """
        event_state = self.state
        place = self.line.place(ticket.epoch, ticket.number)
        state = state_of(place, self.line, trace)
        waiting = state is ApplicantState.WAITING and place is not None
        ahead = self.line.ahead(place) if waiting and place is not None else None
        expected = self._expected_seconds(event_state, ahead)
        return Standing(
            event_state=event_state,
            state=state,
            place=place,
            ahead=ahead,
            wait_seconds=self._wait_range(event_state, ahead),
            next_poll_seconds=poll_seconds(
                event_state,
                expected,
                called=state is ApplicantState.CALLED,
                jitter_ratio=random.random(),  # noqa: S311 (spreads polls; nothing secret)
            ),
            called_until=self._called_until(place) if state is ApplicantState.CALLED else None,
        )

    def _wait_range(self, event_state: EventState, ahead: int | None) -> tuple[int, int] | None:
        if ahead is None or event_state is not EventState.OPEN:
            return None
        return wait_range(ahead, self._pace.per_second)

    def _expected_seconds(self, event_state: EventState, ahead: int | None) -> float | None:
        if event_state is EventState.SCHEDULED and self.event.opens_at is not None:
            return (self.event.opens_at - self.now).total_seconds()
        if ahead is None or self._pace.per_second <= 0:
            return None
        return (ahead + 1) / self._pace.per_second

    def progress_ratio(self, place: Place | None, ahead: int | None) -> float | None:
        """How far a place has come: 0 at the line's beginning to 1 at the mark; None while it is not known."""
        if place is None or ahead is None:
            return None
        return max(0.0, 1 - (ahead + 1) / max(1, self.line.position(place)))

    def _called_until(self, place: Place | None) -> datetime | None:
        """The end of the grace, as far as it is known: later if the event is paused meanwhile, never earlier."""
        snapshot = self._snapshot
        if place is None or snapshot is None:
            return None
        called = next((call for call in self._calls if call.place >= place), None)
        called_ms = called.open_ms if called else snapshot.open_ms
        left_ms = called_ms + self.event.grace_seconds * 1000 - snapshot.open_ms
        snapshot_time = datetime.fromtimestamp(snapshot.now_us / 1_000_000, UTC)
        return snapshot_time + timedelta(milliseconds=max(0, left_ms))
