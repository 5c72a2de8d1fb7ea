"""People in front of one store: joins, calls and claims in a word each, for tests that tell a story."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from admission.core.applicant import ApplicantState, Trace, state_of
from admission.core.line import START, Place
from admission.core.record import EventRecord
from admission.store.batch import Batcher
from admission.store.keys import EventKeys
from admission.store.protocol import Claimed, Entry, Holder, Joined, Proof, Snapshot
from admission.store.redis import RedisStore
from tests.samples import SLUG, make_entry, make_holder, make_record, tail
from tests.servers import RedisServer


@dataclass(frozen=True)
class Guest:
    """Somebody with a place: how they joined, and what they were given."""

    entry: Entry
    joined: Joined

    @property
    def number(self) -> tuple[int, int]:
        """What must never be given twice."""
        return self.joined.epoch, self.joined.number


class Hall:
    """One event on one store, as one gateway or worker sees it. `seen` is the last snapshot."""

    def __init__(self, store: RedisStore, slug: str = SLUG) -> None:
        self.store = store
        self.slug = slug
        self.keys = EventKeys(slug)
        self.seen: Snapshot
        self._joins: Batcher[Entry, Joined] = Batcher(partial(store.join, slug))
        self._claims: Batcher[Holder, Claimed] = Batcher(partial(store.claim, slug))
        self._looks: Batcher[Holder, Trace] = Batcher(partial(store.look, slug))

    async def open(self, version: int = 1, **fields: Any) -> Hall:
        """Put the event's record and look at it."""
        await self.put(make_record(version, slug=self.slug, **fields))
        return self

    async def put(self, record: EventRecord) -> EventRecord:
        """Put a record; returns the one that stands."""
        stands = await self.store.put_event(record)
        await self.look()
        return stands

    async def look(self) -> Snapshot:
        """Take a snapshot."""
        self.seen = await self.store.snapshot(self.slug)
        return self.seen

    async def join(self, person: int = 0, browser: int = 1, group: str = "") -> Guest:
        """Join; person 0 joins without identity."""
        entry = make_entry(person, browser, self.slug, group) if person else Entry(group=group)
        return Guest(entry, await self._joins.ask(entry))

    async def join_all(self, people: Iterable[int], browser: int = 1) -> list[Guest]:
        """Join many at once."""
        return list(await asyncio.gather(*(self.join(person, browser) for person in people)))

    def holder(self, guest: Guest) -> Holder:
        """A guest as the last snapshot knows them."""
        return make_holder(guest.entry, guest.joined, self.seen, self.slug)

    def at(self, life: int, rank: int) -> Place:
        """A place in one life of the data, counted from 1; in one that is not known, behind all."""
        segments = self.seen.line.segments
        return Place(segments[life - 1].epoch if life <= len(segments) else 2**53, rank)

    def place(self, guest: Guest) -> Place:
        """A guest's place in the line."""
        return self.holder(guest).place

    def proof(self, guest: Guest, flags: int = 0, at_us: int = 0) -> Proof:
        """What a guest's ticket, or a journal, proves."""
        place = self.seen.line.place(*guest.number) or Place(*guest.number)
        session = guest.entry.session
        return Proof(session, guest.entry.check, guest.entry.group, place, *guest.number, flags, at_us)

    async def call(self, people: int | None = None) -> Place:
        """Call the next people, or everybody; returns the mark."""
        await self.look()
        target = tail(self.seen) if people is None else self.seen.line.mark_after(people)
        mark = await self.advance(target)
        await self.look()
        return mark

    async def advance(self, target: Place = START) -> Place:
        """A tick of a worker, beside a gateway that answers."""
        await self.store.attend(self.slug, "gateway", 0)
        return await self.store.advance(self.slug, target)

    async def claim(self, guest: Guest) -> Claimed:
        """Claim admission."""
        return await self._claims.ask(self.holder(guest))

    async def claim_all(self, guests: Iterable[Guest]) -> list[Claimed]:
        """Claim many at once."""
        return list(await asyncio.gather(*(self.claim(guest) for guest in guests)))

    async def admit(self, guest: Guest) -> Claimed:
        """Call everybody and admit one, who must get in."""
        await self.call()
        claimed = await self.claim(guest)
        assert claimed.problem == ""
        return claimed

    async def leave(self, guest: Guest) -> str:
        """Give the place up."""
        return await self.store.leave(self.slug, self.holder(guest))

    async def report(self, kind: str, *guests: Guest) -> list[str]:
        """The origin's report on guests."""
        return await self.store.report(self.slug, [(kind, self.holder(guest).session) for guest in guests])

    async def trace(self, guest: Guest) -> Trace:
        """What the store holds of a guest."""
        return await self._looks.ask(self.holder(guest))

    async def state(self, guest: Guest) -> ApplicantState:
        """The state of a guest, as a poll would tell it."""
        await self.look()
        return state_of(self.place(guest), self.seen.line, await self.trace(guest))

    async def expire(self, server: RedisServer) -> None:
        """End the grace of everybody called: the open clock is data, and is moved on by one grace."""
        assert self.seen.record is not None
        grace_ms = self.seen.record.event.grace_seconds * 1000
        server.client.hincrby(self.keys.line, "open_ms", grace_ms + 1000)
        await self.advance()
        await self.look()

    def lapse(self, server: RedisServer, guest: Guest, *, settled: bool = False) -> None:
        """Let a running session run out, or its seat too."""
        assert self.seen.record is not None
        event = self.seen.record.event
        self.age(server, guest, event.session_seconds + (event.settle_seconds if settled else 0))

    def age(self, server: RedisServer, guest: Guest, seconds: int) -> None:
        """Let time pass for one session: its start is data, and is moved back. A lost one may have no group."""
        holder = self.holder(guest)
        for member in (holder.session + holder.group.encode(), holder.session):
            started = server.client.zscore(self.keys.sessions, member)
            if started is not None:
                server.client.zadd(self.keys.sessions, {member: started - seconds * 1_000_000})
                return
        raise AssertionError("no session runs")
