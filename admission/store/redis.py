"""The store on Redis 7.0 or later, or Valkey."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from admission.core.applicant import Trace
from admission.core.line import Place
from admission.core.record import Change, EventRecord
from admission.store.draw_verbs import DrawVerbs
from admission.store.keys import EVENTS, EventKeys, pack_place, pack_ticket, unpack_place
from admission.store.protocol import Claimed, Entry, Found, Holder, Joined, Proof, Snapshot
from admission.store.reading import clocks_of, limits_of, read_change, read_epochs, read_row, read_snapshot, read_trace
from admission.store.scripts import script
from admission.store.seen import Seen, seen_in
from admission.store.steering_verbs import SteeringVerbs


class RedisStore(DrawVerbs, SteeringVerbs):
    """The verbs of admission.store.protocol.Store on one Redis.

    Weakness: one event lives in one hash slot, so on one Redis process; many events spread over a cluster.
    """

    async def events(self) -> tuple[str, ...]:
        """See Store."""
        return tuple(sorted(slug.decode() for slug in await self._redis.command("SMEMBERS", EVENTS)))

    async def put_event(self, record: EventRecord, *, new: bool = False) -> EventRecord:
        """See Store."""
        event = self._event(record.event.slug)
        limits = [part for pair in limits_of(record).items() for part in pair]
        change = record.change.model_dump_json() if record.change else ""
        args = [
            record.version,
            self._seal.sign(record),
            change,
            *clocks_of(record.event),
            "new" if new else "",
            *limits,
        ]
        stands = await self._mutate("put_event", event, [event.keys.log], args)
        if not await self._redis.command("SISMEMBER", EVENTS, record.event.slug):  # adding is refused in a full memory
            await self._redis.command("SADD", EVENTS, record.event.slug)
        return self._seal.read(stands)

    async def changes(self, slug: str, newest: int) -> list[tuple[int, Change]]:
        """See Store."""
        found = await self._redis.command("XREVRANGE", self._event(slug).keys.log, "+", "-", "COUNT", newest)
        return [read_change(fields) for _, fields in found]

    async def join(self, slug: str, entries: Sequence[Entry]) -> list[Joined]:
        """See Store."""
        event = self._event(slug)
        keys: list[str] = [event.keys.sessions]
        args: list[bytes | str] = []
        for entry in entries:
            keys += (event.keys.index(entry.session), event.keys.settled(entry.held.segment))
            args += (entry.session, entry.check + entry.group.encode(), pack_ticket(*entry.held))
        at_ms, places = await self._mutate("join", event, keys, args, len(entries))
        joined_at_ms = int(at_ms)
        return [
            Joined(*unpack_place(ticket), known == 1, joined_at_ms, group.decode()) for ticket, known, group in places
        ]

    async def claim(self, slug: str, holders: Sequence[Holder]) -> list[Claimed]:
        """See Store."""
        event = self._event(slug)
        keys: list[str] = [event.keys.sessions]
        args: list[bytes | str | int] = []
        for holder in holders:
            of_keys, of_args = _placed(event.keys, holder)
            keys += of_keys
            args += of_args
        answers = await self._mutate("claim", event, keys, args, len(holders))
        return [
            Claimed(problem.decode(), int(started), bool(repeated), wait_us / 1_000_000)
            for problem, started, repeated, wait_us in answers
        ]

    async def leave(self, slug: str, holder: Holder) -> str:
        """See Store."""
        event = self._event(slug)
        keys, args = _placed(event.keys, holder)
        problem: bytes = await self._mutate("leave", event, keys, args)
        return problem.decode()

    async def expire(self, slug: str, holder: Holder) -> bool:
        """See Store."""
        event = self._event(slug)
        args = [holder.session, pack_place(holder.place), pack_ticket(holder.epoch, holder.number)]
        return bool(await self._mutate("expire", event, [event.keys.index(holder.session)], args))

    async def pass_over(self, slug: str, holder: Holder) -> bool:
        """See Store."""
        event = self._event(slug)
        keys, args = _placed(event.keys, holder)
        return bool(await self._mutate("pass_over", event, keys, args))

    async def report(self, slug: str, reports: Sequence[tuple[str, bytes]]) -> list[str]:
        """See Store."""
        if not reports:
            return []
        event = self._event(slug)
        buckets = [event.keys.index(session) for _, session in reports]
        args = [part for report in reports for part in report]
        results = await self._mutate("report", event, [event.keys.sessions, *buckets], args, len(reports))
        return [result.decode() for result in results]

    async def find(self, slug: str, session: bytes) -> Found | None:
        """See Store."""
        event = self._event(slug)
        row = read_row(await self._redis.command("HGET", event.keys.index(session), session[2:]))
        if row is None:
            return None
        epochs = read_epochs(await self._redis.command("HGET", event.keys.line, "segments"))
        return Found(epochs[row.position], row.number, row.group) if row.position else None

    async def rebind(self, slug: str, session: bytes, found: Found, check: bytes) -> bool:
        """See Store."""
        event = self._event(slug)
        args = [session, pack_ticket(found.epoch, found.number), check]
        return bool(await self._mutate("rebind", event, [event.keys.index(session)], args))

    async def remember(self, slug: str, proofs: Sequence[Proof]) -> None:
        """See Store."""
        event = self._event(slug)
        keys: list[str] = [event.keys.sessions]
        args: list[bytes | str | int] = []
        for proof in proofs:
            of_keys, of_args = _placed(event.keys, proof)
            keys += of_keys
            args += (*of_args, proof.flags, proof.at_us)
        await self._mutate("remember", event, keys, args, len(proofs))

    def recall(self, slug: str, record: EventRecord, seen: bytes) -> None:
        """See Store."""
        event = self._event(slug)
        event.record = record
        event.saw(msgspec.json.decode(seen, type=Seen))

    def seen(self, slug: str) -> bytes | None:
        """See Store."""
        event = self._event(slug)
        return event.told if event.seen.segments else None

    async def look(self, slug: str, holders: Sequence[Holder]) -> list[Trace]:
        """See Store."""
        event = self._event(slug)
        keys: list[str] = [event.keys.sessions, event.keys.line]
        args: list[bytes | int] = []
        for holder in holders:
            keys += (event.keys.settled(holder.place.segment), event.keys.index(holder.session))
            args += (holder.session + holder.group.encode(), holder.place.rank)
        now_us, segments, looks = await self._redis.run(script("look"), keys, args, size=len(holders))
        session_us = event.record.event.session_seconds * 1_000_000 if event.record else 0
        lapsed_us = int(now_us) - session_us
        epochs = read_epochs(segments)
        return [read_trace(found, holder, epochs, lapsed_us) for found, holder in zip(looks, holders, strict=True)]

    async def advance(self, slug: str, target: Place) -> Place:
        """See Store."""
        event = self._event(slug)
        keys = [event.keys.calls, event.keys.sessions]
        serving, _, _ = await self._mutate("advance", event, keys, [pack_place(target)])
        return unpack_place(serving)

    async def answered(self, slug: str, marks: Sequence[Place]) -> list[int]:
        """See Store."""
        event = self._event(slug)
        runs = [(step, *run) for step, pair in enumerate(pairwise(marks)) for run in event.line.runs(*pair)]
        counts = [0] * max(0, len(marks) - 1)
        if runs:
            keys = [event.keys.settled(segment) for _, segment, _, _ in runs]
            ranks = [rank for _, _, first, last in runs for rank in (first, last)]
            for (step, *_), count in zip(runs, await self._redis.run(script("answered"), keys, ranks), strict=True):
                counts[step] += count
        return counts

    async def snapshot(self, slug: str) -> Snapshot:
        """See Store."""
        event = self._event(slug)
        keys, known, before = event.keys, event.record, event.line
        runs = list(before.runs(before.expired, before.serving))
        ranks = [rank for _, first, last in runs for rank in (first, last)]
        answer = await self._redis.run(
            script("snapshot"),
            [
                keys.event,
                keys.line,
                keys.sessions,
                keys.calls,
                *(keys.settled(segment) for segment, _, _ in runs),
            ],
            [known.version if known else 0, event.called_ms, *ranks],
        )
        snapshot = read_snapshot(answer, known, before, self._seal)
        anew = known and snapshot.record and snapshot.record.pepper != known.pepper  # another event of the same name
        seen = seen_in(snapshot)
        if anew or not seen.lacks(event.seen):
            event.saw(seen)
        else:
            snapshot = event.seen.over(snapshot)
        if before.epoch and snapshot.line.epoch != before.epoch:
            event.called_ms = -1  # the calls of another life are told from the first
        elif snapshot.calls:
            event.called_ms = snapshot.calls[-1].open_ms
        event.record, event.line = snapshot.record or known, snapshot.line
        return snapshot

    async def close(self) -> None:
        """See Store."""
        await self._redis.close()


def _placed(keys: EventKeys, of: Holder | Proof) -> tuple[list[str], list[bytes | str | int]]:
    """The keys and the arguments by which scripts find one place and its row."""
    args: list[bytes | str | int] = [
        of.session,
        of.check,
        of.group,
        pack_place(of.place),
        pack_ticket(of.epoch, of.number),
    ]
    return [keys.settled(of.place.segment), keys.index(of.session)], args
