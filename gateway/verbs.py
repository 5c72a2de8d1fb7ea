"""What an applicant can do: join, recover, look, claim, leave. JSON calls and forms end here alike."""

from __future__ import annotations

import re
import time
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from functools import partial
from math import inf

import msgspec

from admission.core.applicant import UNKNOWN, ApplicantState, Trace
from admission.core.errors import Refused, StoreUnavailable
from admission.core.event import EventState, Order
from admission.core.identity import binding_of, check_of, recovery_code, same_code, session_of, tag_of
from admission.core.line import NOWHERE, START, Place, began_at
from admission.core.nik import Nik, parse_nik
from admission.core.ticket import Ticket, sign_ticket
from admission.keyring import Keyring
from admission.store.batch import Batcher
from admission.store.protocol import ADMITTED, LEFT, Claimed, Entry, Holder, Proof, Store
from antrean.passes import PASS_LIFE_SECONDS, Pass, mint
from gateway.door import Door
from gateway.journals import Journals
from gateway.proofs import proofs_of
from gateway.room import Room
from gateway.standing import Standing

NONCE_HASH = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")  # 32 bytes in their one spelling
_REST_SECONDS = 1.0
_UNCALLED = frozenset({ApplicantState.ENTERED, ApplicantState.WAITING})
_CLOSED_TO_JOINS = {
    EventState.SCHEDULED: "event-not-open",
    EventState.FULL: "event-full",
    EventState.CLOSED: "event-closed",
}


class Joiner(msgspec.Struct, frozen=True):
    """Somebody who asks for a place.

    Args:
        browser_key: the secret of their browser; empty for none.
        held: the ticket that the browser brought, if it has one.
    """

    nik: Nik | None
    browser_key: str
    group: str
    held: Ticket | None = None


class Issued(msgspec.Struct, frozen=True):
    """A ticket given out; `known` when this browser held the place already."""

    ticket: Ticket
    token: str
    recovery_code: str | None
    known: bool


class Entered(msgspec.Struct, frozen=True):
    """A pass given out. `wait_seconds` is the time from joining to admission."""

    pass_token: str
    session: str
    target: str
    repeated: bool
    wait_seconds: float


class _Event:
    """What travels together to the store for one event."""

    def __init__(self, store: Store, slug: str) -> None:
        self.claims: Batcher[Holder, Claimed] = Batcher(partial(store.claim, slug))
        self.looks: Batcher[Holder, Trace] = Batcher(partial(store.look, slug))
        self.door = Door(self.claims.ask)
        self.look_failed_at = -inf

    def rests(self, room: Room) -> bool:
        """Whether to answer without a look: for a second after one failed, and until Redis has given a snapshot again.

        At a Redis that hangs each look would hold a poll for the whole timeout, only to learn nothing.
        """
        since_seconds = time.monotonic() - self.look_failed_at
        return since_seconds < _REST_SECONDS or room.age_seconds > since_seconds


