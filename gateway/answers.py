"""The JSON answers of v1: other people's programs rely on these shapes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from admission.core.applicant import ApplicantState
from admission.core.event import EventState
from admission.core.line import Line
from gateway.room import Room, Standing
from gateway.verbs import Issued


class Placed(msgspec.Struct):
    """A place, or the mark."""

    segment: int
    rank: int


class Wait(msgspec.Struct):
    """An honest range."""

    low: int
    high: int


class Current(msgspec.Struct):
    """`GET tickets/current`."""

    event: str
    event_state: EventState
    state: ApplicantState
    place: Placed | None
    ahead: int | None
    wait_seconds: Wait | None
    next_poll_seconds: float
    called_until: str | None
    message: dict[str, str] | None
    as_of_seconds: float


encode = msgspec.json.Encoder().encode


def instant(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC, whole seconds."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def current(room: Room, standing: Standing) -> Current:
    """Where an applicant stands."""
    return Current(
        event=room.event.slug,
        event_state=standing.event_state,
        state=standing.state,
        place=Placed(*standing.place) if standing.place else None,
        ahead=standing.ahead,
        wait_seconds=Wait(*standing.wait_seconds) if standing.wait_seconds else None,
        next_poll_seconds=standing.next_poll_seconds,
        called_until=instant(standing.called_until),
        message=room.event.message,
        as_of_seconds=round(min(room.age_seconds, 86_400), 1),
    )


def current_json(room: Room, standing: Standing) -> bytes:
    """The same as bytes."""
    return encode(current(room, standing))


def joined_json(room: Room, issued: Issued, standing: Standing) -> bytes:
    """`POST tickets`: the ticket, its number, and the fields of current."""
    head: dict[str, Any] = {
        "ticket": issued.token,
        "recovery_code": issued.recovery_code,
        "epoch": issued.ticket.epoch,
        "number": issued.ticket.number,
    }
    return encode(head | msgspec.structs.asdict(current(room, standing)))


def _live_segments(line: Line) -> list[dict[str, Any]]:
    """Segments with somebody behind the mark; empty and wholly called ones tell nothing."""
    return [
        {"id": i, "order": segment.order, "size": segment.size}
        for i, segment in enumerate(line.segments)
        if segment.size and (i, segment.size) > line.serving
    ]


def status_json(room: Room) -> bytes:
    """`GET status`: what everybody may know."""
    line = room.line
    return encode(
        {
            "event": room.event.slug,
            "state": room.state.value,
            "opens_at": instant(room.event.opens_at),
            "postponed_from": None,
            "epoch": line.epoch or None,
            "serving": {"segment": line.serving.segment, "rank": line.serving.rank},
            "segments": _live_segments(line),
            "rate_per_second": room.event.rate_per_second if room.state is EventState.OPEN else 0.0,
            "message": room.event.message,
            "draw": None,
        }
    )
