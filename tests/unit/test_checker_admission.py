"""The judges of admission accept good histories and reject bad ones: A1–A4, A7, A8, A10, A11, B7."""

from __future__ import annotations

from typing import Any

import pytest

from loadtests.checker import judge
from loadtests.lines import AnyLine, Completion, Effect, Op, Report, Start, Step
from tests.unit.histories import (
    BEGIN_AT,
    WALL_US,
    change,
    fault,
    is_accepted,
    is_rejected,
    life,
    sample,
    step,
    story,
    terms,
    us,
    walk,
)


def entering(times: list[float], *lines: AnyLine, stay_seconds: float = 0.01, **fields: Any) -> list[AnyLine]:
    """People who joined at once and enter at these times."""
    walks = [line for i, at in enumerate(times) for line in walk(i + 1, i / 1_000, at, stay_seconds)]
    return [Start(at=BEGIN_AT, wall_us=WALL_US), terms(**{"capacity": 1_000, **fields}), *walks, *lines]


def steady(begin: float, end: float, rate: float) -> list[float]:
    return [begin + i / rate for i in range(int((end - begin) * rate))]


def waiting(line: AnyLine) -> bool:
    return isinstance(line, Step) and line.state == "waiting"


def busy_then_answered(*, again: str = "s7") -> list[AnyLine]:
    """Person 7 claimed in vain first, and once more after the pass had come."""
    return story(
        step("a7", Op.CLAIM, 5.5, status=0, error="TimeoutError"),
        step("a7", Op.CLAIM, 5.7, session=again, session_started_us=us(5.6) if again == "s7" else us(5.7)),
    )


TROUBLE = {"automatic": True, "interval_seconds": 5.0, "recovery_seconds": 20.0, "everybody_ends": False}


def trouble(during: float, after: float) -> list[AnyLine]:
    """Ten a second for 20 s, then trouble for 30 s with other rates, then 50 s without."""
    times = [
        *steady(1, 20, 10),
        *steady(20, 30, 10),
        *steady(30, 50, during),
        *steady(50, 70, after / 2),
        *steady(70, 101, after),
    ]
    return entering(times, *fault("slow site", 20, 50, Effect.ORIGIN_TROUBLE), **TROUBLE)


def silence(rate: float) -> list[AnyLine]:
    times = [*steady(1, 20, 10), *steady(20, 35, 10), *steady(35, 65, rate)]
    return entering(times, *fault("no word", 20, 65, Effect.ORIGIN_SILENT), **TROUBLE)


def no_shows(lines: list[AnyLine]) -> list[AnyLine]:
    gone = [
        line
        for i in range(20)
        for line in (
            step(f"n{i}", Op.JOIN, i / 10, status=201, epoch=8, number=i + 1, state="waiting"),
            step(f"n{i}", Op.GIVE_UP, 30.0, status=0, error="no-show"),
        )
    ]
    return [*lines, *gone]


AWAY = fault("redis killed", 5.0, 8.0, Effect.REDIS_AWAY, surely_at=BEGIN_AT + 5.1, surely_until=BEGIN_AT + 7.9)
AROUND = [*steady(2, 5, 10), *steady(8, 12, 10)]
REPORTED = Report(at=BEGIN_AT + 20, session="s7", what="completed", result="completed")
BINDS = {"rate_binds": True}

GOOD: dict[str, tuple[str, list[AnyLine]]] = {
    "the rate with its burst": ("A1", story()),
    "a life that begins allows one more burst": ("A1", entering([5.0, 5.0, 5.001, 5.002, 5.1], life(5.0))),
    "two masters for a moment": (
        "A1",
        entering([5.0 + i / 100 for i in range(12)], *fault("failover", 4.9, 5.2, Effect.FAILOVER)),
    ),
    "another rate from now on": (
        "A1",
        entering(
            [*steady(2, 4, 10), *steady(5, 8, 20)], terms(4.5, capacity=1_000, rate_per_second=20), everybody_ends=False
        ),
    ),
    "sessions under the capacity": ("A2", story()),
    "nobody saw the line: as many more as enter in a learning window": (
        "A2",
        entering(steady(2, 3, 10), life(1.5, seen=False), stay_seconds=9, capacity=5, learning_seconds=1.0),
    ),
    "many workers": ("A3", story()),
    "a repeated claim": ("A4", busy_then_answered()),
    "the product counts whom people know": ("A4", [*busy_then_answered(), sample("admitted", 30, 60)]),
    "nobody enters while Redis is away": ("A7", change(entering(AROUND, *AWAY), waiting, as_of_seconds=9.0)),
    "a careful rate in silence": ("A7", silence(2)),
    "a rate that is halved and comes back": ("A8", trouble(4, 10)),
    "an accurate rate": ("A10", entering(steady(2, 42, 10), **BINDS)),
    "a fault excuses the windows around it": (
        "A10",
        entering([*steady(2, 42, 10), *steady(50, 90, 10)], *fault("restarts", 42, 50, Effect.RESTART), **BINDS),
    ),
    "a quota that is just used up": ("A11", story(quota=60)),
    "a late completion counts all the same": (
        "A11",
        story(Report(at=BEGIN_AT + 20, session="s60", what="completed", result="late"), quota=59),
    ),
    "a few seats more after a loss": ("A11", story(life(6.0), quota=58)),
    "more seats after a loss that nobody saw": ("A11", story(life(6.0, lost_seconds=1.0, seen=False), quota=50)),
    "no-shows beside a full rate": ("B7", no_shows(entering(steady(2, 42, 10), **BINDS))),
}

