"""The store on Redis 7.0 or later, or Valkey."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice, pairwise
from typing import Any

import msgspec

from admission.core.applicant import Trace
from admission.core.control.allowance import Allowance
from admission.core.control.heard import Heard
from admission.core.line import Line, Place
from admission.core.record import Change, EventRecord
from admission.store.connection import Connection
from admission.store.keys import BUCKET_BYTES, EVENTS, EventKeys, pack_place, unpack_place
from admission.store.protocol import (
    BUCKETS_AT_ONCE,
    ENTRIES_SECONDS,
    Claimed,
    Entry,
    Found,
    Holder,
    Joined,
    Seal,
    Snapshot,
)
from admission.store.reading import (
    SEEN_NOTHING,
    fold_line,
    limits_of,
    newest,
    read_bucket,
    read_change,
    read_row,
    read_segments,
    read_snapshot,
    read_trace,
)
from admission.store.scripts import script

_PIECES_AT_ONCE = 32  # 200 kB


class _Known:
    """One event's keys, and what this process last saw of it, which goes along in every call."""

    def __init__(self, slug: str) -> None:
        self.keys = EventKeys(slug)
        self.seen: Snapshot | None = None
        self.record: EventRecord | None = None
        self.line = Line()
        self.folded = SEEN_NOTHING
        self.open_ms = -1


