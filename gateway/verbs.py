"""What an applicant can do: join, recover, look, claim, leave. JSON calls and forms end here alike."""

from __future__ import annotations

import re
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from functools import partial

from admission.core.applicant import UNKNOWN, UNTOUCHED, ApplicantState, Trace, state_of
from admission.core.errors import Refused, StoreUnavailable
from admission.core.event import EventState
from admission.core.identity import check_of, recovery_code, same_code, session_of, tag_of
from admission.core.nik import Nik, parse_nik
from admission.core.ticket import Ticket, sign_ticket
from admission.keyring import Keyring
from admission.store.protocol import Claimed, Entry, Holder, Store
from antrean.passes import PASS_LIFE_SECONDS, Pass, mint
from gateway.door import Door
from gateway.room import Room

NONCE_HASH = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")  # 32 bytes in their one spelling
_CLOSED_TO_JOINS = {
    EventState.SCHEDULED: "event-not-open",
    EventState.FULL: "event-full",
    EventState.CLOSED: "event-closed",
}


@dataclass(frozen=True, slots=True)
class Issued:
    """A ticket given out; `known` when this browser held the place already."""

    ticket: Ticket
    token: str
    recovery_code: str | None
    known: bool


@dataclass(frozen=True, slots=True)
class Entered:
    """A pass given out. `wait_seconds` is the time from joining to admission."""

    pass_token: str
    session: str
    target: str
    repeated: bool
    wait_seconds: float


class Verbs:
    """The verbs of applicants on one store, with one deployment's secrets."""

    def __init__(self, store: Store, keyring: Keyring) -> None:
        self._store = store
        self._keyring = keyring
        self._doors: dict[str, Door] = {}

    async def join(self, room: Room, nik: Nik | None, binding: bytes) -> Issued:
        """Take a place, or find the one of this browser again.

        Raises:
            Refused: `event-not-open`, `event-full`, `event-closed`; `nik-invalid` where a NIK is needed or not.
        """
        event = room.event
        if problem := _CLOSED_TO_JOINS.get(room.state):
            raise Refused(problem)
        if (nik is None) == event.identity:
            raise Refused("nik-invalid" if event.identity else "body-invalid")
        tag = tag_of(room.pepper, event.slug, nik.digits) if nik else b""
        session = session_of(event.slug, tag, "", 0) if tag else b""
        joined = await self._store.join(event.slug, Entry(session, check_of(binding) if tag else b""))
        ticket = Ticket(event.slug, joined.epoch, joined.number, joined.at_ms, tag, binding)
        return self._issue(ticket, known=joined.known)

    async def recover(self, room: Room, nik_text: str, code: str, binding: bytes) -> Issued:
        """Bring a place to this device, with its NIK and recovery code.

        Raises:
            Refused: `recovery-refused`, whatever was wrong: nothing is told about a NIK to whoever lacks its code.
        """
        event = room.event
        tag = tag_of(room.pepper, event.slug, parse_nik(nik_text).digits)
        session = session_of(event.slug, tag, "", 0)
        found = await self._store.find(event.slug, session)
        epoch, number = found or ("", 0)
        right = same_code(recovery_code(self._keyring.recovery, event.slug, tag, epoch, number), code)
        if not right or not found:
            raise Refused("recovery-refused")
        if not await self._store.rebind(event.slug, session, number, check_of(binding)):
            raise Refused("recovery-refused")
        at_ms = int(epoch[:13])  # the join itself is not stored; its epoch's beginning is the honest bound
        return self._issue(Ticket(event.slug, epoch, number, at_ms, tag, binding), known=True)

    def _issue(self, ticket: Ticket, *, known: bool) -> Issued:
        return Issued(ticket, sign_ticket(ticket, self._keyring.tickets), self.recovery_code(ticket), known)

    def recovery_code(self, ticket: Ticket) -> str | None:
        """The code of a ticket's place; None without identity."""
        if not ticket.tag:
            return None
        return recovery_code(self._keyring.recovery, ticket.event, ticket.tag, ticket.epoch, ticket.number)

    def holder(self, room: Room, ticket: Ticket) -> Holder | None:
        """A ticket as the store knows it; None while the line does not know its epoch."""
        session = session_of(ticket.event, ticket.tag, ticket.epoch, ticket.number)
        return room.holder(ticket, session, check_of(ticket.binding))

    async def look(self, room: Room, ticket: Ticket) -> Trace:
        """What the store holds of a called place; nothing of one that waits, unknown while the store is away."""
        if state_of(room.line.place(ticket.epoch, ticket.number), room.line) is ApplicantState.WAITING:
            return UNTOUCHED
        if (holder := self.holder(room, ticket)) is None:
            return UNTOUCHED
        try:
            return await self._store.look(room.event.slug, holder)
        except StoreUnavailable:
            return UNKNOWN

    async def claim(self, room: Room, ticket: Ticket, target: str | None, nonce_hash: str | None) -> Entered:
        """Ask for admission; when admitted, a pass for the target.

        Raises:
            Refused: any problem of a claim; `target-refused`, `nonce-invalid`.
        """
        event = room.event
        target = target or event.origin
        if not event.allows_target(target):
            raise Refused("target-refused")
        if nonce_hash is not None and not NONCE_HASH.fullmatch(nonce_hash):
            raise Refused("nonce-invalid")
        holder = self.holder(room, ticket)
        if holder is None:
            raise Refused("not-called")
        claimed = await self._ask(room, holder)
        if claimed.problem:
            raise Refused(claimed.problem, retry_seconds=claimed.retry_seconds or None)
        session = urlsafe_b64encode(holder.session).decode()
        started_us = claimed.session_started_us
        now = int(time.time())
        pass_ = Pass(
            event=event.slug,
            session=session,
            session_started_us=started_us,
            session_expires_us=started_us + event.session_seconds * 1_000_000,
            issued_at=now,
            expires_at=now + PASS_LIFE_SECONDS,
            nonce_hash=nonce_hash,
        )
        wait_seconds = max(0.0, started_us / 1_000_000 - ticket.issued_at_ms / 1000)
        return Entered(mint(pass_, self._keyring.passes[0]), session, target, claimed.repeated, wait_seconds)

    async def _ask(self, room: Room, holder: Holder) -> Claimed:
        slug = room.event.slug
        if not room.line.called(holder.place):  # not to stand in the way; the store may know better by now
            return await self._store.claim(slug, holder)
        if slug not in self._doors:
            self._doors[slug] = Door(partial(self._store.claim, slug))
        return await self._doors[slug].enter(holder)

    def close_doors(self) -> None:
        """Send away who waits at a door, since this process ends: another gateway answers the next try."""
        for door in self._doors.values():
            door.close()

    async def leave(self, room: Room, ticket: Ticket) -> None:
        """Give the place up.

        Raises:
            Refused: `completed` when nothing is left to give up.
        """
        holder = self.holder(room, ticket)
        if holder is None:
            raise StoreUnavailable("the line does not know this epoch yet")
        if problem := await self._store.leave(room.event.slug, holder):
            raise Refused(problem)
