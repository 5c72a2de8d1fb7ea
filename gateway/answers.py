"""The JSON answers of v1: other people's programs rely on these shapes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from admission.core.event import EventState
from admission.core.line import DRAWN, FIRST_COME, Line
from admission.core.record import EventRecord
from gateway.room import Room
from gateway.standing import encode
from gateway.verbs import Issued


def instant(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC, whole seconds."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def joined_json(issued: Issued, current: bytes) -> bytes:
    """`POST tickets`: the ticket, its number, and the fields of current."""
    head = {
        "ticket": issued.token,
        "recovery_code": issued.recovery_code,
        "epoch": issued.ticket.epoch,
        "number": issued.ticket.number,
        "group": issued.ticket.group or None,
    }
    return encode(head)[:-1] + b"," + current[1:]


def _live_segments(line: Line) -> list[dict[str, Any]]:
    """Segments with somebody behind the mark; empty and wholly called ones tell nothing."""
    called, end, live = line.position(line.serving), 0, []
    for segment, size in line.sizes():
        end += size
        if size and end > called:
            live.append({"id": segment, "order": FIRST_COME if segment else DRAWN, "size": size})
    return live


def _draw(record: EventRecord) -> dict[str, Any] | None:
    """What proves the draw, as far as it is known."""
    draw, source = record.draw, record.event.draw_source
    if draw is None or source is None:
        return None
    return {
        "commitment": draw.commitment,
        "source": source.says,
        "size": draw.size,
        "root": draw.root,
        "value": draw.value,
        "seed": draw.seed,
    }


def status_json(room: Room) -> bytes:
    """`GET status`: what everybody may know."""
    line = room.line
    return encode(
        {
            "event": room.event.slug,
            "state": room.state.value,
            "prequeue_at": instant(room.event.prequeue_at),
            "opens_at": instant(room.event.opens_at),
            "postponed_from": instant(room.record.postponed_from),
            "wave": room.record.wave,
            "epoch": line.epoch or None,
            "learning_until": instant(room.learning_until),
            "serving": {"segment": line.serving.segment, "rank": line.serving.rank},
            "segments": _live_segments(line),
            "seats": room.seats_left(),
            "rate_per_second": room.event.rate_per_second if room.state is EventState.OPEN else 0.0,
            "message": room.event.message,
            "draw": _draw(room.record),
        }
    )