class RedisStore:
    """The verbs of admission.store.protocol.Store on one Redis.

    Weakness: one event lives in one hash slot, so on one Redis process; many events spread over a cluster.
    """

    def __init__(self, connection: Connection, seal: Seal) -> None:
        self._redis = connection
        self._seal = seal
        self._known: dict[str, _Known] = {}

    def _event(self, slug: str) -> _Known:
        if slug not in self._known:
            self._known[slug] = _Known(slug)
        return self._known[slug]

    async def _mutate(self, verb: str, event: _Known, keys: Sequence[str], args: Sequence[Any], size: int = 1) -> Any:
        """Run a verb behind the prelude, which reads the first two keys and arguments."""
        keys = [event.keys.event, event.keys.line, *keys]
        return await self._redis.run(script(verb), keys, [event.line.epoch, event.folded, *args], size=size)

    async def events(self) -> tuple[str, ...]:
        """See Store."""
        return tuple(sorted(slug.decode() for slug in await self._redis.command("SMEMBERS", EVENTS)))

    async def put_event(self, record: EventRecord) -> EventRecord:
        """See Store."""
        event = self._event(record.event.slug)
        limits = [part for pair in limits_of(record).items() for part in pair]
        change = record.change.model_dump_json() if record.change else ""
        args = [record.version, self._seal.sign(record), change, *limits]
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
        buckets = [event.keys.index(entry.session) for entry in entries if entry.session]
        args = [part for entry in entries for part in (entry.session, entry.check + entry.group.encode())]
        answer = await self._mutate("join", event, [event.keys.sessions, *buckets], args, len(entries))
        at_ms, earlier, present, places = answer
        epochs = [segment.epoch for segment in read_segments(earlier)] + [present.decode()]
        joined_at_ms = int(at_ms)
        return [
            Joined(epochs[segment], number, known == 1, joined_at_ms, group.decode())
            for segment, number, known, group in places
        ]

    async def claim(self, slug: str, holders: Sequence[Holder]) -> list[Claimed]:
        """See Store."""
        event = self._event(slug)
        keys: list[str] = [event.keys.sessions]
        args: list[bytes | str | int] = []
        for holder in holders:
            keys += (event.keys.settled(holder.place.segment), event.keys.index(holder.session))
            place = pack_place(holder.place)
            args += (holder.session, holder.check, holder.group, place, holder.segment, holder.number)
        answers = await self._mutate("claim", event, keys, args, len(holders))
        return [
            Claimed(problem.decode(), int(started), bool(repeated), wait_us / 1_000_000)
            for problem, started, repeated, wait_us in answers
        ]

    async def leave(self, slug: str, holder: Holder) -> str:
        """See Store."""
        event = self._event(slug)
        keys = [event.keys.settled(holder.place.segment), event.keys.index(holder.session)]
        args = [holder.session, pack_place(holder.place), holder.segment, holder.number, holder.check, holder.group]
        problem: bytes = await self._mutate("leave", event, keys, args)
        return problem.decode()

    async def expire(self, slug: str, holder: Holder) -> bool:
        """See Store."""
        event = self._event(slug)
        args = [holder.session, pack_place(holder.place), holder.segment, holder.number]
        return bool(await self._mutate("expire", event, [event.keys.index(holder.session)], args))

    async def pass_over(self, slug: str, holder: Holder) -> bool:
        """See Store."""
        event = self._event(slug)
        keys = [event.keys.settled(holder.place.segment), event.keys.index(holder.session)]
        place = pack_place(holder.place)
        args = [holder.session, holder.check, holder.group, place, holder.segment, holder.number]
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
        # As Redis has them now: this process may have seen another line, and the position of people never changes.
        earlier, present = await self._redis.command("HMGET", event.keys.line, "segments", "epoch")
        epochs = [segment.epoch for segment in read_segments(earlier or b"[]")] + [(present or b"").decode()]
        return Found(epochs[row.segment], row.number, row.group) if row.segment < len(epochs) else None

    async def rebind(self, slug: str, session: bytes, number: int, check: bytes) -> bool:
        """See Store."""
        event = self._event(slug)
        return bool(await self._mutate("rebind", event, [event.keys.index(session)], [session, number, check]))

    async def look(self, slug: str, holders: Sequence[Holder]) -> list[Trace]:
        """See Store."""
        event = self._event(slug)
        keys: list[str] = [event.keys.sessions]
        args: list[bytes | int] = []
        for holder in holders:
            keys += (event.keys.settled(holder.place.segment), event.keys.index(holder.session))
            args += (holder.session + holder.group.encode(), holder.place.rank)
        now_us, looks = await self._redis.run(script("look"), keys, args, size=len(holders))
        session_us = event.record.event.session_seconds * 1_000_000 if event.record else 0
        lapsed_us = int(now_us) - session_us
        return [read_trace(found, holder, lapsed_us) for found, holder in zip(looks, holders, strict=True)]

    async def advance(self, slug: str, target: Place) -> Place:
        """See Store."""
        event = self._event(slug)
        keys = [event.keys.calls, event.keys.sessions]
        serving, _, _ = await self._mutate("advance", event, keys, [pack_place(target)])
        return unpack_place(int(serving))

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

    async def rows_of(self, slug: str, first_bucket: int) -> list[tuple[bytes, int, int, int]]:
        """See Store."""
        keys, numbers = self._event(slug).keys, range(first_bucket, first_bucket + BUCKETS_AT_ONCE)
        answer = await self._redis.run(script("rows_of"), [keys.bucket(number) for number in numbers], [])
        beginnings = (number.to_bytes(BUCKET_BYTES, "big") for number in numbers)
        return [
            (beginning + rest, flags, segment, number)
            for beginning, flat in zip(beginnings, answer, strict=True)
            for rest, flags, segment, number in read_bucket(flat)
        ]

    async def note_health(self, slug: str, heard: Heard) -> None:
        """See Store."""
        word = msgspec.json.encode(heard)
        await self._redis.command("XADD", self._event(slug).keys.health, "MAXLEN", "~", 1000, "*", "word", word)

    async def health(self, slug: str, after: str) -> tuple[list[Heard], str]:
        """See Store."""
        found = await self._redis.command("XRANGE", self._event(slug).keys.health, f"({after}", "+")
        words = [msgspec.json.decode(fields[b"word"], type=Heard) for _, fields in found]
        return words, found[-1][0].decode() if found else after

    async def steer(self, slug: str, who: str, lease_seconds: float, allowance: Allowance) -> bool:
        """See Store."""
        event = self._event(slug)
        interval_us = max(1, round(1_000_000 / rate)) if (rate := allowance.rate_per_second) > 0 else 0
        args = [who, int(lease_seconds * 1000), allowance.sessions, interval_us, allowance.reason]
        return bool(await self._mutate("steer", event, [event.keys.lease], args))

    async def take_turn(self, slug: str, who: str, seconds: float) -> bool:
        """See Store."""
        key, turn_ms = self._event(slug).keys.turn, int(seconds * 1000)
        if await self._redis.command("SET", key, who, "NX", "PX", turn_ms):
            return True
        ours: bool = await self._redis.command("GET", key) == who.encode()
        if ours:
            await self._redis.command("PEXPIRE", key, turn_ms)
        return ours

    async def keep_entries(self, slug: str, root: str, parts: Iterable[tuple[str, bytes]]) -> None:
        """See Store."""
        key, left = self._event(slug).keys.entries(root), iter(parts)
        while some := list(islice(left, _PIECES_AT_ONCE)):
            await self._redis.command("HSET", key, *(word for part in some for word in part))
            await self._redis.command("EXPIRE", key, ENTRIES_SECONDS)

    async def settle_entries(self, slug: str, root: str) -> bool:
        """See Store."""
        key = self._event(slug).keys.entries(root)
        await self._redis.command("PERSIST", key)
        return bool(await self._redis.command("HEXISTS", key, "salt_key"))

    async def entries(self, slug: str, root: str, names: Sequence[str]) -> list[bytes | None]:
        """See Store."""
        found: list[bytes | None] = await self._redis.command("HMGET", self._event(slug).keys.entries(root), *names)
        return found

    async def drop_entries(self, slug: str, root: str) -> None:
        """See Store."""
        await self._redis.command("UNLINK", self._event(slug).keys.entries(root))

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
            [known.version if known else 0, event.open_ms, *ranks],
        )
        snapshot = read_snapshot(answer, known, before, self._seal)
        anew = known and snapshot.record and snapshot.record.pepper != known.pepper  # another event of the same name
        if event.seen is not None and not anew:
            snapshot = newest(event.seen, snapshot)
        event.seen, event.record, event.line = snapshot, snapshot.record, snapshot.line
        event.folded = fold_line(snapshot)
        if before.epoch and snapshot.line.epoch != before.epoch:
            event.open_ms = -1  # another life may have another open clock: its calls are told from the first
        elif snapshot.calls:
            event.open_ms = snapshot.calls[-1].open_ms
        return snapshot

    async def close(self) -> None:
        """See Store."""
        await self._redis.close()
