"""Redis' answers as values of the domain, and the line as a caller folds it into its calls."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from struct import Struct
from typing import Any

from admission.core.applicant import Trace
from admission.core.control.allowance import Allowance
from admission.core.control.laws import LawName
from admission.core.event import Event
from admission.core.line import FIRST_COME, Line, Place, Segment
from admission.core.quota import Taken
from admission.core.record import Change, EventRecord
from admission.store.keys import pack_place, unpack_place
from admission.store.protocol import ADMITTED, COMPLETED, LEFT, PASSED, Call, Holder, Row, Seal, Snapshot

SEEN_NOTHING = b'{"segments":[]}'
_ROW_BYTES = 13
_ROW = Struct(">BHI")  # its beginning; the check and the group follow
_ENDLESS = 2**32  # above every rank
_NEVER_US = 9_000_000_000_000_000  # year 2255; above every instant, and exact in Lua's numbers


def fold_line(snapshot: Snapshot) -> bytes:
    """What a caller saw, as the prelude reads it: JSON of segments, marks and totals."""
    line = snapshot.line
    seen = {
        "segments": [[segment.epoch, segment.order, segment.size] for segment in line.segments],
        "serving": pack_place(line.serving),
        "expired": pack_place(line.expired),
        "admitted": snapshot.admitted,
        "completed": snapshot.completed,
        "sessions": snapshot.sessions,
        "reserved": snapshot.reserved,
    }
    if snapshot.groups:
        seen["groups"] = {
            group: (taken.completed, taken.reserved, *_kept(taken)) for group, taken in snapshot.groups.items()
        }
    return json.dumps(seen, separators=(",", ":")).encode()


def _kept(taken: Taken) -> tuple[int, ...]:
    if taken.kept_after is None:
        return ()
    return pack_place(taken.kept_after), -1 if taken.kept_upto is None else pack_place(taken.kept_upto)


def limits_of(record: EventRecord) -> dict[str, int | float | str]:
    """The limits that scripts need, in their units: µs, ms, counts; quota -1 for none; groups parted by blanks."""
    event = record.event
    return {
        "interval_us": 1_000_000 / event.rate_per_second,
        "burst": event.burst,
        "capacity": event.capacity,
        "quota": -1 if event.quota is None else event.quota,
        "session_us": _session_us(event),
        "seat_us": _seat_us(event),
        "groups": " ".join(event.group_quotas),
        **{f"quota:{group}": quota for group, quota in event.group_quotas.items()},
        "grace_ms": event.grace_seconds * 1000,
        "freezes_us": _us(event.freezes_at, _NEVER_US),
        "opens_us": _NEVER_US if record.awaits_draw else _us(event.opens_at, 0),
        "closes_us": _us(event.closes_at, _NEVER_US),
        "paused": int(event.paused),
        "steered": int(event.law is not LawName.FIXED),
    }


def _session_us(event: Event) -> int:
    return event.session_seconds * 1_000_000


def _seat_us(event: Event) -> int:
    """For how long a session keeps its seat when nobody hears of it: from its start or last heartbeat."""
    return _session_us(event) + event.settle_seconds * 1_000_000


def _us(instant: datetime | None, none_us: int) -> int:
    return none_us if instant is None else int(instant.timestamp() * 1_000_000)


def read_change(fields: Mapping[bytes, bytes]) -> tuple[int, Change]:
    """A version and what made it, in an entry of the log."""
    return int(fields[b"version"]), Change.model_validate_json(fields[b"change"])


def read_row(packed: bytes | None) -> Row | None:
    """The row in its 13 bytes and those of its group; None where there is none."""
    if packed is None or len(packed) < _ROW_BYTES:
        return None
    flags, segment, number = _ROW.unpack_from(packed)
    return Row(flags, segment, number, packed[_ROW_BYTES:].decode())


def read_bucket(flat: Sequence[bytes]) -> Iterator[tuple[bytes, int, int, int]]:
    """Rest of the session, flags, position of the epoch and number of each row in a bucket: millions in seconds."""
    rows = zip(flat[::2], flat[1::2], strict=True)
    return ((rest, *_ROW.unpack_from(packed)) for rest, packed in rows if len(packed) >= _ROW_BYTES)


def read_segments(text: bytes) -> list[Segment]:
    """The segments in Redis' JSON."""
    return [Segment(epoch, order, int(size)) for epoch, order, size in json.loads(text)]


def read_line(fields: Mapping[bytes, bytes]) -> Line:
    """The line in Redis' hash; an empty one before the first mutating verb."""
    if b"epoch" not in fields:
        return Line()
    earlier = read_segments(fields[b"segments"])
    present = Segment(fields[b"epoch"].decode(), FIRST_COME, int(fields[b"size"]))
    serving, expired = (unpack_place(int(fields[name])) for name in (b"serving", b"expired"))
    return Line((*earlier, present), serving, expired)


