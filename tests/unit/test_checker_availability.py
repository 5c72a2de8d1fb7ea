"""The judges of availability and overload accept good histories and reject bad ones: C1–C9."""

from __future__ import annotations

from typing import Any

import pytest

from loadtests.lines import AnyLine, Effect, Load, Op, Start, Step
from tests.unit.histories import BEGIN_AT, WALL_US, change, fault, is_accepted, is_rejected, life, sample, step, story


def waiting(*polls: Step, until: float = 60.0, place: tuple[int, int] = (7, 900)) -> list[AnyLine]:
    """A story, and one more person who waits and polls."""
    joined = step("b1", Op.JOIN, 2.0, status=201, epoch=7, number=900, state="waiting", place=place, ahead=900)
    return story(joined, *polls, step("b1", Op.GIVE_UP, until, status=0, error="no-show"))


def poll(at: float, **fields: Any) -> Step:
    told: dict[str, Any] = {"state": "waiting", "place": (7, 900), "ahead": 0}
    return step("b1", Op.POLL, at, **(told | fields))


def page(at: float, **fields: Any) -> Step:
    return step("b1", Op.PAGE, at, **fields)


AWAY = fault("killed", 20.0, 30.0, Effect.REDIS_AWAY)


def away(*steps: Step, **fields: Any) -> list[AnyLine]:
    """Redis is away from 20 s to 30 s, and these steps are made meanwhile."""
    return [*change(waiting(*steps), lambda line: type(line).__name__ == "Terms", **fields), *AWAY]


def joins(first: float, last: float, each: float, **fields: Any) -> list[AnyLine]:
    """People who only join, and so often."""
    count = int((last - first) / each)
    return [
        step(f"j{first:g}-{i}", Op.JOIN, first + i * each, **({"status": 201, "epoch": 9} | fields))
        for i in range(count)
    ]


def failover(resumed: float, *, resumes: bool = True) -> list[AnyLine]:
    """A failover from 20 s to 25 s, in which joins fail until then."""
    failed = joins(20.1, resumed, 0.5, status=503, problem="store-unavailable")
    served = joins(resumed, resumed + 5, 0.5) if resumes else []
    return story(*failed, *served, *fault("failover", 20, 25, Effect.FAILOVER), everybody_ends=False)


def worker_away(until: float) -> list[AnyLine]:
    """Nobody enters from 6 s until then, since the worker is away."""
    late = [line for line in story(people=60) if not isinstance(line, Start)]
    moved = []
    for line in late:
        number = int("".join(filter(str.isdigit, getattr(line, "who", "") or getattr(line, "session", "") or "0")) or 0)
        moved.append(_later(line, until - 6.0) if number > 10 and line.at > BEGIN_AT + 5.9 else line)
    return [Start(at=BEGIN_AT, wall_us=WALL_US), *moved, *fault("worker", 6.0, 7.0, Effect.WORKER_AWAY)]


def _later(line: AnyLine, seconds: float) -> AnyLine:
    fields: dict[str, Any] = {"at": line.at + seconds}
    if isinstance(line, Step):
        fields["sent_at"] = line.sent_at + seconds
    for name in ("session_started_us", "issued_us", "session_expires_us"):
        if getattr(line, name, None) is not None:
            fields[name] = getattr(line, name) + round(seconds * 1_000_000)
    if isinstance(line, Step) and line.called_until is not None:
        fields["called_until"] = line.called_until + seconds
    return change([line], lambda _: True, **fields)[0]


def healed(**fields: Any) -> list[AnyLine]:
    """All state is lost at 20 s; learning takes 5 s."""
    lines = waiting(poll(21.0, place=None, ahead=None), poll(27.0, **fields))
    learning = change(lines, lambda line: type(line).__name__ == "Terms", learning_seconds=5.0)
    return [*learning, life(20.0), *fault("emptied", 20.0, 20.1, Effect.DATA_LOST)]


def herd(per_second: int) -> list[AnyLine]:
    """Ten polls a second before an outage, and so many in the second after it."""
    before = [step(f"p{i % 10}", Op.POLL, 10 + i / 10, state="waiting", as_of_seconds=60.0) for i in range(100)]
    after = [step(f"p{i}", Op.POLL, 25.1 + i / per_second, state="waiting") for i in range(per_second)]
    joined = [
        step(f"p{i}", Op.JOIN, 9.0, status=201, epoch=9, number=i + 1, state="waiting") for i in range(per_second)
    ]
    ended = [step(f"p{i}", Op.GIVE_UP, 40.0, status=0, error="no-show") for i in range(per_second)]
    return story(*joined, *before, *after, *ended, *fault("cut", 20, 25, Effect.GATEWAYS_AWAY))


def loads(beyond: list[AnyLine]) -> list[AnyLine]:
    """Unloaded, then at the capacity of 20 joins a second, then at five times that."""
    begins = ((0.0, 100.0), (1.0, 120.0), (5.0, 140.0))
    marks = [Load(at=BEGIN_AT + at, until_at=BEGIN_AT + at + 10, factor=factor) for factor, at in begins]
    return story(*joins(100.0, 110.0, 1.0), *joins(120.0, 130.0, 0.05), *beyond, *marks, everybody_ends=False)


