"""What an operator may do to an event: each verb makes one record of another; none touches a place in the line."""

from __future__ import annotations

from datetime import datetime
from math import isfinite
from typing import Any

from admission.core.errors import ConfigurationError
from admission.core.event import Event, Wave
from admission.core.record import Change, EventRecord

_HIDDEN = {"pepper", "sealed_seed", "version", "change"}


def with_settings(record: EventRecord, **settings: Any) -> EventRecord:
    """The record with some of its settings changed.

    Raises:
        pydantic.ValidationError: naming each setting that cannot work.
    """
    event = Event.model_validate(record.event.model_dump() | settings)
    return record.model_copy(update={"event": event})


def at_rate(record: EventRecord, rate_per_second: float, burst: int | None) -> EventRecord:
    """The record with another rate; a burst that is not named shrinks to what the rate allows, and never grows."""
    fitting = max(1, int(rate_per_second)) if isfinite(rate_per_second) else 1  # what is no rate is refused below
    allowed = burst if burst is not None else min(record.event.burst, fitting)
    return with_settings(record, rate_per_second=rate_per_second, burst=allowed)


def with_message(record: EventRecord, message: dict[str, str]) -> EventRecord:
    """The record with the operator's word to everybody; an empty one takes it back."""
    return with_settings(record, message=message or None)


def opened(record: EventRecord, now: datetime) -> EventRecord:
    """The record of an event that is open from now on, ahead of its time or after it was closed.

    Raises:
        ConfigurationError: for a draw that has not been made, and for an event that is paused.
    """
    event = record.event
    if record.awaits_draw:
        raise _refused(record, "opens by its schedule, once its draw has been made; bring it forward with postpone")
    if event.paused:
        raise _refused(record, "is paused; let it go on with resume")
    settings: dict[str, Any] = {}
    if event.opens_at and event.opens_at > now:
        settings["opens_at"] = now
        if event.prequeue_at and event.prequeue_at >= now:
            settings["prequeue_at"] = event.prequeue_at + (now - event.opens_at)
    if event.closes_at and event.closes_at <= now:
        settings["closes_at"] = None
    return with_settings(record, **settings)


def closed(record: EventRecord, now: datetime) -> EventRecord:
    """The record of an event that ends now: nobody joins or enters any more, and every place is kept.

    Raises:
        ConfigurationError: before the opening.
    """
    event = record.event
    if event.closes_at and event.closes_at <= now:
        return record
    if event.opens_at and event.opens_at >= now:
        raise _refused(record, "has not opened yet; move the opening with postpone")
    return with_settings(record, closes_at=now)


def postponed(record: EventRecord, opens_at: datetime, now: datetime) -> EventRecord:
    """The record with another opening, later or earlier: what is timed from the opening moves along with it.

    That is the closing, and the beginning of the pre-queue unless it has begun. Nothing is drawn again.

    Raises:
        ConfigurationError: for an opening in the past, for an event that was closed, and where the list of a draw
            would be closed at once.
    """
    event = record.event
    if event.closes_at and event.closes_at <= now:
        raise _refused(record, "is closed; plan its next wave")
    if opens_at <= now:
        raise _refused(record, "the new opening is not in the future; to open at once use open")
    settings: dict[str, Any] = {"opens_at": opens_at}
    if event.opens_at:
        settings |= _moved(event, opens_at - event.opens_at, now)
    moved = with_settings(record, **settings)
    freezes_at, sealed = moved.event.freezes_at, record.draw is not None and record.draw.root is not None
    if freezes_at and freezes_at <= now and not sealed:
        raise _refused(record, f"the draw needs {event.freeze_seconds} s between now and the opening")
    announced = record.postponed_from or event.opens_at
    later = announced is not None and opens_at > announced
    return moved.model_copy(update={"postponed_from": announced if later else None})


def with_wave(record: EventRecord, wave: Wave | None) -> EventRecord:
    """The record with one more wave, behind those that are planned; None: with no further one.

    Raises:
        pydantic.ValidationError: when it does not fit behind them.
    """
    return with_settings(record, waves=(*record.event.waves, wave) if wave else ())


def next_wave(record: EventRecord) -> EventRecord:
    """The record of an event whose next wave has become the present one: its schedule, and its people added.

    Seats that were not taken stay: quotas count over all waves, so that late completions of one take none of the next.

    Raises:
        ConfigurationError: when none is planned.
    """
    event = record.event
    if not event.waves:
        raise _refused(record, "has no further wave; plan one with wave")
    wave, *others = event.waves
    lead = event.opens_at - event.prequeue_at if event.opens_at and event.prequeue_at else None
    groups = {*event.group_quotas, *wave.group_quotas}
    moved = with_settings(
        record,
        opens_at=wave.opens_at,
        closes_at=wave.closes_at,
        prequeue_at=wave.prequeue_at or (wave.opens_at - lead if lead else None),
        quota=None if event.quota is None else event.quota + (wave.quota or 0),
        group_quotas={each: event.group_quotas.get(each, 0) + wave.group_quotas.get(each, 0) for each in groups},
        waves=tuple(others),
    )
    return moved.model_copy(update={"wave": record.wave + 1, "postponed_from": None})


def _moved(event: Event, by: Any, now: datetime) -> dict[str, datetime]:
    moved = {"closes_at": event.closes_at}
    if event.prequeue_at and event.prequeue_at > now:
        moved["prequeue_at"] = event.prequeue_at
    return {name: instant + by for name, instant in moved.items() if instant}


def next_version(before: EventRecord, after: EventRecord, at: datetime, verb: str, by: str, why: str) -> EventRecord:
    """The version after `before`, with what changed, and whose act it was.

    Raises:
        pydantic.ValidationError: for a name or a reason that is too long.
    """
    change = Change(at=at, verb=verb, by=by, why=why, fields=_differences(before, after))
    return after.model_copy(update={"version": before.version + 1, "change": change})


def _differences(before: EventRecord, after: EventRecord) -> dict[str, tuple[Any, Any]]:
    old, new = _flat(before), _flat(after)
    names = sorted(old.keys() | new.keys())
    return {name: (old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)}


def _flat(record: EventRecord) -> dict[str, Any]:
    """Every fact of a record by its name, but for what is secret."""
    facts = record.model_dump(mode="json")
    event, draw = facts.pop("event"), facts.pop("draw") or {}
    return {name: fact for name, fact in (facts | draw | event).items() if name not in _HIDDEN}


def _refused(record: EventRecord, reason: str) -> ConfigurationError:
    return ConfigurationError([f"{record.event.slug}: {reason}"])
