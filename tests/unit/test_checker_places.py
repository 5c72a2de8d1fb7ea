"""The judges of places and turns accept good histories and reject bad ones: B1–B6, B8, B10–B13."""

from __future__ import annotations

from typing import Any

import pytest

from loadtests.checker import judge
from loadtests.lines import Admission, AnyLine, Completion, Effect, Op, Step
from tests.unit.histories import (
    BEGIN_AT,
    GRACE_SECONDS,
    act,
    change,
    fault,
    is_accepted,
    is_rejected,
    life,
    of,
    step,
    story,
    us,
    walk,
    without,
)


def again(op: Op = Op.REJOIN, at: float = 3.05, *, number: int = 7, **fields: Any) -> Step:
    """Person 7, of number 7, joins again or recovers."""
    told: dict[str, Any] = {"epoch": 7, "number": number, "state": "waiting", "place": (7, number), "ahead": 3}
    return step("a7", op, at, **(told | fields))


def lost(*lines: AnyLine) -> list[AnyLine]:
    """A story in which the data is lost while people wait."""
    return story(life(2.9), *fault("emptied", 2.9, 3.0, Effect.DATA_LOST), *lines)


def left_alone(*steps: AnyLine) -> list[AnyLine]:
    """A story, and one more person who is not served."""
    joined = step("b1", Op.JOIN, 2.0, status=201, epoch=7, number=900, state="waiting", place=(7, 900), ahead=900)
    return story(joined, *steps)


def late_claim(
    refused_at: float, *, told_at: float = 4.0, claims: tuple[float, ...] = (), outage: float = 0.0
) -> list[AnyLine]:
    """One more person is called at 4 s, claims in vain at times, and is told then that the turn is over.

    Args:
        outage: for so many seconds from 10 s on no gateway can be reached.
    """
    until = us(told_at + GRACE_SECONDS) / 1_000_000
    away = fault(
        "gateways away",
        10.0,
        10.0 + outage,
        Effect.GATEWAYS_AWAY,
        surely_at=BEGIN_AT + 10,
        surely_until=BEGIN_AT + 10 + outage,
    )
    return left_alone(
        step("b1", Op.POLL, told_at, state="called", place=(7, 900), called_until=until),
        *(step("b1", Op.CLAIM, at, status=429, problem="door-busy", retry_seconds=2.0) for at in claims),
        step("b1", Op.CLAIM, refused_at, status=410, problem="grace-over"),
        *(away if outage else []),
    )


def distances(*told: tuple[float, int, int]) -> list[AnyLine]:
    """One more person is told distances: (when, at which gateway, how many ahead)."""
    return left_alone(
        *(
            step("b1", Op.POLL, at, gateway, state="waiting", place=(7, 900), ahead=ahead)
            for at, gateway, ahead in told
        ),
        step("b1", Op.GIVE_UP, 30.0, status=0, error="no-show"),
    )


def entering_last(number: int, polls: tuple[float, ...]) -> list[AnyLine]:
    """Somebody of a low number enters after everybody else, having asked at these times."""
    others = story(people=60)
    late = walk(number, 1 + (number - 1) / 60, 20.0)
    asked = [line for line in late if not (isinstance(line, Step) and line.op is Op.POLL)]
    polled = [step(f"a{number}", Op.POLL, at, state="waiting", place=(7, number), ahead=0) for at in polls]
    return [
        *without(
            others,
            lambda line: getattr(line, "who", "") == f"a{number}" or getattr(line, "session", "") == f"s{number}",
        ),
        *asked,
        *polled,
    ]


