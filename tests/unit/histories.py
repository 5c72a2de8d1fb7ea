"""Hand-made histories for tests of the checker: good ones, and the means to spoil them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from loadtests.checker import judge
from loadtests.lines import (
    Act,
    Admission,
    AnyLine,
    Completion,
    Effect,
    Fault,
    Life,
    Op,
    Proof,
    Report,
    Sample,
    Start,
    Step,
    Terms,
)

BEGIN_AT = 1_000.0
WALL_US = 1_800_000_000_000_000
GATEWAYS = ("http://127.0.0.1:1001", "http://127.0.0.1:1002")
GRACE_SECONDS = 20.0
TOOK_SECONDS = 0.004


def us(at: float) -> int:
    """The wall clock at this many seconds after the begin, in microseconds."""
    return WALL_US + round(at * 1_000_000)


def terms(at: float = 0.0, **fields: Any) -> Terms:
    """Ten a second, two at once, five sessions, which many workers keep until nobody waits."""
    usual: dict[str, Any] = {
        "rate_per_second": 10,
        "burst": 2,
        "capacity": 5,
        "quota": 1_000,
        "grace_seconds": GRACE_SECONDS,
        "workers": 2,
        "everybody_ends": True,
    }
    return Terms(at=BEGIN_AT + at, **(usual | fields))


def step(who: str, op: Op, at: float, gateway: int = 0, **fields: Any) -> Step:
    """A step with an answer after 4 ms; a told state brings along what is told with it."""
    told: dict[str, Any] = {"next_poll_seconds": 1.0, "as_of_seconds": 0.0} if "state" in fields else {}
    moment = BEGIN_AT + at
    usual = {"sent_at": moment, "took_seconds": TOOK_SECONDS, "status": 200, "gateway": GATEWAYS[gateway]}
    return Step(at=moment, who=who, op=op, **{**usual, **told, **fields})


def walk(number: int, join_at: float, enter_at: float, stay_seconds: float = 0.2, **session: Any) -> list[AnyLine]:
    """One person from the join to the accepted report: polls each second, in turn at both gateways.

    Args:
        number: of the place, and of the person `a<number>`.
        session: other fields of the claim.
    """
    who, place = f"a{number}", (7, number)
    lines: list[AnyLine] = [
        step(who, Op.JOIN, join_at, status=201, epoch=7, number=number, state="waiting", place=place, ahead=number)
    ]
    seconds = max(1, int(enter_at - join_at))
    for second in range(1, seconds):
        ahead = number * (seconds - second) // seconds
        lines.append(step(who, Op.POLL, join_at + second, second % 2, state="waiting", place=place, ahead=ahead))
    until = us(enter_at + GRACE_SECONDS) / 1_000_000
    lines.append(step(who, Op.POLL, enter_at - 0.01, state="called", place=place, called_until=until))
    given: dict[str, Any] = {"session": f"s{number}", "session_started_us": us(enter_at)} | session
    lines.append(step(who, Op.CLAIM, enter_at, status=201, **given))
    name, started_us = given["session"], given["session_started_us"]
    lines += [
        Admission(
            at=BEGIN_AT + enter_at + 0.01,
            session=name,
            session_started_us=started_us,
            session_expires_us=started_us + 900_000_000,
            issued_us=started_us,
        ),
        step(who, Op.ENTER, enter_at + 0.01, session=name),
        Completion(at=BEGIN_AT + enter_at + stay_seconds, session=name, session_started_us=started_us),
        step(who, Op.COMPLETE, enter_at + stay_seconds, session=name),
        Report(at=BEGIN_AT + enter_at + stay_seconds + 0.05, session=name, what="completed", result="completed"),
    ]
    return lines


def story(*lines: AnyLine, people: int = 60, **fields: Any) -> list[AnyLine]:
    """Everybody joins within a second and enters in turn, ten a second from the fifth on; with more lines.

    Args:
        fields: of the terms.
    """
    walks = [line for i in range(people) for line in walk(i + 1, 1 + i / people, 5 + i / 10)]
    return [Start(at=BEGIN_AT, wall_us=WALL_US), terms(**fields), *walks, *lines]


def fault(name: str, at: float, until: float, *effects: Effect, **fields: Any) -> list[AnyLine]:
    """A fault with its proof."""
    moment = BEGIN_AT + at
    made = Fault(at=moment, name=name, effects=effects, until_at=BEGIN_AT + until, **fields)
    return [made, Proof(at=moment + 0.1, fault=name, what="it was measured")]


def life(at: float, lost_seconds: float = 5.0, *, seen: bool = True) -> Life:
    """A new life of Redis that began within a tenth of a second."""
    return Life(at=BEGIN_AT + at, until_at=BEGIN_AT + at + 0.1, lost_seconds=lost_seconds, seen=seen)


def act(what: str, at: float) -> Act:
    """What an operator did."""
    return Act(at=BEGIN_AT + at, what=what)


def sample(what: str, at: float, value: float, source: str = "") -> Sample:
    """A figure."""
    return Sample(at=BEGIN_AT + at, what=what, value=value, source=source)


def change(
    lines: Iterable[AnyLine], chosen: Callable[[Any], bool], *, only_first: bool = False, **fields: Any
) -> list[AnyLine]:
    """The same lines with other fields in the chosen ones."""
    changed, done = [], False
    for line in lines:
        if chosen(line) and not (done and only_first):
            line, done = msgspec.structs.replace(line, **fields), True
        changed.append(line)
    assert done, "nothing was changed"
    return changed


def of(who: str, op: Op, state: str = "") -> Callable[[Any], bool]:
    """Chooses the steps of a person; with a state those that told it."""

    def chosen(line: Any) -> bool:
        return isinstance(line, Step) and (line.who, line.op) == (who, op) and line.state in (state or line.state,)

    return chosen


def without(lines: Iterable[AnyLine], chosen: Callable[[Any], bool]) -> list[AnyLine]:
    """The lines that are not chosen."""
    return [line for line in lines if not chosen(line)]


def is_accepted(promise: str, lines: list[AnyLine]) -> None:
    """The checker looks at the promise in a good history, and finds every promise kept."""
    verdict = judge(lines)
    assert verdict.looked_at(promise) > 0
    assert verdict.result == "kept", verdict.text()


def is_rejected(promise: str, lines: list[AnyLine]) -> None:
    """The checker finds the promise broken in a bad history."""
    assert promise in judge(lines).broken
