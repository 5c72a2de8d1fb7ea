"""What an operator may do to an event, as one record made of another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from admission.core.changes import (
    at_rate,
    closed,
    next_version,
    next_wave,
    opened,
    postponed,
    with_message,
    with_settings,
    with_wave,
)
from admission.core.draw import Draw
from admission.core.errors import ConfigurationError
from admission.core.event import Event, EventState, Wave
from admission.core.record import EventRecord, state_at
from tests.samples import make_record

NOW = datetime(2026, 4, 8, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SCHEDULE = {"prequeue_at": NOW + DAY / 2, "opens_at": NOW + DAY, "closes_at": NOW + 5 * DAY}
DRAWN = {"order": "draw", "draw_source": {"kind": "witness", "says": "the minister"}}
SEALED = Draw(commitment="0" * 64, sealed_seed="sealed", root="1" * 64, size=7)
VALUED = SEALED.model_copy(update={"value": "42", "value_by": "the minister", "seed": "2" * 64})


def record(draw: Draw | None = None, **fields: Any) -> EventRecord:
    return make_record(**fields).model_copy(update={"draw": draw})


def schedule(of: EventRecord) -> tuple[Any, ...]:
    return of.event.prequeue_at, of.event.opens_at, of.event.closes_at


def test_a_postponement_moves_everything_that_is_timed_from_the_opening() -> None:
    later = postponed(record(**SCHEDULE), NOW + 3 * DAY, NOW)
    assert schedule(later) == (NOW + 2.5 * DAY, NOW + 3 * DAY, NOW + 7 * DAY)
    assert later.postponed_from == NOW + DAY


def test_a_prequeue_that_has_begun_goes_on() -> None:
    later = postponed(record(**SCHEDULE), NOW + 3 * DAY, NOW + 0.6 * DAY)
    assert schedule(later) == (NOW + DAY / 2, NOW + 3 * DAY, NOW + 7 * DAY)


def test_the_first_announcement_is_remembered_until_it_is_kept() -> None:
    once = postponed(record(**SCHEDULE), NOW + 3 * DAY, NOW)
    twice = postponed(once, NOW + 4 * DAY, NOW)
    assert twice.postponed_from == NOW + DAY
    back = postponed(twice, NOW + DAY, NOW)
    assert schedule(back) == tuple(SCHEDULE.values())
    assert back.postponed_from is None


def test_an_open_event_can_be_postponed() -> None:
    event = record(opens_at=NOW - DAY, closes_at=NOW + DAY)
    later = postponed(event, NOW + DAY, NOW)
    assert schedule(later) == (None, NOW + DAY, NOW + 3 * DAY)
    assert state_at(later, NOW, 0) is EventState.SCHEDULED


@pytest.mark.parametrize(
    ("fields", "opens_at", "says"),
    [
        (SCHEDULE, NOW, "not in the future"),
        ({"opens_at": NOW - 2 * DAY, "closes_at": NOW - DAY}, NOW + DAY, "is closed"),
        (SCHEDULE | DRAWN, NOW + timedelta(seconds=300), "300 s"),
    ],
    ids=["past", "closed", "draw"],
)
def test_a_postponement_that_cannot_be(fields: dict[str, Any], opens_at: datetime, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        postponed(record(**fields), opens_at, NOW)


def test_a_later_wave_of_a_draw_opens_ahead_of_its_time() -> None:
    planned = record(VALUED, waves=[{"opens_at": NOW + 9 * DAY}], **SCHEDULE, **DRAWN)
    second = opened(next_wave(planned), NOW + 6 * DAY)
    assert state_at(second, NOW + 6 * DAY, 0) is EventState.OPEN
    assert schedule(second) == (NOW + 5.5 * DAY, NOW + 6 * DAY, None)


@pytest.mark.promise("B10")
def test_a_postponement_after_the_freeze_draws_nothing_again() -> None:
    frozen = record(SEALED, **SCHEDULE, **DRAWN)
    soon = postponed(frozen, NOW + timedelta(seconds=5), NOW)  # the list is closed already
    assert soon.draw == frozen.draw
    later = postponed(record(VALUED, **SCHEDULE, **DRAWN), NOW + 3 * DAY, NOW + DAY)
    assert (later.draw, state_at(later, NOW + 2 * DAY, 0)) == (VALUED, EventState.FROZEN)


def test_open_is_now_whatever_the_schedule_said() -> None:
    early = opened(record(**SCHEDULE), NOW)
    assert state_at(early, NOW, 0) is EventState.OPEN
    assert schedule(early) == (NOW - DAY / 2, NOW, NOW + 5 * DAY)  # the pre-queue is as long as it was to be
    again = opened(record(opens_at=NOW - 2 * DAY, closes_at=NOW - DAY), NOW)
    assert schedule(again) == (None, NOW - 2 * DAY, None)
    assert opened(again, NOW) == again


@pytest.mark.parametrize(("fields", "says"), [({"paused": True}, "resume"), (SCHEDULE | DRAWN, "draw")])
def test_open_is_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        opened(record(**fields), NOW)


def test_close_is_now_and_once() -> None:
    event = record(opens_at=NOW - DAY, closes_at=NOW + DAY)
    ended = closed(event, NOW)
    assert state_at(ended, NOW, 0) is EventState.CLOSED
    assert closed(ended, NOW + DAY) == ended
    with pytest.raises(ConfigurationError, match="has not opened"):
        closed(record(**SCHEDULE), NOW)


def test_a_lower_rate_takes_the_burst_down_with_it() -> None:
    fast = record(rate_per_second=50, burst=5)
    slow = at_rate(fast, 2.5, None)
    assert (slow.event.rate_per_second, slow.event.burst) == (2.5, 2)
    assert at_rate(slow, 50, None).event.burst == 2
    assert at_rate(slow, 50, 10).event.burst == 10
    assert at_rate(fast, 0.1, None).event.burst == 1
    with pytest.raises(ValidationError, match="burst"):
        at_rate(fast, 2, 5)
    for none in (float("nan"), float("inf")):
        with pytest.raises(ValidationError):
            at_rate(fast, none, None)


def test_a_message_comes_and_goes() -> None:
    told = with_message(record(), {"id": "Sabar", "en": "Patience"})
    assert told.event.message == {"id": "Sabar", "en": "Patience"}
    assert with_message(told, {}).event.message is None
    with pytest.raises(ValidationError, match="280 bytes"):
        with_message(record(), {"en": "x" * 281})


def wave(days: float, quota: int | None = 10, **fields: Any) -> Wave:
    return Wave(opens_at=NOW + days * DAY, closes_at=NOW + (days + 1) * DAY, quota=quota, **fields)


def test_the_next_wave_brings_its_schedule_and_its_people() -> None:
    first = record(**SCHEDULE, quota=100, group_by="province", group_quotas={"31": 60, "32": 40})
    planned = with_wave(with_wave(first, wave(7, 50, group_quotas={"31": 20, "33": 30})), wave(14))
    second = next_wave(planned)
    assert schedule(second) == (NOW + 6.5 * DAY, NOW + 7 * DAY, NOW + 8 * DAY)
    assert (second.wave, second.event.quota) == (2, 150)
    assert second.event.group_quotas == {"31": 80, "32": 40, "33": 30}
    assert state_at(second, NOW + 6 * DAY, 100) is EventState.SCHEDULED
    third = next_wave(second)
    assert (third.wave, third.event.quota, third.event.waves) == (3, 160, ())
    with pytest.raises(ConfigurationError, match="no further wave"):
        next_wave(third)


@pytest.mark.promise("B10")
def test_a_wave_after_a_draw_draws_nothing_again() -> None:
    second = next_wave(with_wave(record(VALUED, **SCHEDULE, **DRAWN, quota=1), wave(7)))
    assert second.draw == VALUED
    assert state_at(second, NOW + 6 * DAY, 0) is EventState.SCHEDULED
    assert state_at(second, NOW + 6.75 * DAY, 0) is EventState.PREQUEUE
    assert state_at(second, NOW + 7 * DAY, 0) is EventState.OPEN


@pytest.mark.parametrize(
    ("planned", "says"),
    [
        (wave(4), "after the one before has closed"),
        (wave(7, None), "in every wave"),
        (Wave(opens_at=NOW + 7 * DAY, closes_at=NOW + 6 * DAY, quota=1), "closes_at"),
        (wave(7, prequeue_at=NOW + 9 * DAY), "prequeue_at"),
        (wave(7, group_quotas={"31": 1}), "group_by"),
    ],
)
def test_a_wave_that_does_not_fit(planned: Wave, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        with_wave(record(**SCHEDULE, quota=100), planned)


def test_a_version_tells_what_is_different_and_no_secret() -> None:
    before = record(SEALED, **SCHEDULE, **DRAWN)
    after = with_settings(before, capacity=7).model_copy(update={"draw": VALUED, "pepper": "another"})
    version = next_version(before, after, NOW, "draw-value", "Sri", "as announced")
    assert version.version == before.version + 1
    assert version.change is not None
    assert (version.change.at, version.change.by, version.change.why) == (NOW, "Sri", "as announced")
    assert version.change.fields == {
        "capacity": (1_000_000, 7),
        "seed": (None, "2" * 64),
        "value": (None, "42"),
        "value_by": (None, "the minister"),
    }


def test_every_setting_is_told_when_it_changes() -> None:
    """A name that a record and its settings share would hide one of the two."""
    names = [*EventRecord.model_fields, *Event.model_fields, *Draw.model_fields]
    assert len(names) == len(set(names))