BAD: dict[str, tuple[str, list[AnyLine]]] = {
    "one more than the burst at one instant": ("A1", entering([5.0] * 4)),
    "a rate that is a little too high": ("A1", entering(steady(2, 12, 13))),
    "a burst without a new life": ("A1", entering([5.0, 5.0, 5.001, 5.002, 5.1])),
    "a life that began at another time": ("A1", entering([5.0, 5.0, 5.001, 5.002, 5.1], life(8.0))),
    "the old rate after it was lowered": (
        "A1",
        entering(steady(2, 10, 10), terms(5, capacity=1_000, rate_per_second=5, burst=1), everybody_ends=False),
    ),
    "more sessions than the capacity": ("A2", entering(steady(2, 3, 10), stay_seconds=2, capacity=5)),
    "too many with several workers": ("A3", entering([5.0] * 4)),
    "a repeated claim that is another session": ("A4", busy_then_answered(again="other")),
    "the product let in somebody whom nobody knows": ("A4", story(sample("admitted", 30, 61))),
    "somebody enters while Redis is away": ("A7", entering(sorted([*AROUND, 6.5]), *AWAY)),
    "a pass is refused while Redis is away": (
        "A7",
        [*entering(AROUND, *AWAY), step("a1", Op.ENTER, 6.0, status=401, problem="signature")],
    ),
    "the full rate in silence": ("A7", silence(10)),
    "a rate that is not halved": ("A8", trouble(8, 10)),
    "a rate that does not come back": ("A8", trouble(4, 6)),
    "a rate that swings": (
        "A8",
        entering(
            [*steady(1, 30, 10), *steady(30, 70, 4), *steady(70, 80, 10), *steady(80, 90, 4), *steady(90, 101, 10)],
            *fault("slow site", 20, 50, Effect.ORIGIN_TROUBLE),
            **TROUBLE,
        ),
    ),
    "a rate that is too low": ("A10", entering(steady(2, 52, 9), **BINDS)),
    "more seats than the quota": ("A11", story(quota=59)),
    "many seats more after a loss that gateways saw": ("A11", story(life(6.0), quota=50)),
    "more seats than a group has": (
        "A11",
        change(story(group_quotas={"west": 3}), lambda line: hasattr(line, "session_expires_us"), group="west"),
    ),
    "a completion that counts twice": ("A11", story(REPORTED)),
    "a line that no-shows stall": ("B7", no_shows(entering(steady(2, 52, 8), **BINDS))),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_history_is_accepted(name: str) -> None:
    is_accepted(*GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_a_bad_history_is_rejected(name: str) -> None:
    is_rejected(*BAD[name])


def test_a_session_that_is_renewed_is_one_session() -> None:
    """A heartbeat moves the start that is told in a fresh pass."""
    again = step("a7", Op.CLAIM, 5.7, session="s7", session_started_us=us(5.65))
    assert judge(story(again, renews=True)).result == "kept"
    assert "B4" in judge(story(again, people=60)).broken


def test_who_never_completes_holds_the_seat_until_the_session_lapses() -> None:
    lines = entering(steady(2, 4, 10), stay_seconds=0.01, capacity=5, session_seconds=1.0)
    gone = [line for line in lines if not isinstance(line, Completion | Report)]
    gone = [line for line in gone if not (isinstance(line, Step) and line.op is Op.COMPLETE)]
    assert {"A2"} <= judge(gone).broken
    assert "A2" not in judge(lines).broken
