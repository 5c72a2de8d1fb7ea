"""An event's record: its settings with all that has become of them, and the state that the event is in."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from admission.core.draw import Draw
from admission.core.event import Event, EventState, Order
from admission.core.line import epoch_at


class Change(BaseModel):
    """What made a version of a record.

    Args:
        at: on Redis' clock.
        verb: what was done, such as `pause`.
        by, why: whose act it was, and its reason, in their words.
        fields: what is different, as (before, after) by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: AwareDatetime
    verb: str
    by: Annotated[str, Field(max_length=200)]
    why: Annotated[str, Field(max_length=500)] = ""
    fields: dict[str, tuple[Any, Any]] = {}


class EventRecord(BaseModel):
    """An event as it travels between processes and outlives Redis: the highest version wins.

    Args:
        pepper: the key of the event's identity tags, encrypted under the wrapping key of the secrets file.
        created_at: on Redis' clock; older tickets are of an event that had the same name.
        draw: the facts of the draw, of an event that has one.
        wave: which opening this is, from 1.
        postponed_from: the opening that was announced first, when it was moved to a later time.
        change: what made this version.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Annotated[int, Field(ge=1)]
    event: Event
    pepper: str
    created_at: AwareDatetime
    draw: Draw | None = None
    wave: Annotated[int, Field(ge=1)] = 1
    postponed_from: AwareDatetime | None = None
    change: Change | None = None

    def outdates(self, other: EventRecord | None) -> bool:
        """Whether the store has less than this: nothing, or an earlier version of the same event."""
        return other is None or (other.pepper == self.pepper and other.version < self.version)

    @property
    def first_epoch(self) -> int:
        """No epoch of this event is less."""
        return epoch_at(self.created_at)

    @property
    def awaits_draw(self) -> bool:
        """Whether an order is to be drawn, and is not yet: nobody is called before."""
        return self.event.order is Order.DRAW and not (self.draw and self.draw.drawn)


def state_at(record: EventRecord, now: datetime, completed: int) -> EventState:
    """The state of an event at an instant.

    Args:
        now: the time on Redis' clock, with a zone.
        completed: people who have completed, in total.
    """
    event = record.event
    if event.closes_at is not None and now >= event.closes_at:
        return EventState.CLOSED
    if event.opens_at is not None and now < event.opens_at:
        return _state_before(record, now)
    if record.awaits_draw:  # never a fallback: without the value nobody's place is known
        return EventState.FROZEN
    if event.quota is not None and completed >= event.quota:
        return EventState.FULL
    return EventState.PAUSED if event.paused else EventState.OPEN


def _state_before(record: EventRecord, now: datetime) -> EventState:
    event = record.event
    sealed = record.draw is not None and record.draw.root is not None  # a postponement thaws nothing
    freezing = event.freezes_at is not None and now >= event.freezes_at
    if record.wave == 1 and (sealed or freezing):  # later waves go on in the order of the first
        return EventState.FROZEN
    if event.prequeue_at is not None and now >= event.prequeue_at:
        return EventState.PREQUEUE
    return EventState.SCHEDULED