REFUSED = step("a7", Op.RECOVER, 3.05, status=403, problem="recovery-refused")
STRANGER = [
    step("x1", Op.JOIN, 3.5, identity="a7", status=201, epoch=7, number=901, state="waiting", place=(7, 901), ahead=9),
    step("x1", Op.CLAIM, 14.0, identity="a7", status=409, problem="identity-in-line"),
    step("x1", Op.GIVE_UP, 14.1, identity="a7", status=0, error="no-show"),
]
COMPLETED_AGAIN: list[AnyLine] = [
    step("a7", Op.CLAIM, 15.0, session="s7", session_started_us=us(15.0)),
    Admission(
        at=BEGIN_AT + 15, session="s7", session_started_us=us(15.0), session_expires_us=us(99), issued_us=us(15.0)
    ),
    Completion(at=BEGIN_AT + 15.2, session="s7", session_started_us=us(15.0)),
]
FRONT = tuple(1.5 + i for i in range(19))

GOOD: dict[str, tuple[str, list[AnyLine]]] = {
    "everybody enters in turn": ("B1", story()),
    "a place that was given at a try whose answer was lost": (
        "B1",
        [
            *change(story(), of("a30", Op.JOIN), at=BEGIN_AT + 1.9, sent_at=BEGIN_AT + 1.9),
            step("a30", Op.JOIN, 1.48, status=0, error="ServerDisconnectedError"),
        ],
    ),
    "numbers of two epochs": ("B2", change(story(), of("a60", Op.JOIN), epoch=8, number=7)),
    "a distance that only shrinks": ("B3", story()),
    "one session for each": ("B4", story()),
    "a stranger with the same NIK is refused": ("B4", story(*STRANGER)),
    "joining again": ("B5", story(again())),
    "recovering on another device": ("B5", story(again(Op.RECOVER))),
    "a stranger is called like everybody else": (
        "B4",
        story(
            *STRANGER[:1],
            step("x1", Op.POLL, 20.0, identity="a7", state="called", place=(7, 901), called_until=us(40) / 1e6),
            *STRANGER[2:],
        ),
    ),
    "in turn": ("B6", story()),
    "somebody who stayed away is overtaken": ("B6", entering_last(3, (1.5, 15.0))),
    "an end of the turn after its grace": ("B8", late_claim(24.1)),
    "an end of the turn after its grace and an outage": ("B8", late_claim(28.6, outage=4.0)),
    "places while an operator pauses": ("B10", story(act("pause", 3.0))),
    "a distance that shrinks between gateways": ("B11", distances((3.0, 0, 30), (4.0, 1, 20))),
    "joining again after a loss": ("B12", lost(again())),
    "a turn that is kept at a busy door": (
        "B13",
        story(step("a7", Op.CLAIM, 5.3, status=429, problem="door-busy", retry_seconds=0.2)),
    ),
    "a turn that is lost without asking on": ("B13", late_claim(40.0, claims=(5.0,))),
}

