"""The judge of system histories accepts a good one and rejects each kind of bad one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from loadtests.judges import Session
from tests.system.judge import Limits, Line, SiteLog, judge, mints_us, rate_reached, sessions_held, steady_us

LIMITS = Limits(rate_per_second=10, burst=2, capacity=5)
SECOND_US = 1_000_000
STAY_US = SECOND_US // 5


def story(people: int = 100) -> tuple[list[Line], SiteLog]:
    """Everybody joins in turn, enters in turn at the rate, and registers after 0.2 s."""
    lines: list[Line] = []
    entries, registered = [], []
    for person in range(people):
        who, session, started_us = f"a{person}", f"s{person}", person * SECOND_US // 10
        lines += [
            {"op": "join", "who": who, "epoch": "e", "number": person + 1},
            {"op": "poll", "who": who, "state": "waiting"},
            {"op": "poll", "who": who, "state": "called"},
            {"op": "claim", "who": who, "session": session, "session_started_us": started_us},
            {"op": "register", "who": who},
        ]
        entries.append((session, started_us))
        registered.append((session, started_us + STAY_US))
    return lines, SiteLog(entries, registered)


def change(lines: list[Line], who: str, op: str, **facts: object) -> list[Line]:
    return [line | facts if (line["who"], line["op"]) == (who, op) else line for line in lines]


def test_a_good_run_is_accepted() -> None:
    assert judge(*story(), LIMITS) == []


Spoil = Callable[[list[Line], SiteLog], tuple[list[Line], SiteLog]]

BAD: dict[str, tuple[str, Spoil]] = {
    "somebody never registered": ("B1", lambda lines, site: (lines[:-1], site)),
    "a number was given twice": ("B2", lambda lines, site: (change(lines, "a7", "join", number=7), site)),
    "somebody had two places": (
        "B5",
        lambda lines, site: ([*lines, {"op": "join", "who": "a7", "epoch": "e", "number": 500}], site),
    ),
    "somebody registered twice": ("B4", lambda lines, site: ([*lines, {"op": "register", "who": "a7"}], site)),
    "somebody had two sessions": (
        "B4",
        lambda lines, site: (
            [*lines, {"op": "claim", "who": "a7", "session": "other", "session_started_us": 0}],
            site,
        ),
    ),
    "a session served two people": ("B4", lambda lines, site: (change(lines, "a7", "claim", session="s6"), site)),
    "the site has a row that nobody has": (
        "B4",
        lambda lines, site: (lines, replace(site, registered_us=[*site.registered_us, ("ghost", 0)])),
    ),
    "a turn was taken back": (
        "B3",
        lambda lines, site: ([*lines, {"op": "poll", "who": "a7", "state": "waiting"}], site),
    ),
    "a turn was over too soon": (
        "B3",
        lambda lines, site: ([*lines, {"op": "poll", "who": "a7", "state": "expired"}], site),
    ),
    "passes began too close together": (
        "A1",
        lambda lines, site: (
            [line | ({"session_started_us": 0} if line["op"] == "claim" else {}) for line in lines],
            site,
        ),
    ),
    "the site met too many at once": (
        "A1",
        lambda lines, site: (lines, replace(site, entries=[(s, i * 1000) for i, (s, _) in enumerate(site.entries)])),
    ),
    "more sessions than the capacity": (
        "A2",
        lambda lines, site: (
            lines,
            replace(site, registered_us=[(session, us + SECOND_US) for session, us in site.registered_us]),
        ),
    ),
    "somebody was overtaken by far": (
        "B6",
        lambda lines, site: (
            change(change(lines, "a0", "join", number=1000), "a99", "join", number=0),
            site,
        ),
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_run_is_rejected(kind: str) -> None:
    promise, spoil = BAD[kind]
    assert promise in {breach.promise for breach in judge(*spoil(*story()), LIMITS)}


def test_what_was_reached_is_measured_over_the_steady_part() -> None:
    lines, _ = story()
    mints = mints_us(lines)
    assert rate_reached(mints) == pytest.approx(10)
    begin, end = steady_us(mints)
    assert (begin, end) == (mints[5], mints[94])


def test_sessions_held_is_the_mean_over_time() -> None:
    held = [Session("a", 0, 10), Session("b", 5, 10), Session("c", 8, 30)]
    assert sessions_held(held, 0, 10) == pytest.approx(1.7)
    assert sessions_held(held, 10, 20) == pytest.approx(1.0)