class Verbs:
    """The verbs of applicants on one store, with one deployment's secrets."""

    def __init__(self, store: Store, keyring: Keyring, journals: Journals) -> None:
        self._store = store
        self._keyring = keyring
        self._journals = journals
        self._events: dict[str, _Event] = {}

    def refuse_join(self, room: Room, nik: Nik | None) -> None:
        """Refuse whom the event does not take.

        Raises:
            Refused: `event-not-open`, `event-full`, `event-closed`; `nik-invalid` where a NIK is needed or not.
        """
        if problem := _CLOSED_TO_JOINS.get(room.state):
            raise Refused(problem)
        identity = room.event.identity
        if (nik is None) == identity:
            raise Refused("nik-invalid" if identity else "body-invalid")

    async def join(self, room: Room, joiners: Sequence[Joiner]) -> list[Issued]:
        """Take places, or find again those that the same browsers hold; in order, at most BATCH_LIMIT."""
        slug = room.event.slug
        tags = [tag_of(room.pepper, slug, joiner.nik.digits) if joiner.nik else b"" for joiner in joiners]
        bindings = [binding_of(joiner.browser_key) for joiner in joiners]
        # Redis may have lost the place that a browser still holds: its ticket proves it.
        held = [
            each.held if each.held and tag and each.held.tag == tag else None
            for each, tag in zip(joiners, tags, strict=True)
        ]
        if proven := [ticket for ticket in held if ticket]:
            await self._store.remember(slug, [room.proof(ticket) for ticket in proven])
        entries = [
            Entry(
                session_of(slug, tag, 0, 0) if tag else b"",
                check_of(binding),
                joiner.group,
                Place(ticket.epoch, ticket.number) if ticket else START,
            )
            for joiner, tag, binding, ticket in zip(joiners, tags, bindings, held, strict=True)
        ]
        places = await self._store.join(slug, entries)
        issued = [
            self._issue(Ticket(slug, at.epoch, at.number, at.at_ms, tag, binding, "", at.group), at.known)
            for at, tag, binding in zip(places, tags, bindings, strict=True)
        ]
        self._journals.add(room.record, proofs_of(entries, places, drawn=room.event.order is Order.DRAW))
        return issued

    async def recover(self, room: Room, nik_text: str, code: str, browser_key: str) -> Issued:
        """Bring a place to this device, with its NIK and recovery code.

        Raises:
            Refused: `recovery-refused`, whatever was wrong: nothing is told about a NIK to whoever lacks its code.
        """
        event = room.event
        nik = parse_nik(nik_text)
        tag = tag_of(room.pepper, event.slug, nik.digits)
        session = session_of(event.slug, tag, 0, 0)
        found = await self._store.find(event.slug, session)
        epoch, number, group = found or (0, 0, "")
        right = same_code(recovery_code(self._keyring.recovery, event.slug, tag, epoch, number), code)
        if not right or not found:
            raise Refused("recovery-refused")
        binding = binding_of(browser_key)
        if not await self._store.rebind(event.slug, session, found, check_of(binding)):
            raise Refused("recovery-refused")
        # The join itself is not stored; its epoch's beginning is the honest bound.
        at_ms = int(began_at(epoch).timestamp() * 1000)
        return self._issue(Ticket(event.slug, epoch, number, at_ms, tag, binding, "", group), True)

    def _issue(self, ticket: Ticket, known: bool) -> Issued:
        return Issued(ticket, sign_ticket(ticket, self._keyring.tickets), self.recovery_code(ticket), known)

    def recovery_code(self, ticket: Ticket) -> str | None:
        """The code of a ticket's place; None without identity."""
        if not ticket.tag:
            return None
        return recovery_code(self._keyring.recovery, ticket.event, ticket.tag, ticket.epoch, ticket.number)

    async def standing(self, room: Room, ticket: Ticket, told_ahead: int | None = None) -> Standing:
        """Where a ticket stands: of one that waits the room knows all, of a called place the store may know more.

        Args:
            told_ahead: see Room.waiting_json.
        """
        standing = room.standing(ticket, UNKNOWN, told_ahead)
        if standing.state in _UNCALLED:
            return standing
        holder = room.holder(ticket)
        event = self._event(room)
        if event.rests(room):
            return standing
        try:
            trace = await event.looks.ask(holder)
        except StoreUnavailable:
            event.look_failed_at = time.monotonic()
            return standing
        standing = room.standing(ticket, trace, told_ahead)
        if standing.state is ApplicantState.CALLED and room.group_full(ticket.group) and not trace.kept:
            with suppress(StoreUnavailable):  # else the next look notes it
                await self._store.pass_over(room.event.slug, holder)
        if standing.state is ApplicantState.EXPIRED and room.line.entry(ticket.epoch, ticket.number):
            with suppress(StoreUnavailable):  # else the next look notes it
                await self._store.expire(room.event.slug, holder)
        return standing

    async def claim(
        self, room: Room, ticket: Ticket, target: str | None, nonce_hash: str | None, *, waits: bool = True
    ) -> Entered:
        """Ask for admission; when admitted, a pass for the target.

        Args:
            waits: at the door, while it is busy or Redis away.

        Raises:
            Refused: any problem of a claim; `target-refused`, `nonce-invalid`.
        """
        event = room.event
        target = target or event.origin
        if not event.allows_target(target):
            raise Refused("target-refused")
        if nonce_hash is not None and not NONCE_HASH.fullmatch(nonce_hash):
            raise Refused("nonce-invalid")
        holder = room.holder(ticket)
        if holder.place == NOWHERE:
            raise Refused("not-called")
        claimed = await self._ask(room, holder, waits)
        if claimed.problem:
            raise Refused(claimed.problem, retry_seconds=claimed.retry_seconds or None)
        session = urlsafe_b64encode(holder.session).decode()
        started_us = claimed.session_started_us
        if not claimed.repeated:
            self._journals.add(room.record, [_outcome(holder, ADMITTED, started_us)])
        now = int(room.now.timestamp())  # as the site's clock should have it; ours may be wrong
        pass_ = Pass(
            event=event.slug,
            session=session,
            session_started_us=started_us,
            session_expires_us=started_us + event.session_seconds * 1_000_000,
            issued_at=now,
            expires_at=now + PASS_LIFE_SECONDS,
            nonce_hash=nonce_hash,
            group=ticket.group,
        )
        wait_seconds = max(0.0, started_us / 1_000_000 - ticket.issued_at_ms / 1000)
        return Entered(mint(pass_, self._keyring.passes[0]), session, target, claimed.repeated, wait_seconds)

    def _ask(self, room: Room, holder: Holder, waits: bool) -> Awaitable[Claimed]:
        event = self._event(room)
        if not waits or not room.line.called(holder.place):  # not to stand in the way; the store may know better by now
            return event.claims.ask(holder)
        return event.door.enter(holder)

    def at_door(self, room: Room) -> int:
        """How many of the called wait at the door."""
        return self._event(room).door.waiting

    def _event(self, room: Room) -> _Event:
        slug = room.event.slug
        if slug not in self._events:
            self._events[slug] = _Event(self._store, slug)
        return self._events[slug]

    async def leave(self, room: Room, ticket: Ticket) -> None:
        """Give the place up.

        Raises:
            Refused: `completed` when nothing is left to give up.
        """
        holder = room.holder(ticket)
        if problem := await self._store.leave(room.event.slug, holder):
            raise Refused(problem)
        self._journals.add(room.record, [_outcome(holder, LEFT)])


def _outcome(holder: Holder, flag: int, at_us: int = 0) -> Proof:
    """What has become of a place, as the journal keeps it."""
    return Proof(holder.session, holder.check, holder.group, holder.place, holder.epoch, holder.number, flag, at_us)
