"""Judges a run of simulated applicants by their history and by the site's own log. Empty means kept.

It knows nothing of how the run was made; tests/system/test_judge.py shows it bad histories.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

from loadtests.judges import Session, duplicates, most_at_once, windows_exceeded, worst_overtaking

_FRONT_POLL_SECONDS = 1.2  # of people whose turn is near: a second, and a fifth of it for jitter
_UNCLAIMED_SECONDS = 3.0  # of rate are called and unclaimed
_STEADY = 0.05, 0.95  # the part of the admissions between the ramp and the end of the line

Line = dict[str, Any]


class Breach(NamedTuple):
    """A promise that was not kept, and how."""

    promise: str
    what: str


@dataclass(frozen=True)
class Limits:
    """What the event was configured to."""

    rate_per_second: float
    burst: int
    capacity: int


@dataclass(frozen=True)
class SiteLog:
    """What the protected site wrote down by itself: door entries, and when each session's person was registered.

    Args:
        entries: (session, start from the pass in µs), one for each time that a pass opened the door.
        registered_us: session and wall clock, one for each registration.
    """

    entries: Sequence[tuple[str, int]]
    registered_us: Sequence[tuple[str, int]]


def read_history(path: Path) -> list[Line]:
    """The lines of a history."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_site(database: Path) -> SiteLog:
    """The log in the demo site's database."""
    with closing(sqlite3.connect(database)) as db:
        entries = db.execute("SELECT session, session_started_us FROM entries").fetchall()
        registered = db.execute("SELECT session, registered_at_seconds FROM registrations").fetchall()
    return SiteLog(entries, [(session, round(seconds * 1_000_000)) for session, seconds in registered])


def judge(history: Iterable[Line], site: SiteLog, limits: Limits) -> list[Breach]:
    """Every promise that this run broke."""
    lines = list(history)
    rest = (_judge_turns(lines), _judge_admission(lines, site, limits), _judge_order(lines, limits))
    return [*_judge_ways(lines, site), *(breach for found in rest for breach in found)]


def _judge_ways(lines: list[Line], site: SiteLog) -> list[Breach]:
    """Everybody who came has one place, one session, and is registered once."""
    came = {line["who"] for line in lines}
    registered = [line["who"] for line in lines if line["op"] == "register"]
    places = {(line["who"], line["epoch"], line["number"]) for line in lines if line["op"] == "join"}
    sessions = {(line["who"], line["session"], line["session_started_us"]) for line in lines if line["op"] == "claim"}
    found = [Breach("B1", f"{who} did not register") for who in sorted(came - set(registered))]
    found += [Breach("B2", f"{place} was given twice") for place in duplicates(place[1:] for place in places)]
    found += [Breach("B5", f"{who} had two places") for who in duplicates(place[0] for place in places)]
    found += [Breach("B4", f"{who} registered twice") for who in duplicates(registered)]
    found += [Breach("B4", f"{who} had two sessions") for who in duplicates(session[0] for session in sessions)]
    found += [Breach("B4", f"{one} is of two people") for one in duplicates(session[1] for session in sessions)]
    known = {session[1] for session in sessions}
    rows = [session for session, _ in site.registered_us]
    found += [Breach("B4", f"{session} has two rows") for session in duplicates(rows)]
    found += [Breach("B4", f"{session} and the site's rows do not match") for session in known ^ set(rows)]
    return found


def _judge_turns(lines: list[Line]) -> list[Breach]:
    """B3: who was told of their turn is not told to wait again, nor that it is over: nobody here is so slow."""
    states: dict[str, list[str]] = {}
    for line in lines:
        if line["op"] == "poll":
            states.setdefault(line["who"], []).append(line["state"])
    return [
        Breach("B3", f"{who} was told {after} after {before}")
        for who, told in states.items()
        for before, after in pairwise(told)
        if before != "waiting" and after in ("waiting", "expired")
    ]


def mints_us(lines: Iterable[Line]) -> list[int]:
    """When sessions began, from the passes, each session once, sorted."""
    return sorted({line["session"]: line["session_started_us"] for line in lines if line["op"] == "claim"}.values())


def _judge_admission(lines: list[Line], site: SiteLog, limits: Limits) -> list[Breach]:
    found = []
    logged = sorted({started_us for _, started_us in site.entries})
    for source, mints in (("passes", mints_us(lines)), ("the site's log", logged)):
        for window in windows_exceeded(mints, limits.rate_per_second, limits.burst):
            found.append(Breach("A1", f"by {source}: {window}"))
    most = most_at_once(sessions(site))
    if most > limits.capacity:
        found.append(Breach("A2", f"{most} sessions at once, {limits.capacity} allowed"))
    return found


def sessions(site: SiteLog) -> list[Session]:
    """From the start in the pass until the site had the registration: the report, which frees the seat, is later."""
    registered_us = dict(site.registered_us)
    return [
        Session(session, started_us, registered_us[session])
        for session, started_us in set(site.entries)
        if session in registered_us
    ]


def _judge_order(lines: list[Line], limits: Limits) -> list[Breach]:
    """B6: who came later enters earlier only by what a poll and the called and unclaimed allow."""
    places = {line["who"]: (line["epoch"], line["number"]) for line in lines if line["op"] == "join"}
    claims = sorted((line["session_started_us"], line["who"]) for line in lines if line["op"] == "claim")
    admitted = list(dict.fromkeys(places[who] for _, who in claims if who in places))
    allowed = ceil((_FRONT_POLL_SECONDS + _UNCLAIMED_SECONDS) * limits.rate_per_second)
    worst = worst_overtaking(admitted)
    return [Breach("B6", f"overtaken by {worst}, {allowed} allowed")] if worst > allowed else []


def steady_us(mints: Sequence[int]) -> tuple[int, int]:
    """Begin and end of the part of a run in which the line was full."""
    return mints[int(len(mints) * _STEADY[0])], mints[int(len(mints) * _STEADY[1]) - 1]


def rate_reached(mints: Sequence[int]) -> float:
    """Admissions per second over the steady part."""
    begin, end = steady_us(mints)
    return (sum(begin <= mint <= end for mint in mints) - 1) / (end - begin) * 1_000_000


def sessions_held(held: Iterable[Session], begin_us: int, end_us: int) -> float:
    """The mean number of sessions at once over a time."""
    steps = sorted(step for each in held for step in ((each.start_us, 1), (each.end_us, -1)))
    running, area = 0, 0
    for (at, change), (until, _) in pairwise([*steps, (end_us, 0)]):
        running += change
        area += running * max(0, min(until, end_us) - max(at, begin_us))
    return area / (end_us - begin_us)