BAD: dict[str, tuple[str, list[AnyLine]]] = {
    "a later joiner stands ahead": (
        "B1",
        change(story(), lambda line: getattr(line, "who", "") == "a60" and line.place, place=(7, 3)),
    ),
    "a place that is refused": (
        "B1",
        story(step("a7", Op.CLAIM, 5.3, status=409, problem="identity-in-line")),
    ),
    "a place that moves back": ("B1", change(story(), of("a7", Op.POLL, "called"), place=(7, 99))),
    "the origin stores a session twice": (
        "B4",
        story(Completion(at=BEGIN_AT + 20, session="s7", session_started_us=us(5.6))),
    ),
    "the origin stores a session that nobody has": (
        "B4",
        story(Completion(at=BEGIN_AT + 20, session="ghost", session_started_us=us(5.7))),
    ),
    "the origin lacks what was stored": (
        "B4",
        without(story(), lambda line: isinstance(line, Completion) and line.session == "s7"),
    ),
    "somebody is still there when the history ends": ("B1", left_alone()),
    "somebody still waits at the end": ("B1", left_alone(step("b1", Op.GIVE_UP, 30.0, status=0, error="time"))),
    "a number that is given twice": ("B2", change(story(), of("a8", Op.JOIN), number=7)),
    "a number that joining again gives twice": ("B2", story(again(number=9))),
    "a turn that is taken back": ("B3", story(step("a7", Op.POLL, 5.595, state="waiting", place=(7, 7), ahead=1))),
    "a distance that grows": ("B3", distances((3.0, 0, 30), (4.0, 0, 31))),
    "a deadline that comes nearer": (
        "B3",
        story(step("a7", Op.POLL, 5.595, state="called", place=(7, 7), called_until=us(15) / 1e6)),
    ),
    "a place before the draw": (
        "B3",
        [*distances((3.0, 0, 30)), step("b2", Op.JOIN, 3, state="entered", ahead=5)],
    ),
    "a distance while places are learnt": (
        "B3",
        story(
            step("b1", Op.JOIN, 4.0, status=201, epoch=8, number=1, state="waiting", place=(8, 1), ahead=3),
            step("b1", Op.GIVE_UP, 30.0, status=0, error="no-show"),
            life(2.9),
            learning_seconds=5.0,
        ),
    ),
    "two sessions at once": (
        "B4",
        story(step("a7", Op.CLAIM, 5.75, session="t7", session_started_us=us(5.7))),
    ),
    "a session of two people": ("B4", change(story(), of("a8", Op.CLAIM), session="s7")),
    "a session that nobody claimed": ("B4", without(story(), of("a7", Op.CLAIM))),
    "somebody completes twice": ("B4", story(*COMPLETED_AGAIN)),
    "somebody who has completed is called": (
        "B4",
        story(step("a7", Op.POLL, 20.0, state="called", place=(7, 7), called_until=us(30) / 1e6)),
    ),
    "another number when joining again": ("B5", story(again(number=900))),
    "another epoch when joining again": ("B5", story(again(epoch=8))),
    "a recovery that is refused": ("B5", story(REFUSED)),
    "somebody prompt is overtaken by many": ("B6", entering_last(3, FRONT)),
    "an end of the turn before its grace": ("B8", late_claim(20.0)),
    "a claim in time that is refused after the grace": (
        "B8",
        change(late_claim(23.5), of("b1", Op.CLAIM), took_seconds=3.0),
    ),
    "an end of the turn although nothing could be answered": ("B8", late_claim(26.0, outage=4.0)),
    "an end of the turn soon after waiting": (
        "B8",
        left_alone(
            step("b1", Op.POLL, 10.0, state="waiting", place=(7, 900), ahead=1),
            step("b1", Op.POLL, 20.0, state="expired"),
        ),
    ),
    "a place that a pause moves back": (
        "B10",
        change(story(act("pause", 5.5)), of("a7", Op.POLL, "called"), place=(7, 99)),
    ),
    "a distance that grows between gateways": ("B11", distances((3.0, 0, 30), (4.0, 1, 31))),
    "another number after a loss": ("B12", lost(again(number=900))),
    "a recovery that is refused after a loss": (
        "B12",
        lost(REFUSED),
    ),
    "a turn that is lost though asked for": (
        "B13",
        late_claim(25.0, claims=(5.0, 8.0, 11.0, 14.0, 17.0, 20.0, 23.0)),
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_history_is_accepted(name: str) -> None:
    is_accepted(*GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_a_bad_history_is_rejected(name: str) -> None:
    is_rejected(*BAD[name])


def test_every_growth_of_a_distance_is_counted() -> None:
    grown = distances((3.0, 0, 30), (4.0, 1, 31), (5.0, 0, 29), (6.0, 1, 35), (7.0, 1, 36))
    counted = [breach.promise for breach in judge(grown).breaches]
    assert sorted(counted) == ["B11", "B11", "B3"]


def test_a_breach_says_who_what_and_when() -> None:
    (breach,) = judge(distances((3.0, 0, 30), (4.0, 1, 31))).breaches
    assert breach.what == "b1 was told of 30 ahead, and of 31 at 4.004 s"