def read_snapshot(answer: Sequence[Any], known: EventRecord | None, before: Line, seal: Seal) -> Snapshot:
    """The snapshot in a script's answer.

    Args:
        known: the record that the caller had; it stands while its version does.
        before: the line whose called places were counted; those called since count as unclaimed.
    """
    now_us, raw_record, flat, sessions, calls, settled = answer
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    record = None if raw_record == b"-" else known
    if len(raw_record) > 1:
        record = seal.read(raw_record)
    line = read_line(fields)
    seat_us, session_us = (_seat_us(record.event), _session_us(record.event)) if record else (0, 0)
    since_lost_us = int(now_us) - int(fields.get(b"lost_at_us", 0))
    lost = int(fields.get(b"lost", 0)) if since_lost_us < seat_us else 0
    lost_sessions = int(fields.get(b"lost_sessions", 0)) if since_lost_us < session_us else 0
    called = line.position(line.serving) - before.position(before.expired)
    return Snapshot(
        record=record,
        line=line,
        now_us=int(now_us),
        open_ms=int(fields.get(b"open_ms", 0)),
        sessions=sessions + lost_sessions,
        admitted=int(fields.get(b"admitted", 0)),
        completed=int(fields.get(b"completed", 0)),
        calls=tuple(
            Call(int(score), unpack_place(int(place))) for place, score in zip(calls[::2], calls[1::2], strict=True)
        ),
        unclaimed=max(0, called - settled),
        reserved=int(fields.get(b"reserved", 0)) + lost,
        groups=_read_groups(fields),
        allowance=_read_allowance(fields, int(now_us)),
    )


def _read_allowance(fields: Mapping[bytes, bytes], now_us: int) -> Allowance | None:
    if b"allowed" not in fields:
        return None
    interval_us = int(fields[b"allowed_interval_us"])
    rate_per_second = 1_000_000 / interval_us if interval_us else 0.0
    resumes_in_seconds = max(0, int(fields.get(b"allowed_resumes_us", 0)) - now_us) / 1_000_000
    return Allowance(int(fields[b"allowed"]), rate_per_second, fields[b"allowed_why"].decode(), resumes_in_seconds)


def _read_groups(fields: Mapping[bytes, bytes]) -> dict[str, Taken]:
    groups = sorted({name.partition(b":")[2].decode() for name in fields if b":" in name})
    return {group: _read_taken(fields, group.encode()) for group in groups}


def _read_taken(fields: Mapping[bytes, bytes], group: bytes) -> Taken:
    completed, reserved = (int(fields.get(name + b":" + group, 0)) for name in (b"completed", b"reserved"))
    kept = fields.get(b"kept:" + group)
    if kept is None:
        return Taken(completed, reserved)
    after, upto = map(int, kept.split())
    return Taken(completed, reserved, unpack_place(after), None if upto < 0 else unpack_place(upto))


def newest(seen: Snapshot, snapshot: Snapshot) -> Snapshot:
    """A snapshot that knows no less than what was seen before it.

    The line only grows. Where less is found, Redis lost data, got an older copy back, or goes on from what a process
    saw that had seen less: until a mutating verb has folded in what was seen, that is what the line is.
    """
    if not _lacks(snapshot, seen):
        return snapshot
    return replace(
        snapshot,
        outdated=True,
        line=seen.line,
        admitted=seen.admitted,
        completed=seen.completed,
        sessions=seen.sessions,
        reserved=seen.reserved,
        groups=seen.groups,
    )


def _lacks(snapshot: Snapshot, seen: Snapshot) -> bool:
    """Whether `fold.lua` would take anything over: people, marks or totals."""
    if snapshot.admitted < seen.admitted or snapshot.completed < seen.completed:
        return True
    here, there = snapshot.line, seen.line
    found = {segment.epoch: segment for segment in here.segments}
    if any(_lacks_some(found.get(segment.epoch), segment) for segment in there.segments):
        return True
    pairs = enumerate(zip(here.segments, there.segments, strict=False))
    common = next((i for i, (one, other) in pairs if one.epoch != other.epoch), len(there.segments))
    end = Place(common, 0 if common < len(there.segments) else _ENDLESS)
    return here.serving < min(there.serving, end) or here.expired < min(there.expired, end)


def _lacks_some(found: Segment | None, seen: Segment) -> bool:
    if found is None:
        return True
    return found.size < seen.size and (found.order == FIRST_COME or seen.order != FIRST_COME)


def read_trace(answer: Sequence[Any], holder: Holder, lapsed_us: int) -> Trace:
    """What a look found of one place.

    A row of another number tells nothing of this place, except that the tag's session is not this one's.

    Args:
        lapsed_us: sessions that started, or had their last heartbeat, at or before this have lapsed.
    """
    packed, settled, started = answer
    row = read_row(packed)
    flags = row.flags if row and (row.segment, row.number) == (holder.segment, holder.number) else 0
    admitted, passed = bool(flags & ADMITTED), bool(flags & PASSED)
    started_us = int(float(started)) if started and admitted else 0
    return Trace(
        admitted=admitted,
        completed=bool(flags & COMPLETED),
        left=bool(flags & LEFT) or (bool(settled) and not admitted and not passed),
        passed=passed,
        session_started_us=started_us if started_us > lapsed_us else None,
    )
