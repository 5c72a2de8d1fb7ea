"""One event in a gateway's memory: what polls are answered from, without a call to Redis."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from math import inf
from typing import Any

from admission.core.applicant import UNTOUCHED, ApplicantState, Trace, state_of
from admission.core.control.laws import LawName
from admission.core.draw import Draw
from admission.core.errors import StoreUnavailable
from admission.core.event import BEFORE_OPENING, EventState, Order
from admission.core.forecasts import Forecasts, Outcome
from admission.core.identity import check_of, session_of
from admission.core.line import NOWHERE, START, Line, Place
from admission.core.quota import Hope
from admission.core.record import EventRecord, state_at
from admission.core.ticket import Ticket
from admission.core.wait import Pace, poll_seconds, spread
from admission.store.protocol import Call, Holder, Proof, Snapshot
from antrean.draw import Permutation
from gateway.proofs import Proofs
from gateway.seats import group_full, hope_of, seats_left
from gateway.standing import Lately, Placed, Standing, lately, outlook_json, wait_of

_LATELY_SECONDS = 0.1
_BLIND_POLL_SECONDS = 5.0  # of a gateway that has not seen the line yet; longer, and a turn might pass meanwhile
_SOON_SECONDS = 1.0
_WANT_A_SEAT = frozenset({ApplicantState.ENTERED, ApplicantState.WAITING, ApplicantState.CALLED})
_OLDEST_SECONDS = 86_400.0  # JSON has no infinity; older says no more


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
        self.first_epoch = record.first_epoch
        self.line = Line()
        self.proofs = Proofs()
        self._monotonic = monotonic
        self._snapshot: Snapshot | None = None
        self._taken_at = -inf
        self._pace = Pace(record.event.rate_per_second, record.event.rate_per_second)
        self._headroom_ratio: float | None = None
        self._forecasts = Forecasts()
        self._draw: Draw | None = None
        self._permutation: Permutation | None = None
        self._calls: list[Call] = []
        self._told: dict[str, Lately] = {}
        self._lately_until = -inf

    @property
    def pace_per_second(self) -> float:
        """People called per second, lately."""
        return self._pace.per_second

    def take(self, snapshot: Snapshot) -> None:
        """Make a snapshot what polls are answered from."""
        taken_at = self._monotonic()
        before = self._snapshot
        if snapshot.record is not None:
            self.record, self.event = snapshot.record, snapshot.record.event
        steers = snapshot.allowance if self.event.law is not LawName.FIXED else None
        allowed = self.event.rate_per_second
        if steers is not None:  # in a pause for the site: what will be allowed after it
            allowed = steers.rate_per_second or allowed * steers.sessions / self.event.capacity
        # Where the mark stands at the tail, the applicants' arrivals hold it back: that tells nothing of its pace.
        if before is not None and before.line.waiting and snapshot.line.waiting and self.state is EventState.OPEN:
            called = snapshot.line.position(snapshot.line.serving) - before.line.position(before.line.serving)
            elapsed_seconds = taken_at - self._taken_at
            self._pace = self._pace.after(max(0, called), elapsed_seconds, self.event.rate_per_second, allowed)
        elif before is None or snapshot.line.serving == START:
            self._pace = Pace(allowed, allowed)
        if before is not None and snapshot.line.epoch != before.line.epoch:
            self._calls.clear()  # another life of the data: its calls are told from the first
        self._calls += snapshot.calls
        while self._calls and self._calls[0].place <= snapshot.line.expired:
            self._calls.pop(0)
        self._headroom_ratio = None if steers is None else self._pace.headroom(self.event.rate_per_second)
        self._snapshot, self._taken_at, self.line = snapshot, taken_at, self._ordered(snapshot.line)
        self.proofs.take(snapshot.line)
        self._lately_until = -inf

    def _ordered(self, line: Line) -> Line:
        """The line with the order of its draw, as far as that is known."""
        if self.event.order is not Order.DRAW:
            return line
        if not line.frozen and line.serving == START:
            return line.drawn_together()
        draw = self.record.draw
        if draw != self._draw:
            self._draw, self._permutation = draw, draw.permutation() if draw else None
        return replace(line, permutation=self._permutation)

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
        """The event's state, at most a tenth of a second old."""
        return self._lately().event_state

    def _lately(self, group: str = "") -> Lately:
        """What holds for everybody of a group: every poll asks for it, so that it is kept for a tenth of a second."""
        asked_at = self._monotonic()
        if asked_at >= self._lately_until:
            self._told.clear()
            self._lately_until = asked_at + _LATELY_SECONDS
        told = self._told.get(group)
        if told is None:
            told = self._told[group] = self._look_around(group)
        return told

    def _look_around(self, group: str) -> Lately:
        event = self.event
        state = own = state_at(self.record, self.now, self._snapshot.completed if self._snapshot else 0)
        if own is EventState.OPEN and self.group_full(group):
            state = EventState.FULL
        opening = event.opens_at if state in BEFORE_OPENING else None
        opens_in_seconds = None if opening is None else int((opening - self.now).total_seconds())
        hope = hope_of(event, self._snapshot, group) if self._snapshot else Hope()
        age_seconds = round(min(self.age_seconds, _OLDEST_SECONDS), 1)
        return lately(event, state, own, opens_in_seconds, age_seconds, hope)

    @property
    def learning_until(self) -> datetime | None:
        """The end of the learning window after a loss of data; None when there is none."""
        if self._snapshot is None or self.line.newcomers_from is None:
            return None
        return datetime.fromtimestamp(self._snapshot.learns_until_us / 1_000_000, UTC)

    def group_full(self, group: str) -> bool:
        """Whether a group has no free seat."""
        return self._snapshot is not None and group_full(self.event, self._snapshot, group)

    def seats_left(self) -> dict[str, Any] | None:
        """Free seats of all quotas; None where there are none."""
        return seats_left(self.event, self._snapshot)

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

    def holder(self, ticket: Ticket) -> Holder:
        """A ticket as the store knows it; NOWHERE while its place is not known."""
        epoch, number = ticket.epoch, ticket.number
        session = session_of(ticket.event, ticket.tag, epoch, number)
        place = self.line.place(epoch, number) or NOWHERE
        return Holder(session, check_of(ticket.binding), place, epoch, number, ticket.group)

    def proof(self, ticket: Ticket) -> Proof:
        """What a ticket proves: its place, also of an epoch that the line has lost."""
        holder, first_come = self.holder(ticket), Place(ticket.epoch, ticket.number)
        learns = holder.place == NOWHERE and not self.line.undrawn(*first_come)
        place = first_come if learns and self.event.order is not Order.DRAW else holder.place
        session = holder.session if ticket.tag else b""
        return Proof(session, holder.check, ticket.group, place, ticket.epoch, ticket.number)

    def waiting_json(self, ticket: Ticket, told_ahead: int | None = None) -> bytes | None:
        """`standing` of a ticket that waits or is to be drawn, as JSON; None when that takes a closer look.

        Nearly all requests ask for this: it is written from what holds for everybody and a few numbers.

        Args:
            told_ahead: what this person was told last, if they say so: they are told no more people ahead.
        """
        told = self._lately(ticket.group)
        jitter_ratio = random.random()  # noqa: S311 (nothing secret)
        waits = self.line.waits(ticket.epoch, ticket.number)
        if waits is None:
            if not self.line.undrawn(ticket.epoch, ticket.number):
                return None
            expected_seconds = self._expected_seconds(told, None)
            _, seconds = outlook_json(told.event_state, told.own_state, expected_seconds, self._headroom_ratio)
            return told.entered_json % (spread(seconds, jitter_ratio), told.seats_json(None))
        segment, rank, ahead = waits
        if told_ahead is not None and told_ahead < ahead:
            ahead = told_ahead
        expected_seconds = self._expected_seconds(told, ahead)
        wait, seconds = outlook_json(told.event_state, told.own_state, expected_seconds, self._headroom_ratio)
        seats = told.seats_json(ahead)
        return told.waiting_json % (segment, rank, ahead, wait, spread(seconds, jitter_ratio), seats)

    def standing(self, ticket: Ticket, trace: Trace = UNTOUCHED, told_ahead: int | None = None) -> Standing:
        """Where a ticket stands.

        Args:
            trace: what the store holds of a called place; of one still waiting there is nothing to know.
            told_ahead: see waiting_json.
        """
        told = self._lately(ticket.group)
        place = self.line.place(ticket.epoch, ticket.number)
        state = state_of(place, self.line, trace, undrawn=self.line.undrawn(ticket.epoch, ticket.number))
        enters = state is ApplicantState.CALLED and told.event_state is not EventState.FULL
        # A full group is the end of the event for whoever wants a seat of it, and nothing to anybody else.
        event_state = told.event_state if state in _WANT_A_SEAT else told.own_state
        ahead = self.line.ahead(place) if place is not None and state is ApplicantState.WAITING else None
        if ahead is not None and told_ahead is not None:
            ahead = min(ahead, told_ahead)
        expected_seconds = self._expected_seconds(told, ahead)
        asks = told.event_state if state is ApplicantState.CALLED else told.own_state
        seconds = poll_seconds(asks, expected_seconds, called=enters, headroom_ratio=self._headroom_ratio)
        if place is None and state is ApplicantState.WAITING:  # it may turn out to be near the front
            seconds = min(seconds, self._unknown_seconds())
        return Standing(
            event=self.event.slug,
            event_state=event_state,
            state=state,
            place=Placed(*place) if place is not None else None,
            ahead=ahead,
            wait_seconds=None if ahead is None else wait_of(told.event_state, expected_seconds, self._headroom_ratio),
            next_poll_seconds=round(spread(seconds, random.random()), 1),  # noqa: S311 (nothing secret)
            called_until=self._called_until(place) if enters and not trace.kept else None,
            seats=told.seats(ahead),
            message=self.event.message,
            as_of_seconds=told.age_seconds,
        )

    def _unknown_seconds(self) -> float:
        """When to ask again about a place that is not known: at the end of the learning window, or soon without one."""
        known_at = self.learning_until
        left_seconds = (known_at - self.now).total_seconds() if known_at is not None else _BLIND_POLL_SECONDS
        return max(_SOON_SECONDS, left_seconds)

    def _expected_seconds(self, told: Lately, ahead: int | None) -> int | None:
        if told.opens_in_seconds is not None:
            return told.opens_in_seconds
        return None if ahead is None else self._pace.wait_seconds(ahead)

    def waits_come_true(self) -> list[Outcome]:
        """What became of the waits that are watched, since asked last; every ten seconds one more is."""
        if self.state is not EventState.OPEN:
            self._forecasts.forget()
            return []
        now = self._taken_at
        outcomes = self._forecasts.come_true(now, self.line.serving)
        self._forecasts.watch(now, self.line.waiting, self._pace, self._headroom_ratio, self.line.mark_after)
        return outcomes

    def progress_ratio(self, ticket: Ticket, ahead: int | None) -> float | None:
        """How far a ticket has come: 0 at the line's beginning to 1 at the mark; None while it is not known.

        Args:
            ahead: people ahead, as its holder is told.
        """
        place = self.line.place(ticket.epoch, ticket.number)
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
        until_ms = snapshot.now_us // 1000 + max(0, left_ms)
        return datetime.fromtimestamp(until_ms // 1000, UTC)
