"""Where one applicant stands, in the shape of `GET tickets/current`; most of it is the same for all who wait."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import msgspec

from admission.core.applicant import ApplicantState
from admission.core.event import Event, EventState
from admission.core.quota import Hope
from admission.core.wait import poll_seconds, wait_range
from gateway.seats import Seats

_ASKED_OFTEN = 4096  # waits as they are rounded, up to a week or so: every poll asks for one of them

encode = msgspec.json.Encoder().encode


class Placed(msgspec.Struct):
    """A place as it is told."""

    segment: int
    rank: int


class Wait(msgspec.Struct):
    """An honest range, in seconds."""

    low: int
    high: int


class Standing(msgspec.Struct):
    """What `GET tickets/current` answers and the waiting page tells."""

    event: str
    event_state: EventState
    state: ApplicantState
    place: Placed | None
    ahead: int | None
    wait_seconds: Wait | None
    next_poll_seconds: float
    called_until: datetime | None
    seats: Seats | None
    message: dict[str, str] | None
    as_of_seconds: float


class Lately(NamedTuple):
    """What holds for everybody of a group in an event, for a tenth of a second.

    Args:
        own_state: of the event. `event_state` is full also where only the group is: its people are called all the same.
        opens_in_seconds: until the opening; None when it is not ahead.
        age_seconds: of the snapshot.
        waiting_json: Standing of somebody who waits, with places for segment, rank, ahead, wait, next poll and seats.
        entered_json: Standing of somebody who is to be drawn, with places for the next poll and seats.
    """

    event_state: EventState
    own_state: EventState
    opens_in_seconds: int | None
    age_seconds: float
    waiting_json: bytes
    entered_json: bytes
    hope: Hope

    def seats(self, ahead: int | None) -> Seats | None:
        """What somebody may hope for."""
        if self.hope.left is None:
            return None
        return Seats(self.hope.left, None if ahead is None else self.hope.chance(ahead))

    def seats_json(self, ahead: int | None) -> bytes:
        """The same as JSON."""
        return b"null" if self.hope.left is None else encode(self.seats(ahead))


def lately(
    event: Event,
    state: EventState,
    own_state: EventState,
    opens_in_seconds: int | None,
    age_seconds: float,
    hope: Hope,
) -> Lately:
    """See Lately."""
    head, message = encode({"event": event.slug, "event_state": state}), encode(event.message)
    waiting = b'"waiting","place":{"segment":%d,"rank":%d},"ahead":%d,"wait_seconds":%b,"next_poll_seconds":%.1f'
    entered = b'"entered","place":null,"ahead":null,"wait_seconds":null,"next_poll_seconds":%.1f'
    waiting_json, entered_json = (
        b'%b,"state":%b,"called_until":null,"seats":%%b,"message":%b,"as_of_seconds":%.1f}'
        % (head[:-1].replace(b"%", b"%%"), own, message.replace(b"%", b"%%"), age_seconds)
        for own in (waiting, entered)
    )
    return Lately(state, own_state, opens_in_seconds, age_seconds, waiting_json, entered_json, hope)


def wait_of(state: EventState, expected_seconds: int | None, headroom_ratio: float | None) -> Wait | None:
    """The wait that is told: none while nobody is called."""
    if state is not EventState.OPEN or expected_seconds is None:
        return None
    return Wait(*wait_range(expected_seconds, headroom_ratio))


@lru_cache(_ASKED_OFTEN)
def outlook_json(
    state: EventState, own_state: EventState, expected_seconds: int | None, headroom_ratio: float | None
) -> tuple[bytes, float]:
    """The wait of somebody who waits, as JSON, and the seconds between polls."""
    wait = encode(wait_of(state, expected_seconds, headroom_ratio))
    return wait, poll_seconds(own_state, expected_seconds, called=False, headroom_ratio=headroom_ratio)