ACCEPTED = joins(140.0, 150.0, 0.05)
SHED = joins(140.01, 150.0, 0.0125, status=429, problem="door-busy", retry_seconds=5.0)


def memory(last_bytes: float, redis_bytes: float) -> list[AnyLine]:
    """A gateway that grows to so many bytes, while 10,000 people take so many in Redis."""
    gateway = [sample("gateway_bytes", i, 1e8 + (last_bytes - 1e8) * i / 20, "gateway-1") for i in range(21)]
    redis = [sample("redis_bytes", i, 1e6 + redis_bytes * i / 20) for i in (0, 20)]
    return story(*gateway, *redis, *(sample("applicants", i, 500 * i) for i in (0, 20)))


def full(*lines: AnyLine) -> list[AnyLine]:
    """Redis' memory is full from 5 s to 9 s, while people enter."""
    return story(*lines, *fault("full", 5.0, 9.0, Effect.REDIS_FULL))


GOOD: dict[str, tuple[str, list[AnyLine]]] = {
    "pages and polls while Redis is away": ("C1", away(poll(25, as_of_seconds=5.0), page(26), page_p99_seconds=0.05)),
    "a gateway that is away cannot answer": (
        "C1",
        [
            *away(page(24), page(25, status=0, error="ClientConnectorError")),
            *fault("gateway", 24.5, 26, Effect.GATEWAYS_AWAY),
        ],
    ),
    "joins resume": ("C2", failover(23.0)),
    "people enter again": ("C3", worker_away(9.0)),
    "places come back": ("C4", healed()),
    "polls spread": ("C8", herd(20)),
    "the excess is sent away": ("C5", loads([*ACCEPTED, *SHED])),
    "flat memory": ("C6", memory(1.02e8, 320_000)),
    "joins are refused while memory is full": (
        "C7",
        full(*joins(6.0, 8.0, 0.5, status=503, problem="store-unavailable", retry_seconds=3.0)),
    ),
    "tickets and passes are taken": ("C9", story()),
    "an old pass has expired": ("C9", story(step("a7", Op.ENTER, 99.0, status=401, problem="expired"))),
}

BAD: dict[str, tuple[str, list[AnyLine]]] = {
    "a page that is not served": ("C1", away(page(25, status=503))),
    "a poll that is not answered": ("C1", away(poll(25, status=0, error="TimeoutError", state=""))),
    "a place that is forgotten": ("C1", away(poll(25, place=None, as_of_seconds=9.0))),
    "old facts that are called fresh": ("C1", away(poll(25, as_of_seconds=0.1))),
    "slow pages": ("C1", away(page(25, took_seconds=0.3), page_p99_seconds=0.05)),
    "joins that resume too late": ("C2", failover(26.0)),
    "joins that never resume": ("C2", failover(26.0, resumes=False)),
    "a long pause without a worker": ("C3", worker_away(15.0)),
    "a place that does not come back": ("C4", healed(place=None, ahead=None)),
    "polls that fail after a loss": ("C4", healed(status=500, problem="internal", state="")),
    "a herd": ("C8", herd(60)),
    "a goodput that falls": ("C5", loads([*joins(140.0, 150.0, 0.1), *SHED])),
    "joins that take too long": ("C5", loads([*joins(140.0, 150.0, 0.05, took_seconds=0.1), *SHED])),
    "an excess that is not told when to come back": (
        "C5",
        loads([*ACCEPTED, *joins(140.01, 150.0, 0.0125, status=503)]),
    ),
    "an excess that times out": (
        "C5",
        loads([*ACCEPTED, *joins(140.01, 150.0, 0.5, status=0, error="TimeoutError", took_seconds=10.0)]),
    ),
    "a gateway that grows": ("C6", memory(1.2e8, 320_000)),
    "an applicant that takes too much": ("C6", memory(1e8, 500_000)),
    "evicted keys": ("C7", full(sample("evicted_keys", 8.0, 3))),
    "joins that fail while memory is full": ("C7", full(*joins(6.0, 8.0, 0.5, status=500, problem="internal"))),
    "a line that stands while memory is full": (
        "C7",
        story(*fault("full", 1.0, 4.5, Effect.REDIS_FULL)),
    ),
    "a valid ticket that is refused": ("C9", story(step("a7", Op.POLL, 3.05, status=401, problem="ticket-invalid"))),
    "a valid pass that is refused": ("C9", story(step("a7", Op.ENTER, 5.605, status=401, problem="key-unknown"))),
    "a fresh pass that has expired": ("C9", story(step("a7", Op.ENTER, 5.605, status=401, problem="expired"))),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_history_is_accepted(name: str) -> None:
    is_accepted(*GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_a_bad_history_is_rejected(name: str) -> None:
    is_rejected(*BAD[name])
