"""Redis' answers as values of the domain."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from struct import Struct
from typing import Any, NamedTuple, Protocol

from admission.core.applicant import Trace
from admission.core.control.allowance import Allowance
from admission.core.control.laws import LawName
from admission.core.event import Event
from admission.core.line import Line, Segment
from admission.core.quota import Taken
from admission.core.record import Change, EventRecord
from admission.store.keys import unpack_place
from admission.store.protocol import ADMITTED, COMPLETED, KEPT, LEFT, Call, Holder, Snapshot

_ROW_BYTES = 13
_ROW = Struct(">BHI")  # its beginning; the check and the group follow
_NEVER_US = 9_000_000_000_000_000  # year 2255; above every instant, and exact in Lua's numbers


class Seal(Protocol):
    """Makes records unforgeable where others could write: `read` raises ConfigurationError for what it did not sign."""

    def sign(self, record: EventRecord) -> str:
        """A record as text."""

    def read(self, text: str | bytes) -> EventRecord:
        """The record in a text."""


class Row(NamedTuple):
    """What the index holds of a session: flags, the position of the epoch (0: not known), the number and the group."""

    flags: int
    position: int
    number: int
    group: str


def clocks_of(event: Event) -> tuple[int, int]:
    """The learning window and the instant of the freeze, in µs."""
    return event.learning_seconds * 1_000_000, _us(event.freezes_at, _NEVER_US)


def limits_of(record: EventRecord) -> dict[str, int | float | str]:
    """The other limits that scripts need, in their units: µs, ms, counts; quota -1 for none."""
    event = record.event
    return {
        "interval_us": 1_000_000 / event.rate_per_second,
        "burst": event.burst,
        "capacity": event.capacity,
        "quota": -1 if event.quota is None else event.quota,
        "session_us": _session_us(event),
        "seat_us": _seat_us(event),
        **{f"quota:{group}": quota for group, quota in event.group_quotas.items()},
        "grace_ms": event.grace_seconds * 1000,
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
    flags, position, number = _ROW.unpack_from(packed)
    return Row(flags, position, number, packed[_ROW_BYTES:].decode())


def read_bucket(flat: Sequence[bytes]) -> Iterator[tuple[bytes, int, int, int]]:
    """Rest of the session, flags, position of the epoch and number of each row in a bucket: millions in seconds."""
    rows = zip(flat[::2], flat[1::2], strict=True)
    return ((rest, *_ROW.unpack_from(packed)) for rest, packed in rows if len(packed) >= _ROW_BYTES)


def read_epochs(text: bytes | None) -> list[int]:
    """The epochs by which rows name them, each by its position; that of position 0 is not known."""
    return [0, *(int(epoch) for epoch, _, _ in json.loads(text or b"[]"))]


def read_line(fields: Mapping[bytes, bytes], now_us: int, learning_us: int) -> Line:
    """The line in Redis' hash; an empty one before the first mutating verb.

    Args:
        learning_us: length of a learning window.
    """
    if b"epoch" not in fields:
        return Line()
    present = int(fields[b"epoch"])
    sizes = {int(epoch): (size, drawn) for epoch, size, drawn in json.loads(fields[b"segments"])}
    sizes[present] = int(fields[b"size"]), 0
    segments = tuple(Segment(epoch, int(size), int(drawn)) for epoch, (size, drawn) in sorted(sizes.items()))
    serving, expired = unpack_place(fields[b"serving"]), unpack_place(fields[b"expired"])
    learns = 0 < int(fields.get(b"learns_until_us", 0)) - now_us <= learning_us
    newcomers_from = int(fields[b"newcomers_from"]) if learns else None
    return Line(segments, serving, expired, frozen=fields.get(b"frozen") == b"1", newcomers_from=newcomers_from)


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
    line = read_line(fields, int(now_us), record.event.learning_seconds * 1_000_000 if record else 0)
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
            Call(int(score), unpack_place(place)) for place, score in zip(calls[::2], calls[1::2], strict=True)
        ),
        unclaimed=max(0, called - settled),
        reserved=int(fields.get(b"reserved", 0)) + lost,
        groups=_read_groups(fields, losses=since_lost_us < seat_us),
        allowance=_read_allowance(fields, int(now_us)),
        passed_over=int(fields.get(b"passed_over", 0)),
        answered_us=int(fields.get(b"answered_us", 0)),
        learns_until_us=int(fields.get(b"learns_until_us", 0)),
    )


def _read_allowance(fields: Mapping[bytes, bytes], now_us: int) -> Allowance | None:
    if b"allowed" not in fields:
        return None
    interval_us = int(fields[b"allowed_interval_us"])
    rate_per_second = 1_000_000 / interval_us if interval_us else 0.0
    resumes_in_seconds = max(0, int(fields.get(b"allowed_resumes_us", 0)) - now_us) / 1_000_000
    return Allowance(int(fields[b"allowed"]), rate_per_second, fields[b"allowed_why"].decode(), resumes_in_seconds)


def _read_groups(fields: Mapping[bytes, bytes], *, losses: bool) -> dict[str, Taken]:
    groups = sorted({name.partition(b":")[2] for name in fields if b":" in name})
    return {group.decode(): _read_taken(fields, group, losses=losses) for group in groups}


def _read_taken(fields: Mapping[bytes, bytes], group: bytes, *, losses: bool) -> Taken:
    completed, reserved, lost = (
        int(fields.get(name + b":" + group, 0)) for name in (b"completed", b"reserved", b"lost")
    )
    return Taken(completed, reserved + (lost if losses else 0))


def read_trace(answer: Sequence[Any], holder: Holder, epochs: Sequence[int], lapsed_us: int) -> Trace:
    """What a look found of one place.

    A row of another number tells nothing of this place, except that the tag's session is not this one's.

    Args:
        epochs: see read_epochs.
        lapsed_us: sessions that started, or had their last heartbeat, at or before this have lapsed.
    """
    packed, settled, started = answer
    row = read_row(packed)
    mine = row is not None and (epochs[row.position], row.number) == (holder.epoch, holder.number)
    flags = row.flags if row and mine else 0
    admitted, kept = bool(flags & ADMITTED), bool(flags & KEPT)
    started_us = int(float(started)) if started and admitted else 0
    return Trace(
        admitted=admitted,
        completed=bool(flags & COMPLETED),
        left=bool(flags & LEFT) or (bool(settled) and not admitted and not kept),
        kept=kept,
        session_started_us=started_us if started_us > lapsed_us else None,
    )
