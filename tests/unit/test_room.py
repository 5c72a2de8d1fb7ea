"""What a room tells of a ticket, written in one go for those who wait, is what it tells field by field."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.core.applicant import UNTOUCHED, Trace
from admission.core.control.allowance import Allowance
from admission.core.forecasts import Outcome
from admission.core.identity import check_of, session_of
from admission.core.line import NOWHERE, START, Line, Place, Segment
from admission.core.quota import Taken
from admission.core.record import EventRecord
from admission.core.ticket import Ticket
from admission.store.protocol import Holder, Proof, Snapshot
from gateway.room import Room
from gateway.standing import encode
from tests.samples import CREATED_AT, make_record
from tests.unit.page_samples import DRAWN_EVENT, EVENT

NOW = datetime(2026, 4, 11, 13, tzinfo=UTC)
EPOCHS = tuple(make_record().first_epoch + i for i in (1, 2, 3))
STATES: dict[str, dict[str, Any]] = {
    "open": {},
    "scheduled": {"opens_at": NOW + timedelta(hours=3)},
    "paused": {"paused": True},
    "full": {"quota": 7},
    "last seats": {"quota": 40, "group_by": "province", "group_quotas": {"31": 12}},
    "group full": {"group_by": "province", "group_quotas": {"31": 5}},
    "closed": {"closes_at": NOW - timedelta(minutes=1)},
}
MESSAGE = {"id": "100 % aman – “sabar”", "en": "100% safe %d %b"}


@st.composite
def lines(draw: st.DrawFn) -> Line:
    sizes = draw(st.lists(st.integers(0, 50), min_size=1, max_size=len(EPOCHS)))
    segments = tuple(Segment(epoch, size) for epoch, size in zip(EPOCHS, sizes, strict=False))
    segment = draw(st.integers(0, len(sizes) - 1))
    mark = Place(EPOCHS[segment], draw(st.integers(0, sizes[segment])))
    return Line(segments, mark, newcomers_from=draw(st.sampled_from([None, *EPOCHS[segment + 1 :]])))


def room(line: Line, fields: dict[str, Any], message: dict[str, str] | None, **snapshot: Any) -> Room:
    event = EVENT.model_copy(update={"opens_at": None, "closes_at": None, "message": message, **fields})
    made = Room(
        EventRecord(version=1, event=event, pepper="p", created_at=CREATED_AT), b"p" * 32, monotonic=lambda: 5.0
    )
    now_us = int(NOW.timestamp() * 1_000_000)
    made.take(Snapshot(made.record, line, now_us, 9_000, 3, 20, 8, (), 0, **snapshot))
    return made


@given(lines(), st.sampled_from(sorted(STATES)), st.sampled_from([None, MESSAGE]), st.sampled_from(EPOCHS), st.data())
def test_who_waits_is_told_the_same_in_one_go(
    line: Line, state: str, message: dict[str, str] | None, epoch: int, data: st.DataObject
) -> None:
    group = data.draw(st.sampled_from(["", "31"]))
    ticket = Ticket(EVENT.slug, epoch, data.draw(st.integers(1, 60)), 0, group=group)
    told = room(line, STATES[state], message, reserved=3, groups={"31": Taken(4, 1)})
    place = line.place(ticket.epoch, ticket.number)
    random.seed(1)
    in_one_go = told.waiting_json(ticket)
    random.seed(1)
    by_field = told.standing(ticket)
    expected = {"last seats": "open", "group full": "full" if group else "open"}.get(state, state)
    assert by_field.event_state == expected
    assert (by_field.seats is None) == ("quota" not in STATES[state] and not (group and "group_by" in STATES[state]))
    if place is None or line.called(place):
        assert in_one_go is None
    elif place.segment < line.epoch and not line.knows(ticket.epoch, ticket.number):
        assert in_one_go in (None, encode(by_field)), "a number that was lost before anybody saw it"
    else:
        assert in_one_go == encode(by_field), "byte for byte"


@pytest.mark.promise("B3")
@given(st.integers(0, 49), st.one_of(st.none(), st.integers(0, 60)))
def test_nobody_is_told_more_people_ahead_than_before(ahead: int, told_ahead: int | None) -> None:
    """B3: and the wait is that of somebody behind so many."""
    waiting = room(Line((Segment(EPOCHS[0], 50),)), STATES["last seats"], None)
    random.seed(1)
    answer = waiting.waiting_json(Ticket(EVENT.slug, EPOCHS[0], ahead + 1, 0), told_ahead)
    random.seed(1)
    assert answer == encode(waiting.standing(Ticket(EVENT.slug, EPOCHS[0], ahead + 1, 0), told_ahead=told_ahead))
    told = json.loads(answer or b"")
    nearer = ahead if told_ahead is None else min(ahead, told_ahead)
    as_if = json.loads(waiting.waiting_json(Ticket(EVENT.slug, EPOCHS[0], nearer + 1, 0)) or b"")
    assert (told["ahead"], told["wait_seconds"], told["seats"]) == (nearer, as_if["wait_seconds"], as_if["seats"])
    assert told["place"]["rank"] == ahead + 1


def _called(made: Room, seconds: float, called: int, allowed: float) -> Snapshot:
    now_us = int((NOW.timestamp() + seconds) * 1_000_000)
    line = Line((Segment(EPOCHS[0], 100_000),), Place(EPOCHS[0], called))
    return Snapshot(made.record, line, now_us, 0, 3, 20, 8, (), 0, allowance=Allowance(10, allowed, "growing"))


def test_a_room_tells_a_wider_wait_while_a_law_steers_and_finds_out_whether_it_held() -> None:
    clock = [0.0]  # 10 a second are called; the operator allows 50
    event = EVENT.model_copy(update={"opens_at": None, "closes_at": None, "rate_per_second": 50.0, "law": "aimd"})
    made = Room(
        EventRecord(version=1, event=event, pepper="p", created_at=CREATED_AT), b"p" * 32, monotonic=lambda: clock[0]
    )
    ticket, outcomes = Ticket(EVENT.slug, EPOCHS[0], 50_000, 0), list[Outcome]()
    for second in range(2000):
        clock[0] = float(second)
        made.take(_called(made, second, 10 * second, 10.0))
        outcomes += made.waits_come_true()
        if second == 1000:
            told = made.standing(ticket).wait_seconds
            assert told is not None and (told.low, told.high) == (660, 6780)
            assert json.loads(made.waiting_json(ticket) or b"")["wait_seconds"] == {"low": 660, "high": 6780}
    assert {outcome.result for outcome in outcomes} == {"held"} and len(outcomes) > 20
    assert max(outcome.error_ratio for outcome in outcomes) < 0.2


@pytest.mark.parametrize(("called", "allowed", "expected"), [(10_000, 10.0, 4_000), (0, 10.0, 5_000), (0, 0.0, 10_000)])
def test_a_room_that_has_seen_nothing_yet_tells_by_what_is_allowed(called: int, allowed: float, expected: int) -> None:
    """Also in mid-event, and while the site asks for a pause: then by what goes with the sessions, 5 a second."""
    event = EVENT.model_copy(
        update={"opens_at": None, "closes_at": None, "rate_per_second": 50.0, "capacity": 100, "law": "aimd"}
    )
    made = Room(
        EventRecord(version=1, event=event, pepper="p", created_at=CREATED_AT), b"p" * 32, monotonic=lambda: 0.0
    )
    made.take(_called(made, 0.0, called, allowed))
    told = made.standing(Ticket(EVENT.slug, EPOCHS[0], 50_000, 0)).wait_seconds
    assert told is not None and told.high == pytest.approx(1.7 * expected, rel=0.02)


@pytest.mark.parametrize(
    ("trace", "state", "told"),
    [
        (UNTOUCHED, "called", "full"),
        (Trace(admitted=True, session_started_us=1), "admitted", "open"),
        (Trace(admitted=True), "lapsed", "open"),
        (Trace(left=True), "left", "open"),
    ],
)
def test_a_full_group_is_full_only_to_who_wants_a_seat_of_it(trace: Trace, state: str, told: str) -> None:
    line = Line((Segment(EPOCHS[0], 9),), Place(EPOCHS[0], 5))
    full = room(line, STATES["group full"], None, groups={"31": Taken(5, 0)})
    standing = full.standing(Ticket(EVENT.slug, EPOCHS[0], 2, 0, group="31"), trace)
    assert (standing.state, standing.event_state) == (state, told)


def test_nobody_is_sure_of_a_seat_where_people_were_passed_over() -> None:
    line = Line((Segment(EPOCHS[0], 9),), Place(EPOCHS[0], 5))
    for group in ("31", "32"):
        ticket = Ticket(EVENT.slug, EPOCHS[0], 6, 0, group=group)
        chances = [
            room(line, STATES["last seats"], None, passed_over=passed_over).standing(ticket).seats
            for passed_over in (0, 1)
        ]
        assert [each and each.chance for each in chances] == ["sure", "likely"]


@pytest.mark.parametrize("message", [None, MESSAGE])
def test_an_answer_is_small_and_has_every_field(message: dict[str, str] | None) -> None:
    told = room(Line((Segment(EPOCHS[0], 6_000_000),)), {}, message)
    answer = told.waiting_json(Ticket(EVENT.slug, EPOCHS[0], 5_965_048, 0)) or b""
    assert len(answer) < 300 + len(encode(message))
    assert json.loads(answer)["message"] == message


TAG, BINDING = b"t" * 16, b"b" * 16
LINE = Line((Segment(EPOCHS[0], 9), Segment(EPOCHS[1], 4)), Place(EPOCHS[0], 5))


@pytest.mark.parametrize(
    ("line", "epoch", "held", "proven"),
    [
        (LINE, EPOCHS[0], Place(EPOCHS[0], 3), Place(EPOCHS[0], 3)),
        (LINE, EPOCHS[2], NOWHERE, Place(EPOCHS[2], 3)),
        (replace(LINE, newcomers_from=EPOCHS[1]), EPOCHS[1], NOWHERE, Place(EPOCHS[1], 3)),
        (Line(), EPOCHS[0], NOWHERE, Place(EPOCHS[0], 3)),
    ],
    ids=["known", "of an epoch that is lost", "of a newcomer", "of a line that is lost"],
)
def test_a_ticket_proves_its_place_whether_or_not_the_line_knows_it(
    line: Line, epoch: int, held: Place, proven: Place
) -> None:
    made, ticket = room(line, {}, None), Ticket(EVENT.slug, epoch, 3, 0, TAG, BINDING, group="31")
    holder, proof = made.holder(ticket), made.proof(ticket)
    assert holder == Holder(session_of(EVENT.slug, TAG, 0, 0), check_of(BINDING), held, epoch, 3, "31")
    assert proof == Proof(holder.session, holder.check, "31", proven, epoch, 3)


@pytest.mark.parametrize(
    ("line", "epoch", "proven"),
    [
        (LINE.drawn_together(), EPOCHS[0], NOWHERE),
        (Line((Segment(EPOCHS[0], 9, 9), Segment(EPOCHS[1], 4)), frozen=True), EPOCHS[0], NOWHERE),
        (Line((Segment(EPOCHS[0], 9, 9), Segment(EPOCHS[1], 4)), frozen=True), EPOCHS[1], Place(EPOCHS[1], 3)),
        (Line((Segment(EPOCHS[1], 4),), frozen=True), EPOCHS[0], NOWHERE),
    ],
    ids=["before the freeze", "before the draw", "behind the draw", "of an epoch that is lost: drawn or not"],
)
def test_a_ticket_proves_no_place_that_a_draw_decides(line: Line, epoch: int, proven: Place) -> None:
    fields = {name: getattr(DRAWN_EVENT, name) for name in ("order", "draw_source", "prequeue_at", "opens_at")}
    made = room(line, fields, None)
    assert made.proof(Ticket(EVENT.slug, epoch, 3, 0, TAG)).place == proven


def test_without_identity_a_ticket_proves_a_place_and_no_row() -> None:
    proof = room(LINE, {"identity": False}, None).proof(Ticket(EVENT.slug, EPOCHS[0], 3, 0))
    assert (proof.session, proof.place) == (b"", Place(EPOCHS[0], 3))


def test_a_turn_that_is_kept_has_no_end() -> None:
    ticket, line = Ticket(EVENT.slug, EPOCHS[0], 2, 0), replace(LINE, expired=Place(EPOCHS[0], 3))
    told = [room(line, {}, None).standing(ticket, trace) for trace in (UNTOUCHED, Trace(kept=True))]
    assert [each.state for each in told] == ["expired", "called"]
    line = replace(line, expired=START)
    assert told[1].next_poll_seconds < 10, "whose turn is kept asks as often as anybody called"
    ends = [room(line, {}, None).standing(ticket, trace).called_until for trace in (UNTOUCHED, Trace(kept=True))]
    assert ends[0] is not None and ends[1] is None


def test_a_newcomer_whose_place_is_being_learnt_waits_without_one() -> None:
    told = room(replace(LINE, newcomers_from=EPOCHS[1]), {}, None)
    standing = told.standing(Ticket(EVENT.slug, EPOCHS[1], 1, 0))
    assert (standing.state, standing.place, standing.ahead, standing.wait_seconds) == ("waiting", None, None, None)
